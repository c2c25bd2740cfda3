"""Collects the layers of a network; their names follow the modules that they are in, such as `model.2.cv1.conv`."""

from typing import Any, NamedTuple

from convcalc.convert.graph import NotImported, Step
from convcalc.layers.make import make_written_layer
from convcalc.network import MOST_LAYERS
from convcalc.problems import Flaw
from convcalc.shape import Shape


class Tensor(NamedTuple):
    """An input of the network or the output of a step, with its name and shape."""

    name: str
    shape: Shape


class Activation(NamedTuple):
    """A layer kind with its arguments, such as `leaky_relu` with a slope."""

    kind: str
    arguments: dict[str, Any]


class Scope:
    """A module of the network, by its name. All scopes of a network append their layers to the same list `steps`."""

    def __init__(self, steps: list[Step], name: str, activation: Activation) -> None:
        self.steps = steps
        self.name = name
        self.activation = activation

    def inner(self, *parts: str | int) -> "Scope":
        """Return the scope of an inner module: if `at` is `model.2`, `at.inner("m", 0)` is `model.2.m.0`."""
        return Scope(self.steps, ".".join(map(str, (self.name, *parts))), self.activation)

    def add(
        self,
        name: str,
        kind: str,
        *reads: Tensor,
        frozen: bool = False,
        share: Tensor | None = None,
        **arguments: Any,
    ) -> Tensor:
        """Add a layer and return its output; if `name` is empty, the layer has the name of the scope.

        Raises Flaw if the arguments and shapes do not fit, and NotImported if the network has too many layers.
        """
        whole = f"{self.name}.{name}" if name else self.name
        try:
            layer = make_written_layer(kind, arguments, tuple(tensor.shape for tensor in reads))
        except Flaw as flaw:
            raise Flaw(f"{whole}: {flaw.message}", flaw.hint, code=flaw.code) from None
        if len(self.steps) == MOST_LAYERS:
            raise NotImported(f"more than {MOST_LAYERS:,} layers")
        owner = None if share is None else share.name
        self.steps.append(Step(whole, kind, arguments, tuple(tensor.name for tensor in reads), owner, frozen))
        return Tensor(whole, layer.output)

    def activate(self, x: Tensor) -> Tensor:
        """Add the activation that the file chooses for its convolutions."""
        return self.add("act", self.activation.kind, x, **self.activation.arguments)

    def sum(self, name: str, *tensors: Tensor) -> Tensor:
        """Add a layer that sums several tensors; raises Flaw if their shapes differ."""
        if len({tensor.shape for tensor in tensors}) > 1:
            shapes = " and ".join(str(tensor.shape) for tensor in tensors)
            raise Flaw(f"{self.name}: cannot add tensors of the shapes {shapes}", code="CV016")
        return self.add(name, "add", *tensors)

    def concatenate(self, name: str, *tensors: Tensor) -> Tensor:
        """Add a layer that concatenates tensors along the channels; a single tensor is returned as it is."""
        return tensors[0] if len(tensors) == 1 else self.add(name, "concat", *tensors)

    def select(self, name: str, x: Tensor, start: int, stop: int) -> Tensor:
        """Add a layer that selects the channels from `start` up to, but not including, `stop`."""
        return self.add(name, "slice", x, channels=[start, stop])
