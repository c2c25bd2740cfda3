"""ONNX graphs: parsing files, inferring shapes, and converting operators to convcalc layer kinds and back."""
