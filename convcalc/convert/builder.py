"""Converts the operations of a program to steps of a `Graph`, each of which is one layer.

`Builder` applies one rule per operation, and checks the output of every layer against the shape in the file. An
operation without a rule, or one whose rule raises an error, becomes an `opaque` step with a note.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convcalc.convert.costs.cost import Cost
from convcalc.convert.graph import Step
from convcalc.convert.layer_data import (
    Data,
    channels_last,
    find_block_factor,
    has_same_positions,
    list_spatial_axes,
    make_unordered,
    order_like,
    order_shape,
)
from convcalc.convert.learnt import is_learnt, list_learnt_roots
from convcalc.convert.naming import LayerNames
from convcalc.convert.opaque_cost import count_cost
from convcalc.convert.operator_costs import find_field
from convcalc.convert.operators import Operation, Program, Sizes, Tensor, UnsupportedOperation, describe_operation
from convcalc.convert.positions import Axes, find_positions, refine_field
from convcalc.convert.views import Part, join_parts, view_whole
from convcalc.convert.weights import RootCounts, Weights
from convcalc.layers.base import Layer, name_sizes
from convcalc.layers.make import make_written_layer
from convcalc.problems import Flaw, shorten
from convcalc.shape import MOST_AXES


class _AxesUndecided(Exception):
    """Raised if an operation needs the axes of its input `name` in the order `order`, and `place_axes` can do that."""

    def __init__(self, name: str, order: Sizes) -> None:
        super().__init__(name)
        self.name = name
        self.order = order


class _AxesOutOfOrder(_AxesUndecided):
    """Raised if an operation needs its input `name` in the axis order `order`, but the file has another order."""


class _AxesDivided(Exception):
    """Raised if an operation needs its input `name` with the axes of a layer, but the file divides or joins them."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


Rule = Callable[["Builder", Operation], None]
"""Adds the layers of an operation, or raises UnsupportedOperation."""


