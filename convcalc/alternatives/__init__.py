"""Finds alternatives to convolutions: known factorisations, each built into the network to compute its savings."""
