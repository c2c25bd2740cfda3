"""Reads the text of a spec into a `Network`: YAML, expressions, and the expansion of entries into layers."""
