"""Making the steps of a graph: what is read, layers checked against the shapes of the file, what is not expressed."""

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any, NamedTuple

from convcalc.convert.graph import Step
from convcalc.convert.onnx_graph.declared import Sizes
from convcalc.convert.onnx_graph.learnt import list_learnt_roots
from convcalc.convert.onnx_graph.naming import OnnxNames
from convcalc.convert.onnx_graph.program import OnnxValue, Operation, Program, describe_node
from convcalc.layers.base import Layer
from convcalc.problems import Flaw, shortened
from convcalc.shape import MOST_AXES, Shape
from convcalc.spec.making import written_layer

_MULTIPLYING_KINDS = frozenset({"conv", "conv_transpose", "depthwise_conv", "linear", "pointwise_conv"})


class UnsupportedOperation(Exception):
    """An operation that our language does not express, and why."""


class _AxesOutOfOrder(Exception):
    """An operation reads a tensor whose axes have to be brought into the order of channels first before."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Data(NamedTuple):
    """A tensor of a step, and which axis of a batch, the channels and the positions each of its axes is.

    `order` is (0, 1, 2, 3) of channels first and (0, 2, 3, 1) of channels last.
    """

    step: str
    shape: Shape
    order: Sizes

    @property
    def standard(self) -> bool:
        """Whether the channels come first."""
        return self.order == tuple(range(len(self.order)))


class Builder:
    """Steps that are made of the operations of a program."""

    def __init__(self, program: Program, operations: Iterable[Operation]) -> None:
        self.program = program
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self.data: dict[str, Data] = {}
        self.names = OnnxNames(operation.name for operation in operations)
        self.owners: dict[tuple[str, tuple[str, ...]], Step] = {}
        self.before: list[tuple[tuple[str, tuple[str, ...]], Step | None]] = []  # of this operation, to take it back
        self.counted: set[str] = set()
        self.batch = next(iter(program.inputs.values()))[0]

    def add_input(self, name: str, order: Sizes) -> None:
        """An input of the network."""
        dims = self.program.inputs[name]
        if dims[0] != self.batch or not 1 <= len(dims) - 1 <= MOST_AXES + 1 or not all(dims):
            raise UnsupportedOperation(
                f"input {shortened(name)} has shape {list(dims)}; expected {self._expected_shape()}"
            )
        sizes = sorted(zip(order, dims, strict=True))
        channels, *spatial = (size for _, size in sizes[1:])
        self.names.reserve(name)
        self.data[name] = Data(name, Shape(channels, tuple(spatial)), order)

    def run(self, operation: Operation, rule: Callable[["Builder", Operation], None] | None) -> None:
        """The steps of an operation: as its rule says, else an opaque one."""
        made, self.before = len(self.steps), []
        try:
            if rule is None:
                raise UnsupportedOperation("unsupported operator")
            for name in operation.outputs:
                if self.program.disputed.get(name):
                    raise UnsupportedOperation(self.program.disputed[name])
            rule(self, operation)
        except _AxesOutOfOrder as reorder:
            self.reorder(operation, reorder.name)
            self.run(operation, rule)
        except (UnsupportedOperation, Flaw) as error:
            self.take_back(made)
            self.opaque(operation, error.message if isinstance(error, Flaw) else str(error))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # any attribute may be missing, or of another sort than the operator takes
            self.take_back(made)
            self.opaque(operation, f"malformed attributes: {shortened(str(error))}")

    def take_back(self, made: int) -> None:
        """Leave only so many steps, and owners as they were before the operation."""
        del self.steps[made:]
        for key, owner in reversed(self.before):
            if owner is None:
                del self.owners[key]
            else:
                self.owners[key] = owner

    def reorder(self, operation: Operation, name: str) -> None:
        """Bring the axes of a tensor into the order in which the file has them, which no kind of ours does."""
        data = self.data[name]
        moving = operation._replace(name=f"{operation.name}_transpose", operator="Transpose")
        sizes = self.sample_sizes(self.value(name).dims)
        self.notes.append(f"Transpose before {describe_node(operation)}: no layer kind reorders axes")
        self.data[name] = self.opaque_step(moving, sizes, 0, [data.step])

    # -- what is read

    def value(self, name: str) -> OnnxValue:
        """A tensor as the file has it."""
        return self.program.values[name]

    def any_order(self, name: str) -> Data:
        """Data that is of one sample, in whatever order of axes."""
        found = self.data.get(name)
        if found is None:
            raise UnsupportedOperation("its input is not the output of any layer")
        sizes = (self.batch, *found.shape.sizes)
        if self.value(name).dims != tuple(sizes[axis] for axis in found.order) or found.order[0] != 0:
            dims = list(self.value(name).dims)
            raise UnsupportedOperation(f"its input has shape {dims}; expected {self._expected_shape()}")
        return found

    def _expected_shape(self) -> str:
        return f"(batch {self.batch}, channels, up to {MOST_AXES} spatial sizes)"

    def read(self, name: str) -> Data:
        """Data with the channels first."""
        found = self.any_order(name)
        if not found.standard:
            raise _AxesOutOfOrder(name)
        return found

    def constant(self, operation: Operation, place: int, what: str) -> OnnxValue:
        """A constant among the inputs of an operation."""
        name = operation.inputs[place] if place < len(operation.inputs) else ""
        if not name or not self.value(name).constant:
            raise UnsupportedOperation(f"its {what} are not constants" if name else f"it has no {what}")
        if not self.value(name).roots:
            raise UnsupportedOperation(f"its {what} are computed by the graph, not learnt")
        return self.value(name)

    def numbers(self, operation: Operation, place: int, attribute: str) -> list[float] | None:
        """Numbers that are an attribute in old versions and an input in later ones; None where there are none."""
        if attribute in operation.attributes:
            given = operation.attributes[attribute]
            return list(given) if isinstance(given, tuple) else [given]
        if place >= len(operation.inputs) or not operation.inputs[place]:
            return None
        held = self.value(operation.inputs[place]).held
        if held is None or held.dtype.kind not in "fiub":
            raise UnsupportedOperation(f"its {attribute} is not a constant with known values")
        return [item.item() for item in held.ravel()]

    def integers(self, operation: Operation, place: int, attribute: str) -> list[int] | None:
        """The same, of whole numbers."""
        found = self.numbers(operation, place, attribute)
        return None if found is None else [int(number) for number in found]

    # -- what is made

    def alias(self, operation: Operation, data: Data) -> None:
        """An operation that gives what it reads, its axes in the order of the data."""
        self.check_shape(operation.outputs[0], data, "its input is")
        self.data[operation.outputs[0]] = data

    def check_shape(self, name: str, data: Data, what: str) -> None:
        """Whether a tensor has the shape of some data in the file too. Raises Inexpressible."""
        sizes = (self.batch, *data.shape.sizes)
        if self.value(name).dims != tuple(sizes[axis] for axis in data.order):
            raise UnsupportedOperation(f"its output has shape {list(self.value(name).dims)}, but {what} {data.shape}")

    def make(
        self,
        operation: Operation,
        kind: str,
        arguments: dict[str, Any],
        reads: Sequence[Data],
        roots: tuple[str, ...] = (),
        suffix: str = "",
    ) -> Data:
        """A step; raises Flaw or Inexpressible where its inputs do not fit."""
        layer = written_layer(kind, arguments, tuple(data.shape for data in reads))
        name = self.names.name(operation.name, kind, roots) + suffix
        owner = self.owner(kind, roots, layer)
        if owner is not None and (owner.kind, owner.arguments) != (kind, arguments):
            raise UnsupportedOperation(f"it shares the weights of {shortened(owner.name)}, but has other arguments")
        shared = None if owner is None else owner.name
        step = Step(name, kind, arguments, tuple(data.step for data in reads), shared)
        if owner is None and roots:
            self.before.append(((kind, roots), self.owners.get((kind, roots))))
            self.owners[kind, roots] = step
        self.counted.update(roots)
        self.steps.append(step)
        return Data(name, layer.output, tuple(range(len(layer.output.sizes) + 1)))

    def owner(self, kind: str, roots: tuple[str, ...], layer: Layer) -> Step | None:
        """The step whose weights a layer uses too; None where they are its own, or a part of what others use.

        Raises Inexpressible where it uses the weights of another, and a bias of its own.
        """
        own = sum(layer.weight_tensors()) + sum(layer.bias_tensors())
        if not roots or max(self.program.weights[root] for root in roots) > own:
            return None
        owner = self.owners.get((kind, roots))
        # equal factors of norms and scales may have been made one by an exporter, matrices hardly
        if owner is None and kind in _MULTIPLYING_KINDS and roots[0] in self.counted:
            raise UnsupportedOperation("it shares its weights with another layer that differs in kind or bias")
        return owner

    def add(
        self,
        operation: Operation,
        kind: str,
        arguments: dict[str, Any],
        reads: Sequence[Data],
        roots: tuple[str, ...] = (),
        order: Sizes | None = None,
        output: int = 0,
    ) -> Data:
        """A step that gives an output of an operation, of the shape that the file says."""
        data = self.make(operation, kind, arguments, reads, roots)
        data = data if order is None else data._replace(order=order)
        name = operation.outputs[output]
        self.check_shape(name, data, f"{kind} produces")
        self.data[name] = data
        return data

    def roots(self, operation: Operation, *places: int) -> tuple[str, ...]:
        """The learnt tensors that some inputs of an operation are made of."""
        names = [operation.inputs[place] for place in places if place < len(operation.inputs)]
        return tuple(dict.fromkeys(root for name in names if name for root in self.value(name).roots))

    # -- what is not expressed

    def opaque(self, operation: Operation, reason: str) -> None:
        """A step of unknown cost for each output of an operation that something reads."""
        names = dict.fromkeys(name for name in (*operation.inputs, *operation.captured) if name)
        reads = [self.data[name] for name in names if name in self.data]
        roots = set(list_learnt_roots(self.program, operation)) - self.counted
        params = sum(self.program.weights[root] for root in roots if self.program.weights[root] > 1)
        if not reads:
            raise UnsupportedOperation(f"none of the inputs of {describe_node(operation)} is the output of a layer")
        self.notes.append(f"{describe_node(operation)}: {reason}")
        self.counted |= roots
        sources = list(dict.fromkeys(data.step for data in reads))
        for name in filter(None, operation.outputs):
            if name in self.program.values:
                sizes = self.sample_sizes(self.value(name).dims)
                self.data[name] = self.opaque_step(operation, sizes, params, sources)
                params = 0

    def opaque_step(self, operation: Operation, sizes: Sizes, params: int, sources: list[str]) -> Data:
        """A step of unknown cost."""
        arguments = {"output_shape": list(sizes), "params": params, "what": shortened(operation.operator)}
        name = self.names.name(operation.name, "opaque", ())
        self.steps.append(Step(name, "opaque", arguments, tuple(sources)))
        return Data(name, Shape(sizes[0], sizes[1:]), tuple(range(len(sizes) + 1)))

    def sample_sizes(self, dims: Sizes) -> Sizes:
        """The shape of one sample, or all elements as a vector where it has none that we know."""
        sizes = dims[1:] if len(dims) > 1 and dims[0] == self.batch else dims
        return sizes if 1 <= len(sizes) <= MOST_AXES + 1 and all(sizes) else (max(prod(sizes), 1),)
