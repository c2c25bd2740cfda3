"""Explains figures: the formulas of a layer, the contributions to the totals, and the totals of other tools."""
