"""Computes what a network needs on a device, such as the tensor arena of a microcontroller, and reads device files."""
