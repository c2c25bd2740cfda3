"""What PyTorch answers for single layers: the table that the layer kinds are tested against."""
