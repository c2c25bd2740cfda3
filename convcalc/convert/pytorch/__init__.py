"""PyTorch: a module's text, the comparison with PyTorch itself, and modules read."""
