"""Converts the operations of a program to steps of a `Graph`, each of which is one layer.

`Builder` applies one rule per operation, and checks the output of every layer against the shape in the file. An
operation without a rule, or one whose rule raises an error, becomes an `opaque` step with a note.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple, Protocol

from convcalc.convert.costs.cost import Cost
from convcalc.convert.graph import Step
from convcalc.convert.learnt import list_learnt_roots
from convcalc.convert.operator_costs import count_operation, find_field
from convcalc.convert.operators import Operation, Program, Sizes, Tensor, describe_operation
from convcalc.convert.positions import Axes, find_positions, refine_field
from convcalc.layers.base import Layer
from convcalc.layers.make import make_written_layer
from convcalc.problems import Flaw, shorten
from convcalc.shape import MOST_AXES, Shape

_MULTIPLYING_KINDS = frozenset({"conv", "conv_transpose", "depthwise_conv", "linear", "pointwise_conv"})


class UnsupportedOperation(Exception):
    """Raised if no layer of convcalc can express an operation; the message is the reason."""


class _AxesUndecided(Exception):
    """Raised if an operation needs the axes of its input `name` in the order `order`, and `place_axes` can do that."""

    def __init__(self, name: str, order: Sizes) -> None:
        super().__init__(name)
        self.name = name
        self.order = order


class _AxesOutOfOrder(Exception):
    """Raised if an operation needs its input `name` with the channels first, but the file has another axis order."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Data(NamedTuple):
    """A tensor produced by a step, with the order of its axes in the file.

    `order` has one number per axis in the file: 0 for the batch, 1 for the channels, 2 and more for the spatial axes.
    It is (0, 1, 2, 3) if the channels are first and (0, 2, 3, 1) if they are last.
    """

    step: str
    shape: Shape
    order: Sizes

    @property
    def standard(self) -> bool:
        """Whether the axes in the file are in the order batch, channels, spatial axes."""
        return self.order == tuple(range(len(self.order)))


def _has_positions_of(output: Data, data: Data) -> bool:
    """Whether `output` has the axis order of `data`, and each spatial size of `data` is 1 or that of `output`."""
    sizes, own = output.shape.spatial, data.shape.spatial
    return (
        output.order == data.order
        and len(sizes) == len(own)
        and all(one in (1, size) for one, size in zip(own, sizes, strict=True))
    )


def _has_same_positions(output: Data, reads: Sequence[Data]) -> bool:
    """Whether `output` may come from an elementwise operator on `reads`, which broadcasts sizes of 1."""
    return all(_has_positions_of(output, data) for data in reads) and all(
        size in sizes
        for size, *sizes in zip(output.shape.spatial, *(data.shape.spatial for data in reads), strict=True)
    )


def _list_spatial_axes(data: Data) -> Axes:
    return frozenset(axis for axis, place in enumerate(data.order) if place > 1)


def channels_last(rank: int) -> Sizes:
    """Return the order of the axes of a tensor with the channels last, see Data: (0, 2, 3, 1) for four axes."""
    return (0, *range(2, rank), 1)


def _order_shape(dims: Sizes, order: Sizes) -> Shape:
    """Return the shape of one sample of a tensor with the sizes `dims` and the axis order `order`, see Data."""
    channels, *spatial = (size for _, size in sorted(zip(order, dims, strict=True))[1:])
    return Shape(channels, tuple(spatial))


class LayerNames(Protocol):
    """Names the layers of a network. Each format has its own rules, see for example `onnx_graph.layer_names`."""

    def reserve(self, name: str) -> None:
        """Keep a name from being assigned to a layer."""

    def release(self, name: str) -> None:
        """Allow a name to be assigned again."""

    def assign(self, node: str, kind: str, roots: tuple[str, ...]) -> str:
        """Return an unused name for the layer of kind `kind` of an operation named `node`.

        `roots` are the names of its learnt tensors.
        """


class _RootCounts(NamedTuple):
    """Numbers of elements: `params` of all learnt tensors, `frozen` of the frozen ones, `buffers` of statistics."""

    params: int
    frozen: int
    buffers: int


