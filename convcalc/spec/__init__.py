"""From the text of a spec to a network: reading, expressions, expansion."""
