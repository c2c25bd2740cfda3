"""Two networks side by side: which layers are the same, what changed in them, and what it costs."""
