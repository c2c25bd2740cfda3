"""Parses ONNX files, infers their shapes, and converts ONNX operators to convcalc's layer kinds and back."""
