"""The metrics of a network by name, including those on devices, and the budgets that limit them."""
