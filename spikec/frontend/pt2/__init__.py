"""The front door for .pt2 files: networks exported by torch.export, read as plain data and never unpickled."""
