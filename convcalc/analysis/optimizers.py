"""Lists the optimizers whose state is counted in training memory: `OPTIMIZERS["adam"]` is 2.

It imports nothing, because the command line needs the names before it knows whether it needs more than `--help`.
"""

OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2}
"""Number of values an optimizer stores per learnt element: none, the momentum, or the two moments of Adam."""
