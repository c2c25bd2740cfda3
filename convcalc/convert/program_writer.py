"""Collects the tensors and operations of a network that is read layer by layer, and makes a `Program` of them.

`writer.add("Relu", "relu1", ["x"], [(1, 64, 8, 8)])` adds an operation and returns the name of its output.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from convcalc.convert.costs.cost import Cost
from convcalc.convert.graph import NotImported
from convcalc.convert.operators import Number, Operation, Program, Sizes, Tensor
from convcalc.convert.unique_names import UniqueNames
from convcalc.network import MOST_LAYERS
from convcalc.problems import show

MOST_ELEMENTS = 10**11  # in one tensor
FLOAT32 = "float32"


class ProgramWriter:
    """The tensors and operations so far. `values` has the properties of each tensor by name."""

    def __init__(self) -> None:
        self.inputs: dict[str, Sizes] = {}
        self.operations: list[Operation] = []
        self.values: dict[str, Tensor] = {}
        self.numbers: dict[str, int] = {}
        self.weights: dict[str, int] = {}
        self.statistics: dict[str, int] = {}
        self.frozen: set[str] = set()
        self.costs: dict[str, Cost] = {}
        self.names = UniqueNames()  # of the operations

    def add_tensor(self, wanted: str, value: Tensor) -> str:
        """Record a tensor and return its name: `wanted`, with a number if another tensor has this name.

        Raises NotImported if the tensor is too large.
        """
        if prod(value.dims) > MOST_ELEMENTS:
            sizes = " × ".join(map(str, value.dims))
            raise NotImported(f"{show(wanted)} has {sizes} elements; at most {MOST_ELEMENTS:,} are supported")
        name = wanted
        while name in self.values:
            self.numbers[wanted] = self.numbers.get(wanted, 1) + 1
            name = f"{wanted}#{self.numbers[wanted]}"
        self.values[name] = value
        return name

    def add_input(self, wanted: str, dims: Sizes, dtype: str | None = FLOAT32) -> str:
        """Record an input of the network, batch first, and return the name of its tensor."""
        name = self.add_tensor(wanted, Tensor(dims, dtype))
        self.inputs[name] = dims
        return name

    def add_weight(self, wanted: str, dims: Sizes, frozen: bool = False) -> str:
        """Record a learnt tensor and return its name."""
        name = self.add_tensor(wanted, Tensor(dims, FLOAT32, constant=True))
        self.values[name] = self.values[name]._replace(roots=(name,))
        self.weights[name] = prod(dims)
        if frozen:
            self.frozen.add(name)
        return name

    def add_statistic(self, wanted: str, dims: Sizes) -> str:
        """Record a running statistic and return its name."""
        name = self.add_tensor(wanted, Tensor(dims, FLOAT32, constant=True))
        self.values[name] = self.values[name]._replace(roots=(name,))
        self.statistics[name] = prod(dims)
        return name

    def add_number(self, wanted: str, value: float) -> str:
        """Record a constant number and return the name of its tensor."""
        return self.add_tensor(wanted, Tensor((), FLOAT32, constant=True, contents=Number(value)))

    def add(
        self,
        operator: str,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[Sizes],
        attributes: Mapping[str, Any] | None = None,
        names: Sequence[str] = (),
    ) -> list[str]:
        """Add an operation with outputs of these sizes, and return their names.

        An output is constant if all inputs are. `names` are the preferred names of the outputs. Raises NotImported if
        there are too many operations.
        """
        if len(self.operations) > 2 * MOST_LAYERS:
            raise NotImported(f"more than {MOST_LAYERS:,} layers")
        read = [self.values[source] for source in inputs if source]
        constant = bool(read) and all(value.constant for value in read)
        made = [
            self.add_tensor(names[place] if place < len(names) else name, Tensor(dims, FLOAT32, constant))
            for place, dims in enumerate(outputs)
        ]
        unique = self.names.assign(name, operator, ())
        self.operations.append(Operation(unique, operator, dict(attributes or {}), tuple(inputs), tuple(made)))
        return made

    def make_program(self, title: str, outputs: Sequence[str]) -> Program:
        """Return the program with these outputs. Inputs that are neither read nor an output are left out."""
        used = {name for operation in self.operations for name in operation.inputs} | set(outputs)
        return Program(
            title,
            {name: dims for name, dims in self.inputs.items() if name in used},
            self.operations,
            tuple(outputs),
            self.values,
            self.weights,
            exact=True,
            statistics=self.statistics,
            frozen=frozenset(self.frozen),
            costs=self.costs,
        )
