"""Networks and commands on which convcalc was once wrong, as strangers reported them.

Each case has its source and the right value, derived independently: by hand, by a published figure, or by a run of
the framework.
"""

# -- shapes and inputs


# -- receptive field and drawings


# -- memory and data types


# -- budgets, fit and alternatives


# -- the command line


# -- imports: PyTorch


# -- imports: ONNX and Keras
