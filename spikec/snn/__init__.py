"""Spiking transformers: blocks, supernet, subnets, training and checkpoints."""
