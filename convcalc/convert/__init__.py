"""Imports networks from ONNX, Keras and PyTorch as specs, and exports networks to ONNX and PyTorch."""
