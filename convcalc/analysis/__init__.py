"""Analyses a network and returns a report of integers; formatting is left to `convcalc.render`."""
