"""Imports programs of torch.export (`.pt2`) without PyTorch."""
