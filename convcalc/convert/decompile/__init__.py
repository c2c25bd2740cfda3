"""From an imported network to the text of a spec that a person would want."""
