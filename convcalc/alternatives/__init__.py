"""Alternatives to convolutions: known factorisations, each built into the network and counted."""
