"""Networks from elsewhere and to elsewhere: ONNX, PyTorch, Keras."""