class Builder:
    """Collects the steps of a program.

    `data` maps the name of a tensor in the file to the output of the step that produces it. `places` maps the name of a
    step to its position, and `uses` to the number of tensors that it produces and steps that read it.
    """

    def __init__(self, program: Program, names: LayerNames, rules: Mapping[str, "Rule"]) -> None:
        self.program = program
        self.rules = rules  # by operator
        self.steps: list[Step] = []
        self.opaque: set[str] = set()  # the names of the opaque steps
        self.notes: list[str] = []
        self.remarks: list[str] = []
        self.data: dict[str, Data] = {}
        self.places: dict[str, int] = {}
        self.uses: Counter[str] = Counter()
        self.parameters: dict[tuple[str, Sizes], Data] = {}  # by learnt tensor and axis order
        self.makers: dict[str, Operation] = {}  # by tensor, the operation that produces it
        self.read_names = {
            *program.outputs,
            *(name for each in program.operations for name in (*each.inputs, *each.captured)),
        }
        self.names = names
        self.weights = Weights(program)
        self.dims = {name: value.dims for name, value in program.values.items()}
        self.positions: dict[str, Axes] = {}  # by tensor, the axes in the file that hold positions
        self.preparation = 0  # MACs of the operations that compute the constants of the current operation
        first = Counter(sizes[0] for sizes in program.inputs.values() if sizes)
        self.batch = max(first, key=lambda size: first[size], default=1)

    def add_input(self, name: str, order: Sizes) -> None:
        """Add an input of the network. For `order`, see Data.

        For an input of another shape than (batch, channels, spatial sizes), such as a single number, see
        `layer_data.find_sample_sizes`. Raises UnsupportedOperation if a size is 0, or if the network has only one input
        and that is not a batch.
        """
        dims = self.program.inputs[name]
        if not all(dims) or (len(self.program.inputs) == 1 and not self._is_batch(dims)):
            raise UnsupportedOperation(
                f"input {shorten(name)} has shape {list(dims)}; expected {self._expected_shape()}"
            )
        self.names.reserve(name)
        if not self._is_batch(dims):
            self.set_data(name, make_unordered(self.value(name).dims, self.batch)._replace(step=name))
            return
        self.set_data(name, Data(name, order_shape(dims, order), order))
        self.positions[name] = list_spatial_axes(self.data[name])

    def _is_batch(self, dims: Sizes) -> bool:
        return dims[:1] == (self.batch,) and 1 <= len(dims) - 1 <= MOST_AXES + 1

    def run(self, operation: Operation) -> None:
        """Add the steps that the rule of its operator makes of an operation.

        If there is no rule or it raises, add opaque steps. If the operation was merged from others, these are run
        instead.
        """
        self.preparation = self.weights.count_preparation(operation)
        self.makers.update(dict.fromkeys(operation.outputs, operation))
        self.apply_rule(operation)
        by_value = find_field(operation.operator) == "same"
        for name in operation.outputs:
            if name in self.data:
                found = find_positions(operation, self.dims, self.positions, name, by_value)
                if found is None and self.is_layer(name):
                    found = list_spatial_axes(self.data[name])
                if found is not None:
                    self.positions[name] = found

    def is_layer(self, name: str) -> bool:
        """Whether a tensor comes from an input or a step that is not opaque."""
        return self.data[name].step not in self.opaque

    def apply_rule(self, operation: Operation) -> None:
        """Add the steps of an operation. `run` calls this after counting the MACs of the operation's constants."""
        rule, made, noted = self.rules.get(operation.operator), len(self.steps), len(self.notes)
        self.weights.begin_operation()
        try:
            if rule is None:
                raise UnsupportedOperation("unsupported operator")
            for name in operation.outputs:
                if self.program.disputed.get(name):
                    raise UnsupportedOperation(self.program.disputed[name])
            rule(self, operation)
        except _AxesOutOfOrder as reorder:
            self.take_back(made, noted)
            self.set_data(reorder.name, self.permute(operation, self.data[reorder.name], reorder.order))
            self.apply_rule(operation)
        except _AxesUndecided as undecided:
            self.take_back(made, noted)
            self.place_axes(undecided.name, undecided.order)
            self.apply_rule(operation)
        except _AxesDivided as divided:
            self.take_back(made, noted)
            self.arrange(divided.name)
            self.apply_rule(operation)
        except (UnsupportedOperation, Flaw) as error:
            self.take_back(made, noted)
            for part in operation.attributes.get("operations", ()):
                self.run(part)
            if "operations" not in operation.attributes:
                self.add_opaque(operation, error.message if isinstance(error, Flaw) else str(error))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # any attribute may be missing or have another type than the operator expects
            self.take_back(made, noted)
            self.add_opaque(operation, f"malformed attributes: {shorten(str(error))}")

    def take_back(self, made: int, noted: int) -> None:
        """Undo the current operation: keep only the first `made` steps and `noted` notes."""
        del self.notes[noted:]
        for step in self.steps[made:]:
            self.names.release(step.name)
            self.opaque.discard(step.name)
            self.uses.subtract(step.reads)
        removed = {step.name for step in self.steps[made:]}
        self.parameters = {key: data for key, data in self.parameters.items() if data.step not in removed}
        del self.steps[made:]
        self.weights.take_back()

    def permute(self, operation: Operation, data: Data, order: Sizes) -> Data:
        """Add a permute, so that the axes of the tensor in the file are those that `order` says, see Data."""
        names = ["batch", *(name for name, _ in name_sizes(data.shape))]
        moved = [names[own] for _, own in sorted(zip(order, data.order, strict=True))]
        return self.make_beside(operation, "permute", {"order": moved[1:]}, [data])._replace(order=order)

    def arrange(self, name: str) -> None:
        """Add an opaque step whose output has the axes that the tensor `name` has in the file.

        A sample that is one vector becomes a flatten, blocks of positions in the channels become a pixel_unshuffle.
        """
        data, maker, dims = self.data[name], self.makers[name], self.value(name).dims
        if data.view is not None and len(dims) == 2 and data.view[0] == view_whole((self.batch,))[0]:
            self.set_data(name, self.make(maker, "flatten", {}, [data]))
            return
        factor = find_block_factor(data, self.batch)
        if factor is not None:
            made = self.make(maker, "pixel_unshuffle", {"downscale_factor": factor.size}, [data])
            self.set_data(name, made._replace(order=factor.order))
            return
        stated = {"params": 0, **count_cost(self.program, maker, self.batch)}
        opaque = self.add_opaque_step(maker, make_unordered(dims, self.batch), stated, [data])
        self.note(opaque.step, maker, "it divides, joins or moves axes in a way that no layer kind does")
        self.set_data(name, opaque)

    # -- reading inputs

    def value(self, name: str) -> Tensor:
        """Return the properties of a tensor in the file."""
        return self.program.values[name]

    def read_view(self, name: str) -> Data:
        """Return the tensor `name` as data in any arrangement.

        Raises UnsupportedOperation if no layer produces the tensor, or if the shape in the file differs from that of
        the data.
        """
        found = self.data.get(name)
        if found is None:
            raise UnsupportedOperation("its input is not the output of any layer")
        if self.value(name).dims != found.list_dims(self.batch):
            dims = list(self.value(name).dims)
            raise UnsupportedOperation(f"its input has shape {dims}; expected {self._expected_shape()}")
        return found

    def read_any_order(self, name: str) -> Data:
        """Return the tensor `name` as data, with the batch first and the other axes in any order.

        Raises _AxesDivided if the file has another arrangement, and UnsupportedOperation as `read_view` does.
        """
        found = self.read_view(name)
        if not found.plain:
            raise _AxesDivided(name)
        return found

    def _expected_shape(self) -> str:
        return f"(batch {self.batch}, channels, up to {MOST_AXES} spatial sizes), all positive"

    def read(self, name: str) -> Data:
        """Return the tensor `name` as data, with its axes in the order batch, channels, spatial axes.

        Raises _AxesOutOfOrder if the file has another order, and the errors of `read_any_order`.
        """
        return self.read_ordered(name, tuple(range(len(self.value(name).dims))))

    def read_ordered(self, name: str, order: Sizes) -> Data:
        """Return the tensor `name` as data, with its axes in this order, see Data.

        Raises _AxesOutOfOrder if the file has another order, and the errors of `read_any_order`.
        """
        found = self.read_any_order(name)
        if found.order != order:
            raise (_AxesUndecided if self.is_undecided(name) else _AxesOutOfOrder)(name, order)
        return found

    def read_channels_last(self, name: str) -> Data:
        """Return the tensor `name` as data in any arrangement in which the channels are the last axis.

        Raises _AxesOutOfOrder if they are not, and the errors of `read_any_order`.
        """
        found = self.read_view(name)
        last = found.make_view(self.batch)[-1:]
        if found.order[-1:] == (1,) or last == (join_parts([Part(1, 1, found.shape.channels)]),):
            return found
        return self.read_ordered(name, channels_last(len(self.value(name).dims)))

    def is_undecided(self, name: str) -> bool:
        """Whether a tensor comes from an opaque step whose output axes may still be put into any order.

        True if no other tensor or step uses the output of the opaque step, and the receptive field of that step is not
        `same`.
        """
        step = self.data[name].step
        if step not in self.opaque or self.uses[step] > 1 or self.data[name].view is not None:
            return False
        return self.steps[self.places[step]].arguments.get("receptive_field") != "same"

    def place_axes(self, name: str, order: Sizes) -> None:
        """Change the opaque step that produces the tensor `name` so that the tensor has the axes `order`, see Data."""
        data = self.data[name]
        shape = order_shape(self.value(name).dims, order)
        self.set_data(name, Data(data.step, shape, order))
        place = self.places[data.step]
        step = self.steps[place]
        self.steps[place] = step._replace(arguments={**step.arguments, "output_shape": list(shape.sizes)})

    # -- adding steps

    def set_data(self, name: str, data: Data) -> None:
        """Make `data` the value of the tensor `name`."""
        if name in self.data:
            self.uses[self.data[name].step] -= 1
        self.data[name] = data
        self.uses[data.step] += 1

    def add_step(self, step: Step) -> None:
        """Append a step."""
        self.places[step.name] = len(self.steps)
        self.uses.update(step.reads)
        self.steps.append(step)

    def alias(self, operation: Operation, data: Data, output: int = 0) -> None:
        """Make `data` the output number `output` of an operation, without adding a step.

        Raises UnsupportedOperation if the file states another shape for the output.
        """
        self.check_shape(operation.outputs[output], data, "its input is")
        self.set_data(operation.outputs[output], data)

    def check_shape(self, name: str, data: Data, what: str) -> None:
        """Raise UnsupportedOperation if the file states a shape for the tensor `name` that differs from that of `data`.

        The message ends with `what` and the shape of `data`: "but conv produces 8×4×4".
        """
        if self.value(name).dims != data.list_dims(self.batch):
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
        if reads:
            self.check_macs(operation, kind, layer)
        owner = self.weights.find_owner(kind, roots, layer)
        frozen = False
        if self.program.exact and owner is None:
            frozen, reads = self.check_weights(operation, kind, layer, roots, reads)
        name = self.names.assign(operation.name, kind, roots) + suffix
        if owner is not None and (owner.kind, owner.arguments) != (kind, arguments):
            raise UnsupportedOperation(f"it shares the weights of {shorten(owner.name)}, but has other arguments")
        shared = None if owner is None else owner.name
        step = Step(name, kind, arguments, tuple(data.step for data in reads), shared, frozen)
        if owner is None and roots:
            self.weights.add_owner(step, roots)
        self.weights.count(roots)
        self.add_step(step)
        return Data(name, layer.output, tuple(range(len(layer.output.sizes) + 1)))

    def make_beside(self, operation: Operation, kind: str, arguments: dict[str, Any], reads: Sequence[Data]) -> Data:
        """Add a step besides the one that has the MACs of the operation, and return its output as `make` does."""
        beside = operation._replace(name=f"{operation.name}_{kind}", attributes={})
        return self.make(beside, kind, arguments, reads)

    def make_parameter(self, operation: Operation, name: str, order: Sizes) -> Data:
        """Add a parameter step for the learnt tensor `name` that an operation reads, and return its output.

        `order` describes the axes of the data that the tensor is combined with, see Data; the tensor may have fewer of
        them, and has no axis for the batch or one that repeats it. Raises UnsupportedOperation if the tensor is not
        learnt.
        """
        if name in self.data:
            return self.data[name]
        dims = self.value(name).dims
        padded = (1,) * (len(order) - len(dims)) + dims
        roots = self.value(name).roots
        if (
            len(padded) != len(order)
            or not is_learnt(self.program, roots)
            or not self.weights.holds_all(roots, dims)
            or padded[order.index(0)] not in (1, self.batch)
        ):
            raise UnsupportedOperation("it reads a constant that is not a learnt tensor of the shape of the data")
        shape = order_shape(padded, order)
        data = self.make(operation, "parameter", {"shape": list(shape.sizes)}, [], roots)._replace(order=order)
        self.parameters[name, order] = data
        return data

    def check_macs(self, operation: Operation, kind: str, layer: Layer) -> None:
        """Raise UnsupportedOperation if the framework counted other MACs for an operation than its layer has."""
        parts = operation.attributes.get("operations", (operation,))
        known = [self.program.macs[part.name] for part in parts if part.name in self.program.macs]
        counted, macs = sum(known) if known else None, layer.count_macs()
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
        counts = self.weights.count_roots(set(roots))
        extra = counts.params - params
        if (
            extra < 0
            or (extra and not reads)
            or counts.buffers != sum(layer.buffer_tensors())
            or (extra and not params)
        ):
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

    def add(
        self,
        operation: Operation,
        kind: str,
        arguments: dict[str, Any],
        reads: Sequence[Data],
        roots: tuple[str, ...] = (),
        order: Sizes | None = None,
        output: int = 0,
        like: Data | None = None,
    ) -> Data:
        """Add a step that produces the operation's output number `output`, and return its output.

        `order` describes the axes of the output in the file (see Data); by default, the channels are first. With
        `like`, the output has the arrangement of that data. Raises the errors of `make`, and UnsupportedOperation if
        the file states another output shape.
        """
        data = self.make(operation, kind, arguments, reads, roots)
        data = data if order is None else data._replace(order=order)
        data = data if like is None else data.place_like(like)
        name = operation.outputs[output]
        self.check_shape(name, data, f"{kind} produces")
        self.set_data(name, data)
        return data

    # -- unsupported operations

    def add_opaque(self, operation: Operation, reason: str) -> None:
        """Add an opaque step for each output of an operation, and a note with the reason.

        The first step has all params of the operation. Raises UnsupportedOperation if no input comes from a layer.
        """
        names = dict.fromkeys(name for name in (*operation.inputs, *operation.captured) if name)
        reads = [self.data[name] for name in names if name in self.data]
        learnt = set(list_learnt_roots(self.program, operation)) | self.weights.find_statistics(operation)
        roots = learnt - self.weights.counted
        if not reads:
            raise UnsupportedOperation(
                f"none of the inputs of {describe_operation(operation)} is the output of a layer"
            )
        counts = self.weights.count_learnt(roots)
        self.weights.count(roots)
        stated: dict[str, Any] = {"params": counts.params, **count_cost(self.program, operation, self.batch)}
        stated |= {key: stated[key] + self.preparation for key in Cost._fields if key in stated}
        if counts.buffers:
            stated["buffers"] = counts.buffers
        outputs = [name for name in operation.outputs if name in self.program.values]
        made = len(self.steps)
        for name in outputs:
            dims = self.value(name).dims
            output = make_unordered(dims, self.batch)
            if find_field(operation.operator) == "same":
                output = order_like(dims, self.batch, reads) or output
            elif output.shape.sizes == dims[1:]:
                output = order_like(dims, self.batch, reads[:1]) or output
            if 0 < counts.frozen < counts.params:
                frozen = {"params": counts.frozen, "multiplications": 0, "additions": 0, "macs": 0}
                apart = self.add_opaque_step(operation, output, frozen, reads, True)
                reads, stated["params"] = [*reads, apart], counts.params - counts.frozen
                counts = counts._replace(frozen=0)
            self.set_data(name, self.add_opaque_step(operation, output, stated, reads, counts.frozen > 0))
            stated = dict.fromkeys(stated, 0)  # the first output has all params and operations
            counts = RootCounts(0, 0, 0)
        self.note(self.steps[made].name if outputs else "", operation, reason)

    def note(self, step: str, operation: Operation, reason: str) -> None:
        """Add a note on an opaque step of an operation. Only names of PyTorch's modules are known to users."""
        named = self.program.exact and step
        where = f"{step}: {shorten(operation.operator)}" if named else describe_operation(operation)
        self.notes.append(f"{where}: {reason}")

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
        if field == "same" and not has_same_positions(output, reads):
            field = "some"
        if field is not None:
            arguments["receptive_field"] = field
        name = self.names.assign(operation.name, "opaque", ())
        sources = tuple(dict.fromkeys(data.step for data in reads))
        self.add_step(Step(name, "opaque", arguments, sources, None, frozen))
        self.opaque.add(name)
        return output._replace(step=name)
