"""The CI gate: are specs valid, are budgets kept, and are there known mistakes of network design."""
