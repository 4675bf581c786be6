"""The arithmetic of the processes: numpy in float64, one function an operation, no Lava.

Shapes are those of one sample at one step: neither a batch nor a time axis.
"""
