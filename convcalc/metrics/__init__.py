"""The metrics of a network by name, those of devices included, and the budgets that limit them."""
