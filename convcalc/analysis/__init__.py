"""Analyses a network and returns a report of whole numbers; formatting is left to `convcalc.render`."""
