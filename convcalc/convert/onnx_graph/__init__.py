"""Reading an ONNX graph: the file, the values in it, and what its operators are in our language."""
