"""From the text of a spec to a `Network`: YAML, expressions, and the expansion of entries into layers."""
