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


class UnsupportedOperation(Exception):
    """Raised if no layer of convcalc can express an operation; the message is the reason."""


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

    def find_constant(self, operation: Operation, place: int, what: str) -> Tensor:
        """Return the constant at position `place` of an operation's inputs. Messages call it `what`, such as "scales".

        Raises UnsupportedOperation if the input is missing, not a constant or not learnt.
        """
        name = operation.inputs[place] if place < len(operation.inputs) else ""
        if not name or not self.values[name].constant:
            raise UnsupportedOperation(f"its {what} are not constants" if name else f"it has no {what}")
        if not self.values[name].roots:
            raise UnsupportedOperation(f"its {what} are computed by the graph, not learnt")
        return self.values[name]

    def read_numbers(self, operation: Operation, place: int, attribute: str) -> list[float] | None:
        """Return the numbers in an attribute or, if the operation does not have it, in its input at position `place`.

        None if both are absent. Many operators have an attribute in old versions and an input in new ones. Raises
        UnsupportedOperation if the input is not a constant with known values.
        """
        if attribute in operation.attributes:
            given = operation.attributes[attribute]
            return list(given) if isinstance(given, tuple) else [given]
        if place >= len(operation.inputs) or not operation.inputs[place]:
            return None
        contents = self.values[operation.inputs[place]].contents
        if contents is None or contents.dtype.kind not in "fiub":
            raise UnsupportedOperation(f"its {attribute} is not a constant with known values")
        return [item.item() for item in contents.ravel()]

    def read_integers(self, operation: Operation, place: int, attribute: str) -> list[int] | None:
        """Return the same as `read_numbers`, converted to integers."""
        found = self.read_numbers(operation, place, attribute)
        return None if found is None else [int(number) for number in found]

    def find_roots(self, operation: Operation, *places: int) -> tuple[str, ...]:
        """Return the names of the learnt tensors from which the inputs at the positions `places` are computed."""
        names = [operation.inputs[place] for place in places if place < len(operation.inputs)]
        return tuple(dict.fromkeys(root for name in names if name for root in self.values[name].roots))


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
