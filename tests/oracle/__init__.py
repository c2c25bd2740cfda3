"""Counts and output shapes from PyTorch, with which the tests compare the layer kinds and the examples."""
