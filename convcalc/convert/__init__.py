"""Imports networks from ONNX, Keras, Ultralytics and PyTorch as specs, and exports networks to ONNX and PyTorch."""
