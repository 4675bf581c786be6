"""Spaces, genomes, samplers and studies; knows no chip and no network."""
