"""Counts the elements of each data type in the weights, biases and layer outputs of an imported network."""

from collections.abc import Iterable

from convcalc.convert.builder import Builder
from convcalc.convert.dtypes import DataTypes
from convcalc.convert.operators import Operation
from convcalc.units import BITS

_NORMS = {"BatchNormalization", "GroupNormalization", "InstanceNormalization", "LayerNormalization"}
_BIASED_OPERATORS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", *_NORMS})
"""Operators whose input at position 2 is a bias. MatMul has one if an Add was merged into it."""


def count_data_types(builder: Builder, operations: Iterable[Operation]) -> DataTypes:
    """Return the number of elements of weights, biases and activations per data type."""
    found = DataTypes()
    values = builder.program.values
    biases = {root for operation in operations for root in _bias_roots(builder, operation)}
    for root in sorted(builder.weights.counted & set(builder.program.weights)):
        use = "bias" if root in biases else "weights"
        found.add(use, values[root].dtype, builder.program.weights[root])
    types: dict[str, str] = {}
    for name, data in builder.data.items():
        dtype = values[name].dtype
        # if a tensor is cast or quantised, count it in its smallest data type: that form is stored
        if dtype is not None and BITS[dtype] < BITS.get(types.get(data.step, ""), 65):
            types[data.step] = dtype
    shapes = {data.step: data.shape for data in builder.data.values()}
    for step in builder.steps:
        if step.name in shapes:
            found.add("activations", types.get(step.name), shapes[step.name].elements)
    return found


def _bias_roots(builder: Builder, operation: Operation) -> tuple[str, ...]:
    return builder.program.find_roots(operation, 2) if operation.operator in _BIASED_OPERATORS else ()
