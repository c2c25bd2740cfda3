"""From a network to a report of whole numbers; formatting is left to `convcalc.render`."""
