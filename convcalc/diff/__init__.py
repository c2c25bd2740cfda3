"""Compares two networks: which layers correspond, what changed in them, and what the change costs."""
