"""The checks behind `convcalc check`: valid specs, budgets, and lint rules for known design mistakes."""
