"""Runners: each runs a Graph on data and counts what its probes ask for."""
