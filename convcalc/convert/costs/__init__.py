"""Holds the rules by which `operator_costs` counts operations, one module per group of operators."""
