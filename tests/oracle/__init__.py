"""PyTorch's results for single layers: the table with which the layer kinds are compared."""
