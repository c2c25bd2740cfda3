"""PyTorch: reads modules, writes modules, and compares a network with PyTorch."""
