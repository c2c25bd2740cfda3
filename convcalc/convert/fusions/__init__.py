"""Merges operators that together form one layer: `Sigmoid` and `Mul` become a `silu`.

`merge_patterns` takes a program and returns its operations. It merges activations, norms, attention, channel shuffles
and stochastic depth that an exporter wrote as several nodes. It also merges biases and scales that follow a layer as
separate nodes.

Each `merge_…` function takes an operation and its position, and checks whether the operation is the last of a certain
pattern. If so, it replaces the pattern by one operation and returns True.
"""

from collections.abc import Callable

from convcalc.convert.fusions import activations, attention, gates, neighbours, norms, rearranging
from convcalc.convert.fusions.merger import PatternMerger
from convcalc.convert.operators import Operation, Program

_BROADCASTING = frozenset(("Add", "Div", "Mul", "Sub"))


def merge_patterns(program: Program) -> list[Operation]:
    """Return the operations of a program, with each known pattern of operations merged into one.

    Operations that only compute constants are omitted.
    """
    merger = PatternMerger(program)
    for place, operation in enumerate(merger.operations):
        if operation is not None and operation.operator in _BROADCASTING:
            neighbours.skip_expansions(merger, place, operation)
    for place, operation in enumerate(merger.operations):
        if operation is not None:
            for pattern in _PATTERNS.get(operation.operator, ()):
                if pattern(merger, place, operation):
                    break
    for place, operation in enumerate(merger.operations):
        if operation is not None and operation.operator in attention.PROJECTIONS:
            attention.merge_attention(merger, place, operation)
    return [operation for operation in merger.operations if operation is not None]


_Pattern = Callable[[PatternMerger, int, Operation], bool]
_PATTERNS: dict[str, tuple[_Pattern, ...]] = {
    "Concat": (rearranging.merge_space_to_depth,),
    "Conv": (neighbours.merge_padding_mode,),
    "Slice": (rearranging.merge_slices,),
    "Mul": (
        gates.merge_glu,
        activations.merge_activation,
        norms.merge_affine_norm,
        neighbours.merge_stochastic_depth,
        norms.merge_layer_norm,
    ),
    "Div": (activations.merge_activation, norms.merge_layer_norm),
    "Log": (activations.merge_activation,),
    "Min": (activations.merge_activation,),
    "Reciprocal": (activations.merge_activation,),
    "Max": (activations.merge_activation,),
    "Add": (
        neighbours.merge_bias,
        norms.merge_affine_batch_norm,
        norms.merge_affine_norm,
        gates.merge_response_norm,
    ),
    "Reshape": (rearranging.merge_shuffle, norms.merge_group_norm, rearranging.merge_reshapes),
}