class Builder:
    """Collects the steps of a program.

    `data` maps the name of a tensor in the file to the output of the step that produces it. `owners` maps a layer kind
    and the names of learnt tensors to the first step with these weights. `counted` are the learnt tensors that are
    already counted in the params of a step.
    """

    def __init__(self, program: Program, names: LayerNames) -> None:
        self.program = program
        self.steps: list[Step] = []
        self.opaque: set[str] = set()  # the names of the opaque steps
        self.notes: list[str] = []
        self.data: dict[str, Data] = {}
        self.names = names
        self.owners: dict[tuple[str, tuple[str, ...]], Step] = {}
        self.before: list[tuple[tuple[str, tuple[str, ...]], Step | None]] = []  # changes by the current operation
        self.counted: set[str] = set()
        self.dims = {name: value.dims for name, value in program.values.items()}
        self.positions: dict[str, Axes] = {}  # by tensor, the axes in the file that hold positions
        self.preparing = {
            name: operation
            for operation in program.operations
            if program.macs and all(program.values[name].constant for name in operation.outputs if name)
            for name in operation.outputs
        }
        self.preparation = 0  # MACs of the operations that compute the constants of the current operation
        first = Counter(sizes[0] for sizes in program.inputs.values() if sizes)
        self.batch = max(first, key=lambda size: first[size], default=1)

    def add_input(self, name: str, order: Sizes) -> None:
        """Add an input of the network. For `order`, see Data.

        For an input of another shape than (batch, channels, spatial sizes), such as a single number, see
        `sample_sizes`. Raises UnsupportedOperation if a size is 0, or if the network has only one input and that is not
        a batch.
        """
        dims = self.program.inputs[name]
        if not all(dims) or (len(self.program.inputs) == 1 and not self._is_batch(dims)):
            raise UnsupportedOperation(
                f"input {shorten(name)} has shape {list(dims)}; expected {self._expected_shape()}"
            )
        self.names.reserve(name)
        if not self._is_batch(dims):
            self.data[name] = self.unordered(name)._replace(step=name)
            return
        self.data[name] = Data(name, _order_shape(dims, order), order)
        self.positions[name] = _list_spatial_axes(self.data[name])

    def _is_batch(self, dims: Sizes) -> bool:
        return dims[:1] == (self.batch,) and 1 <= len(dims) - 1 <= MOST_AXES + 1

    def run(self, operation: Operation, rule: Callable[["Builder", Operation], None] | None) -> None:
        """Add the steps that `rule` makes of an operation; opaque steps if there is no rule or it raises."""
        self.preparation = self.count_preparation(operation)
        self.apply_rule(operation, rule)
        by_value = find_field(operation.operator) == "same"
        for name in operation.outputs:
            if name in self.data:
                found = find_positions(operation, self.dims, self.positions, name, by_value)
                if found is None and self.is_layer(name):
                    found = _list_spatial_axes(self.data[name])
                if found is not None:
                    self.positions[name] = found

    def is_layer(self, name: str) -> bool:
        """Whether a tensor comes from an input or a step that is not opaque."""
        return self.data[name].step not in self.opaque

    def count_preparation(self, operation: Operation) -> int:
        """Return the MACs of the operations that compute the constants of `operation`, such as a product of weights.

        Each of them runs once per batch, and is counted only for the first operation that uses its result.
        """
        macs, pending = 0, list(operation.inputs)
        while pending:
            maker = self.preparing.pop(pending.pop(), None)
            if maker is not None:
                macs += self.program.macs.get(maker.name, 0)
                pending += maker.inputs
                for name in maker.outputs:
                    self.preparing.pop(name, None)
        return macs

    def apply_rule(self, operation: Operation, rule: Callable[["Builder", Operation], None] | None) -> None:
        """Add the steps of an operation. `run` calls this after counting the MACs of the operation's constants."""
        made, self.before = len(self.steps), []
        try:
            if rule is None:
                raise UnsupportedOperation("unsupported operator")
            for name in operation.outputs:
                if self.program.disputed.get(name):
                    raise UnsupportedOperation(self.program.disputed[name])
            rule(self, operation)
        except _AxesOutOfOrder as reorder:
            self.insert_transpose(operation, reorder.name)
            self.apply_rule(operation, rule)
        except _AxesUndecided as undecided:
            self.place_axes(undecided.name, undecided.order)
            self.apply_rule(operation, rule)
        except (UnsupportedOperation, Flaw) as error:
            self.take_back(made)
            self.add_opaque(operation, error.message if isinstance(error, Flaw) else str(error))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # any attribute may be missing or have another type than the operator expects
            self.take_back(made)
            self.add_opaque(operation, f"malformed attributes: {shorten(str(error))}")

    def take_back(self, made: int) -> None:
        """Undo the current operation: keep only the first `made` steps, and restore `owners`."""
        for step in self.steps[made:]:
            self.names.release(step.name)
            self.opaque.discard(step.name)
        del self.steps[made:]
        for key, owner in reversed(self.before):
            if owner is None:
                del self.owners[key]
            else:
                self.owners[key] = owner

    def insert_transpose(self, operation: Operation, name: str) -> None:
        """Insert an opaque step that puts the axes of the tensor `name` into the order that they have in the file.

        The step is opaque because no layer kind can reorder axes.
        """
        moving = operation._replace(name=f"{operation.name}_transpose", operator="Transpose", inputs=(name,))
        self.notes.append(f"Transpose before {describe_operation(operation)}: no layer kind reorders axes")
        stated = {"params": 0, **self.count_cost(moving)}
        self.data[name] = self.add_opaque_step(moving, self.unordered(name), stated, [self.data[name]])

    # -- reading inputs

    def value(self, name: str) -> Tensor:
        """Return the properties of a tensor in the file."""
        return self.program.values[name]

    def read_any_order(self, name: str) -> Data:
        """Return the tensor `name` as data, with its axes in any order.

        Raises UnsupportedOperation if no layer produces the tensor or the batch is not its first axis. Also raises it
        if the shape in the file differs from the layer's output shape.
        """
        found = self.data.get(name)
        if found is None:
            raise UnsupportedOperation("its input is not the output of any layer")
        sizes = (self.batch, *found.shape.sizes)
        if self.value(name).dims != tuple(sizes[axis] for axis in found.order) or found.order[0] != 0:
            dims = list(self.value(name).dims)
            raise UnsupportedOperation(f"its input has shape {dims}; expected {self._expected_shape()}")
        return found

    def _expected_shape(self) -> str:
        return f"(batch {self.batch}, channels, up to {MOST_AXES} spatial sizes), all positive"

    def read(self, name: str) -> Data:
        """Return the tensor `name` as data, with its axes in the order batch, channels, spatial axes.

        Raises _AxesOutOfOrder if the file has another order, and UnsupportedOperation as `read_any_order` does.
        """
        found = self.read_any_order(name)
        if not found.standard:
            if self.is_undecided(name):
                raise _AxesUndecided(name, tuple(range(len(found.order))))
            raise _AxesOutOfOrder(name)
        return found

    def read_channels_last(self, name: str) -> Data:
        """Return the tensor `name` as data, with its axes in any order.

        Raises _AxesUndecided if its channels are not its last axis and `is_undecided` is true: the caller then moves
        them there. Raises UnsupportedOperation as `read_any_order` does.
        """
        found = self.read_any_order(name)
        if found.order[-1] != 1 and self.is_undecided(name):
            raise _AxesUndecided(name, channels_last(len(found.order)))
        return found

    def is_undecided(self, name: str) -> bool:
        """Whether a tensor comes from an opaque step whose output axes may still be put into any order.

        True if no other tensor or step uses the output of the opaque step, and the receptive field of that step is not
        `same`.
        """
        step = self.data[name].step
        maker = next((other for other in reversed(self.steps) if other.name == step), None)
        return (
            maker is not None
            and maker.kind == "opaque"
            and maker.arguments.get("receptive_field") != "same"
            and sum(data.step == step for data in self.data.values()) == 1
            and not any(step in other.reads for other in self.steps)
        )

    def place_axes(self, name: str, order: Sizes) -> None:
        """Change the opaque step that produces the tensor `name` so that the tensor has the axes `order`, see Data."""
        data = self.data[name]
        shape = _order_shape(self.value(name).dims, order)
        self.data[name] = Data(data.step, shape, order)
        for place, step in enumerate(self.steps):
            if step.name == data.step:
                arguments = {**step.arguments, "output_shape": list(shape.sizes)}
                self.steps[place] = step._replace(arguments=arguments)

    def constant(self, operation: Operation, place: int, what: str) -> Tensor:
        """Return the constant at position `place` of an operation's inputs. Messages call it `what`, such as "scales".

        Raises UnsupportedOperation if the input is missing, not a constant or not learnt.
        """
        name = operation.inputs[place] if place < len(operation.inputs) else ""
        if not name or not self.value(name).constant:
            raise UnsupportedOperation(f"its {what} are not constants" if name else f"it has no {what}")
        if not self.value(name).roots:
            raise UnsupportedOperation(f"its {what} are computed by the graph, not learnt")
        return self.value(name)

    def numbers(self, operation: Operation, place: int, attribute: str) -> list[float] | None:
        """Return the numbers in an attribute or, if the operation does not have it, in its input at position `place`.

        None if both are absent. Many operators have an attribute in old versions and an input in new ones. Raises
        UnsupportedOperation if the input is not a constant with known values.
        """
        if attribute in operation.attributes:
            given = operation.attributes[attribute]
            return list(given) if isinstance(given, tuple) else [given]
        if place >= len(operation.inputs) or not operation.inputs[place]:
            return None
        contents = self.value(operation.inputs[place]).contents
        if contents is None or contents.dtype.kind not in "fiub":
            raise UnsupportedOperation(f"its {attribute} is not a constant with known values")
        return [item.item() for item in contents.ravel()]

    def integers(self, operation: Operation, place: int, attribute: str) -> list[int] | None:
        """Return the same as `numbers`, converted to integers."""
        found = self.numbers(operation, place, attribute)
        return None if found is None else [int(number) for number in found]

    # -- adding steps

    def alias(self, operation: Operation, data: Data) -> None:
        """Make `data` the output of an operation, without adding a step.

        Raises UnsupportedOperation if the file states another shape for the output.
        """
        self.check_shape(operation.outputs[0], data, "its input is")
        self.data[operation.outputs[0]] = data

    def check_shape(self, name: str, data: Data, what: str) -> None:
        """Raise UnsupportedOperation if the file states a shape for the tensor `name` that differs from that of `data`.

        The message ends with `what` and the shape of `data`: "but conv produces 8×4×4".
        """
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
        """Add a step with the inputs `reads`, and return its output, with the channels first.

        `roots` are the learnt tensors of the layer's weights; `suffix` is appended to the step's name. Raises Flaw if
        the inputs do not fit the layer, and UnsupportedOperation if the weights cannot be shared as in the file.
        """
        layer = make_written_layer(kind, arguments, tuple(data.shape for data in reads))
        self.check_macs(operation, kind, layer)
        owner = self.owner(kind, roots, layer)
        frozen = False
        if self.program.exact and owner is None:
            frozen, reads = self.check_weights(operation, kind, layer, roots, reads)
        name = self.names.assign(operation.name, kind, roots) + suffix
        if owner is not None and (owner.kind, owner.arguments) != (kind, arguments):
            raise UnsupportedOperation(f"it shares the weights of {shorten(owner.name)}, but has other arguments")
        shared = None if owner is None else owner.name
        step = Step(name, kind, arguments, tuple(data.step for data in reads), shared, frozen)
        if owner is None and roots:
            self.before.append(((kind, roots), self.owners.get((kind, roots))))
            self.owners[kind, roots] = step
        self.counted.update(roots)
        self.steps.append(step)
        return Data(name, layer.output, tuple(range(len(layer.output.sizes) + 1)))

    def check_macs(self, operation: Operation, kind: str, layer: Layer) -> None:
        """Raise UnsupportedOperation if the framework counted other MACs for an operation than its layer has."""
        counted, macs = self.program.macs.get(operation.name), layer.count_macs()
        if counted is not None and macs is not None and macs * self.batch != counted:
            raise UnsupportedOperation(f"a {kind} would have {macs:,} MACs instead of {counted / self.batch:,.12g}")

    def check_weights(
        self, operation: Operation, kind: str, layer: Layer, roots: tuple[str, ...], reads: Sequence[Data]
    ) -> tuple[bool, Sequence[Data]]:
        """Return whether the weights of a layer are frozen, and the data that the layer reads.

        If the file has more params than the layer, as for weight normalisation, an opaque step with the surplus is
        inserted before the layer. Raises UnsupportedOperation if the file has fewer params or other running statistics
        than the layer, or if only some of the layer's params are frozen.
        """
        params = sum(layer.weight_tensors()) + sum(layer.bias_tensors())
        counts = self.count_roots(set(roots))
        extra = counts.params - params
        if extra < 0 or counts.buffers != sum(layer.buffer_tensors()) or (extra and not params):
            raise UnsupportedOperation(
                f"a {kind} would have {params:,} params and {sum(layer.buffer_tensors()):,} running statistics instead "
                f"of {counts.params:,} and {counts.buffers:,}"
            )
        apart = {0: False, counts.params: True, params: True, extra: False}
        if counts.frozen not in apart:
            raise UnsupportedOperation(
                f"{counts.frozen:,} of its {counts.params:,} params are frozen: a spec can only freeze whole layers"
            )
        frozen = counts.frozen > 0 and apart[counts.frozen]
        if not extra and not (self.preparation and params):
            return frozen, reads
        others_frozen = counts.frozen in (counts.params, extra) and counts.frozen > 0
        data = self.add_opaque_step(
            operation._replace(name=f"{operation.name}_weights", operator="weights computed from other tensors"),
            reads[0],
            {"params": extra, **Cost(self.preparation, self.preparation, self.preparation)._asdict()},
            reads[:1],
            others_frozen,
            "same",
        )
        self.preparation = 0
        self.notes.append(f"{data.step}: {kind} with weights computed from other tensors")
        return frozen, (data, *reads[1:])

    def count_roots(self, roots: set[str]) -> "_RootCounts":
        """Return the number of elements of learnt tensors and running statistics, each counted once."""
        weights, statistics = self.program.weights, self.program.statistics
        return _RootCounts(
            sum(weights.get(root, 0) for root in roots),
            sum(weights.get(root, 0) for root in roots & self.program.frozen),
            sum(statistics.get(root, 0) for root in roots),
        )

    def owner(self, kind: str, roots: tuple[str, ...], layer: Layer) -> Step | None:
        """Return the earlier step of kind `kind` with the learnt tensors `roots`, whose weights the layer shares.

        None if there is no such step, or if the layer uses only a part of one of these tensors. Raises
        UnsupportedOperation if an earlier step of another kind or with another bias uses the same weight.
        """
        own = sum(layer.weight_tensors()) + sum(layer.bias_tensors())
        owner = self.owners.get((kind, roots))
        if not roots or max(self.program.weights.get(root, 0) for root in roots) > own:
            owner = None
            if not self.program.exact:
                return None
        # exporters may merge equal norm scales into one tensor, but hardly equal weight matrices
        counted = (
            not self.counted.isdisjoint(roots)
            if self.program.exact
            else kind in _MULTIPLYING_KINDS and roots[0] in self.counted
        )
        if owner is None and counted:
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
        """Add a step that produces the operation's output number `output`, and return its output.

        `order` describes the axes of the output in the file (see Data); by default, the channels are first. Raises the
        errors of `make`, and UnsupportedOperation if the file states another output shape.
        """
        data = self.make(operation, kind, arguments, reads, roots)
        data = data if order is None else data._replace(order=order)
        name = operation.outputs[output]
        self.check_shape(name, data, f"{kind} produces")
        self.data[name] = data
        return data

    def roots(self, operation: Operation, *places: int) -> tuple[str, ...]:
        """Return the names of the learnt tensors from which the inputs at the positions `places` are computed."""
        names = [operation.inputs[place] for place in places if place < len(operation.inputs)]
        return tuple(dict.fromkeys(root for name in names if name for root in self.value(name).roots))

    # -- unsupported operations

    def add_opaque(self, operation: Operation, reason: str) -> None:
        """Add an opaque step for each output of an operation, and a note with the reason.

        The first step has all params of the operation. Raises UnsupportedOperation if no input comes from a layer.
        """
        names = dict.fromkeys(name for name in (*operation.inputs, *operation.captured) if name)
        reads = [self.data[name] for name in names if name in self.data]
        roots = set(list_learnt_roots(self.program, operation)) - self.counted
        if not reads:
            raise UnsupportedOperation(
                f"none of the inputs of {describe_operation(operation)} is the output of a layer"
            )
        counts = self.count_learnt(operation, roots)
        self.counted |= roots
        stated: dict[str, Any] = {"params": counts.params, **self.count_cost(operation)}
        stated |= {key: stated[key] + self.preparation for key in Cost._fields if key in stated}
        if counts.buffers:
            stated["buffers"] = counts.buffers
        outputs = [name for name in operation.outputs if name in self.program.values]
        made = len(self.steps)
        for name in outputs:
            output = self.unordered(name)
            if find_field(operation.operator) == "same":
                output = self.ordered_like(name, reads) or output
            elif output.shape.sizes == self.value(name).dims[1:]:
                output = self.ordered_like(name, reads[:1]) or output
            if 0 < counts.frozen < counts.params:
                frozen = {"params": counts.frozen, "multiplications": 0, "additions": 0, "macs": 0}
                apart = self.add_opaque_step(operation, output, frozen, reads, True)
                reads, stated["params"] = [*reads, apart], counts.params - counts.frozen
                counts = counts._replace(frozen=0)
            self.data[name] = self.add_opaque_step(operation, output, stated, reads, counts.frozen > 0)
            stated = dict.fromkeys(stated, 0)  # the first output has all params and operations
            counts = _RootCounts(0, 0, 0)
        named = self.steps[made].name if self.program.exact and outputs else ""
        where = f"{named}: {shorten(operation.operator)}" if named else describe_operation(operation)
        self.notes.append(f"{where}: {reason}")

    def count_learnt(self, operation: Operation, roots: set[str]) -> _RootCounts:
        """Return the number of elements of the learnt tensors of an opaque operation.

        Unless the format says which tensors are learnt (`Program.exact`), tensors with one element do not count.
        """
        if self.program.exact:
            statistics = {root for name in operation.inputs if name for root in self.value(name).roots}
            return self.count_roots(roots | (statistics & set(self.program.statistics)) - self.counted)
        return self.count_roots({root for root in roots if self.program.weights[root] > 1})

    def count_cost(self, operation: Operation) -> dict[str, int]:
        """Return the multiplications, additions and MACs of an operation per sample, as arguments of an opaque layer.

        Empty if no rule counts the operator, or if the file declares an output shape that the operator does not
        produce.
        """
        values = self.program.values
        inputs, outputs = (
            [values[name].dims if name in values else None for name in names]
            for names in (operation.inputs, operation.outputs)
        )
        cost = self.program.costs.get(operation.name) or count_operation(
            operation.operator, operation.attributes, inputs, outputs
        )
        macs = self.program.macs.get(operation.name)
        disputed = any(self.program.disputed.get(name) for name in operation.outputs)
        if cost is None and macs is not None and not macs % self.batch:
            return {"macs": macs // self.batch}
        if cost is not None and macs is not None:  # the framework's count replaces that of the rule
            other = macs - cost.macs
            cost = Cost(cost.multiplications + other, cost.additions + other, macs)
        if cost is None or disputed:
            return {}
        # a sum over the samples of a batch has no count per sample
        return {name: count // self.batch for name, count in cost._asdict().items() if count % self.batch == 0}

    def add_opaque_step(
        self,
        operation: Operation,
        output: Data,
        stated: Mapping[str, Any],
        reads: Sequence[Data],
        frozen: bool = False,
        field: str | None = None,
    ) -> Data:
        """Add an opaque step and return its output: `output` with the name of the step.

        `stated` are the step's params and operations; `field` is its receptive field, by default that of the operator.
        """
        arguments = {"output_shape": list(output.shape.sizes), **stated, "what": shorten(operation.operator)}
        field = field or refine_field(operation, self.dims, self.positions, find_field(operation.operator))
        if field == "same" and not _has_same_positions(output, reads):
            field = "some"
        if field is not None:
            arguments["receptive_field"] = field
        name = self.names.assign(operation.name, "opaque", ())
        sources = tuple(dict.fromkeys(data.step for data in reads))
        self.steps.append(Step(name, "opaque", arguments, sources, None, frozen))
        self.opaque.add(name)
        return output._replace(step=name)

    def unordered(self, name: str) -> Data:
        """Return the data for a tensor with unknown axis order: the first axis after the batch becomes the channels."""
        sizes = self.sample_sizes(self.value(name).dims)
        return Data("", Shape(sizes[0], sizes[1:]), tuple(range(len(sizes) + 1)))

    def ordered_like(self, name: str, reads: Sequence[Data]) -> Data | None:
        """Return the data for a tensor with the same axis order as all of `reads`; None if their axis orders differ."""
        dims, order = self.value(name).dims, reads[0].order
        if any(data.order != order for data in reads) or len(dims) != len(order) or dims[0] != self.batch or order[0]:
            return None
        return Data("", _order_shape(dims, order), order)

    def sample_sizes(self, dims: Sizes) -> Sizes:
        """Return the shape of one sample of a tensor with sizes `dims`: without the first axis if that is the batch.

        If the first axis is a multiple of the batch size, as for windows of an image, it is divided by the batch size.
        If only the number of elements is such a multiple, the sample is a vector. Otherwise the whole tensor is one
        sample. A shape with no axes, too many axes or a size of 0 becomes a vector.
        """
        if len(dims) > 1 and dims[0] == self.batch:
            sizes = dims[1:]
        elif self.batch > 1 and dims and dims[0] and dims[0] % self.batch == 0:
            sizes = (dims[0] // self.batch, *dims[1:])
        elif self.batch > 1 and prod(dims) % self.batch == 0:
            sizes = (prod(dims) // self.batch,)
        else:
            sizes = dims
        return sizes if 1 <= len(sizes) <= MOST_AXES + 1 and all(sizes) else (max(prod(sizes), 1),)
