"""Evaluates operators on small constants, such as the arithmetic from which exported graphs compute shapes.

The reference implementation in the package onnx does the work. Callers check the sizes first, so that inputs and
outputs have at most MOST_ELEMENTS elements. Only operators whose memory these sizes bound are evaluated.
"""

import warnings
from collections.abc import Sequence
from typing import Any

MOST_ELEMENTS = 4096  # the values of larger constants are not kept
MOST_EVALUATIONS = 20_000  # nodes evaluated per file; each takes about half a millisecond
BOUNDED_BY_INPUT = frozenset(("NonZero",))  # their shapes depend on values, but are at most as large as the inputs
_FOLDABLE_OPERATORS = """
Abs Add And BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Clip Concat ConstantOfShape Cos
CumSum Div Equal Erf Exp Expand Flatten Floor Gather GatherElements GatherND Greater GreaterOrEqual Identity IsInf IsNaN
Less LessOrEqual Log Max Min Mod Mul Neg NonZero Not Or Pow Range Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd
ReduceSum Relu Reshape Round ScatterElements ScatterND Sigmoid Sign Sin Slice Softplus Split Sqrt Squeeze Sub Sum Tanh
Tile Transpose Trilu Unsqueeze Where Xor"""
_FOLDABLE = frozenset(_FOLDABLE_OPERATORS.split())


def fold(node: Any, version: int, arrays: Sequence[Any]) -> list[Any] | None:
    """Return the outputs of a node, an onnx.NodeProto of a standard operator, for the constant inputs `arrays`.

    An array is None if the node lacks that input. `version` is that of the operator set. The result is None if the
    operator is not in _FOLDABLE, or if its evaluation fails.
    """
    if node.op_type not in _FOLDABLE:
        return None
    import numpy
    import onnx
    from onnx.reference import ReferenceEvaluator

    feeds = {name: array for name, array in zip(node.input, arrays, strict=True) if name}
    inputs, outputs = ([onnx.ValueInfoProto(name=name) for name in names if name] for names in (feeds, node.output))
    try:
        with warnings.catch_warnings(), numpy.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            graph = onnx.helper.make_graph([node], "folded", inputs, outputs)
            graph.node[0].domain = ""
            found = iter(ReferenceEvaluator(graph, opsets={"": version}).run(None, feeds))
            return [numpy.asarray(next(found)) if name else None for name in node.output]
    except Exception:  # the evaluator raises errors of any type for malformed nodes
        return None
