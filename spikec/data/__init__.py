"""Data sets: each a name that gives samples, labels and fixed splits."""
