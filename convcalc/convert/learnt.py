"""Finds the constants of an ONNX graph that are learnt weights, as opposed to initial states, scales or shapes.

ONNX does not mark weights. If the documentation of an operator says which of its inputs are weights, those inputs are
learnt. For any other operator, an initializer is learnt, but a constant that a node fills with one value is not:
`zeros_like(y)`, for example, is exported as ConstantOfShape. Files written by convcalc are an exception: all of their
weights come from ConstantOfShape (see `to_onnx`).
Source: onnx.ai/onnx/operators.
"""

from collections.abc import Iterable, Iterator

from convcalc.convert.operators import Operation, Program

_RECURRENT_WEIGHTS = (1, 2, 3, 7)  # input and state matrices, biases, peepholes
_WEIGHT_INPUTS: dict[str, tuple[int, ...]] = {  # by operator, the positions of the weight inputs
    "BatchNormalization": (1, 2),  # the running statistics are not learnt
    "Conv": (1, 2),
    "ConvInteger": (1,),
    "ConvTranspose": (1, 2),
    "DeformConv": (1, 3),
    "Gather": (0,),
    "Gemm": (0, 1, 2),
    "GRU": _RECURRENT_WEIGHTS,
    "GroupNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LSTM": _RECURRENT_WEIGHTS,
    "LayerNormalization": (1, 2),
    "MatMul": (0, 1, 2),  # it has a bias if `fusions` merged an Add into it
    "MatMulInteger": (0, 1),
    "PRelu": (1,),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
    "RMSNormalization": (1,),
    "RNN": _RECURRENT_WEIGHTS,
}
_STATE_INPUTS = {
    "GRU": (5,),
    "LSTM": (5, 6),
    "RNN": (5,),
}  # initial states, learnt only if their values differ


def list_learnt_roots(program: Program, operation: Operation) -> tuple[str, ...]:
    """Return the names of the learnt tensors that an operation or its subgraphs read, directly or after a cast etc."""
    return tuple(
        dict.fromkeys(root for name in _list_learnt_inputs(program, operation) for root in program.values[name].roots)
    )


def _list_learnt_inputs(program: Program, operation: Operation) -> Iterator[str]:
    weight_positions = None if program.exact else _WEIGHT_INPUTS.get(operation.operator)
    for place, name in enumerate(operation.inputs):
        if weight_positions is None:
            is_weight = name and is_learnt(program, program.values[name].roots)
        elif place in _STATE_INPUTS.get(operation.operator, ()):
            is_weight = name and is_varied(program, name)
        else:
            is_weight = name and place in weight_positions
        if is_weight:
            yield name
    yield from (name for name in operation.captured if is_learnt(program, program.values[name].roots))


def is_learnt(program: Program, roots: Iterable[str]) -> bool:
    """Whether any of the tensors `roots` is learnt. A tensor that a node fills with one value counts as not learnt."""
    return any(root in program.weights and root not in program.filled for root in roots)


def is_varied(program: Program, name: str) -> bool:
    """Whether a constant is known to hold at least two different values."""
    contents = program.values[name].contents
    return contents is not None and contents.size > 0 and bool((contents != contents.ravel()[0]).any())


def is_uniform(program: Program, name: str) -> bool:
    """Whether a constant is known to hold one value only."""
    value = program.values.get(name)
    return value is not None and value.contents is not None and value.contents.size > 0 and not is_varied(program, name)
