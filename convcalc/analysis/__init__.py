"""From a network to a report: whole numbers, nothing formatted."""
