"""How each operator is taken: by kind, a function each, gathered in the table of `spikec.frontend.onnx.operators`."""
