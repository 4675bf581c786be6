"""The network of this folder as Lava processes: `python run.py` runs it with lava-nc and numpy alone."""
