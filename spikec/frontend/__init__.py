"""Readers: each gives a Graph, or lists what it cannot take."""
