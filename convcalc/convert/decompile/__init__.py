"""Turns an imported network into the text of a spec with blocks and repeats, as a person would write it."""
