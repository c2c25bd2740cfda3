"""The rules by which `operator_costs` counts the operations of operators, one module per sort of operator."""
