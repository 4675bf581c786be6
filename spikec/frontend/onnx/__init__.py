"""The front door for .onnx files: feed-forward, unrolled and single-step networks as one graph."""
