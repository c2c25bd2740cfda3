"""Defines a `Program`: an imported network as operators and tensors, before it becomes layers.

Every importer of operators writes a Program. Operators have the names and attributes of the ONNX standard, whatever
the format: a convolution is `Operation("conv1", "Conv", {"strides": (2, 2)}, ("x", "weight"), ("y",))`. Then
`fusions` merges operators that together are one layer, and `lowering` turns operators into the layers of a `Graph`.
Source of the names: onnx.ai/onnx/operators.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from convcalc.convert.costs.cost import Cost
from convcalc.layers.base import Sizes as Sizes  # every importer of operators reads it from here
from convcalc.problems import shorten, show

NEWEST = 25  # the version of the ONNX operator set whose attributes an operation has by default


class Tensor(NamedTuple):
    """A tensor: `dims` are its sizes including the batch; `dtype` is its data type as in a spec, None if unknown.

    For a constant, `contents` is its array, None if it is large or unknown. `roots` are the names of the tensors from
    which the constant is computed and that may be learnt. `measured` is true if it depends on the shape of another
    tensor.
    """

    dims: Sizes
    dtype: str | None = None
    constant: bool = False
    contents: Any = None
    roots: tuple[str, ...] = ()
    measured: bool = False


class Operation(NamedTuple):
    """One use of an operator. `operator` begins with its domain unless it is a standard ONNX operator.

    `version` is the version of the operator set; `captured` are the outside tensors that its subgraphs read.
    """

    name: str
    operator: str
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    version: int = NEWEST
    captured: tuple[str, ...] = ()


class Program(NamedTuple):
    """A network as a list of operations in an order of execution, with the facts known about its tensors.

    `inputs` are the shapes of the inputs, batch first. `weights` has the number of elements of each tensor that may be
    learnt. Of these tensors, `literal` are stored in Constant nodes. A node fills those in `filled` with one value:
    they are learnt only if an operator reads them at an input for weights. `disputed` maps a tensor to a message if its
    declared shape contradicts the inferred one, and to an empty text if not.

    `exact` says that `weights` are all learnt tensors and no others, as in PyTorch; then `statistics` has the number of
    elements of each running statistic, and `frozen` names the weights that are not trained. `macs` has the MACs of
    operations by name, for the whole batch, if the framework counted them. `costs` has those of operations that no rule
    in `operator_costs` counts, for the whole batch too.
    """

    name: str
    inputs: dict[str, Sizes]
    operations: list[Operation]
    outputs: tuple[str, ...]
    values: dict[str, Tensor]
    weights: dict[str, int]
    literal: frozenset[str] = frozenset()
    filled: frozenset[str] = frozenset()
    disputed: Mapping[str, str] = {}
    exact: bool = False
    statistics: Mapping[str, int] = {}
    frozen: frozenset[str] = frozenset()
    macs: Mapping[str, int] = {}
    costs: Mapping[str, Cost] = {}


class Number(float):
    """A number with the methods and attributes of a NumPy array of one element that are used here."""

    size = 1
    dtype = SimpleNamespace(kind="f")

    def ravel(self) -> "list[Number]":
        """Return the number in a list."""
        return [self]

    def item(self) -> float:
        """Return the number."""
        return float(self)


def read_scalar(tensor: Tensor) -> float | None:
    """Return the value of a numeric constant with one element; None for any other tensor."""
    contents = tensor.contents
    if contents is None or contents.size != 1 or contents.dtype.kind not in "fiub":
        return None
    return float(contents.ravel()[0])


def describe_operation(operation: Operation) -> str:
    """Return the description of an operation in messages: `Conv 'conv1'`."""
    return f"{shorten(operation.operator)} {show(operation.name)}"
