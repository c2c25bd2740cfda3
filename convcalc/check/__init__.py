"""Checks whether specs are valid, within their budgets and free of known design mistakes, for `convcalc check`."""
