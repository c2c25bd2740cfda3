"""Derivations of figures: formulas for a layer, contributions to the totals, and the totals of other tools."""
