"""Translates the operators of a TFLite model to a `Program` of ONNX operators.

TFLite has the channels last, ONNX has them first. An operator that needs them first, such as CONV_2D, therefore becomes
a Transpose, a Conv and a Transpose back; `builder` follows the order of the axes, so that the Transposes add no layers.
`rules` says what each operator becomes; this module follows the tensors.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

from convcalc.convert.costs.cost import Cost
from convcalc.convert.graph import Follow, NotImported, Shapes, check_number_of_sizes, format_input_option
from convcalc.convert.layer_data import channels_last
from convcalc.convert.operators import Number, Operation, Program, Sizes, Tensor
from convcalc.convert.tflite import layer_names, shape_values
from convcalc.convert.tflite.model_file import MOST_ELEMENTS, FileOperator, FileTensor, Model
from convcalc.problems import shorten, show

Rule = Callable[["Call"], str | Sequence[str]]
_ACTIVATIONS: dict[int, tuple[str, dict[str, float]]] = {  # by number in the file
    1: ("Relu", {}),
    2: ("Clip", {"min": -1.0, "max": 1.0}),
    3: ("Clip", {"min": 0.0, "max": 6.0}),
    4: ("Tanh", {}),
    5: ("Sign", {}),
}
_CONSTANT = "%c"  # how the names of constants of the file begin


class CannotTranslate(Exception):
    """Raised by a rule if an operator cannot be expressed in ONNX operators. It is then kept under its own name."""


def channels_first(rank: int) -> Sizes:
    """Return the permutation that moves the last axis behind the batch: (0, 3, 1, 2) for four axes."""
    return (0, rank - 1, *range(1, rank - 1))


def permute(dims: Sizes, order: Sizes) -> Sizes:
    """Return sizes in another order of axes."""
    return tuple(dims[axis] for axis in order)


class Translator:
    """Translates the operators of a model in order.

    `names` has the name in the program of each tensor of the file, by number; tensors that are not yet produced are
    absent. `known` has the values of small constants of integers, such as shapes, by number. If the user gave other
    shapes for the inputs (`changed`), the shapes in the file do not apply.
    """

    def __init__(self, model: Model, shapes: Shapes, rules: dict[str, Rule]) -> None:
        self.model = model
        self.shapes = shapes
        self.rules = rules
        self.changed = False
        self.made = 0  # number of tensors that `new_name` named
        self.inputs: dict[str, Sizes] = {}
        self.operations: list[Operation] = []
        self.values: dict[str, Tensor] = {}
        self.weights: dict[str, int] = {}
        self.disputed: dict[str, str] = {}
        self.costs: dict[str, Cost] = {}
        self.names: dict[int, str] = {}
        self.known: dict[int, tuple[int, ...]] = {}
        self.readers: dict[int, list[FileOperator]] = {}  # by number of a tensor
        self.producers: dict[int, FileOperator] = {}  # by number of a tensor
        self.emitted: dict[int, list[str]] = {}  # by number of an operator's first output, the names of its operations
        self.dropped: set[str] = set()  # the names of operations that were merged into others
        self.merged: set[int] = set()  # the first outputs of the operators with these operations
        self.counts: Counter[str] = Counter()  # of inputs by the name in the file
        self.operation_names = layer_names.OperationNames(model)

    def translate(self, follow: Follow) -> Program:
        """Translate all operators. Raises NotImported if one is malformed, or reads a tensor that is not produced."""
        for operator in self.model.operators:
            for number in set(operator.inputs):
                self.readers.setdefault(number, []).append(operator)
            self.producers.update(dict.fromkeys(operator.outputs, operator))
        for number in sorted(self.model.inputs, key=self.is_number):
            self.add_input(number)
        self.check_given_names()
        for operator in follow(self.model.operators, len(self.model.operators)):
            self.translate_operator(operator)
        outputs = []
        for number in self.model.outputs:
            if number not in self.names and self.model.tensors[number].contents is None:
                raise NotImported(f"no operator produces the output {show(self.model.tensors[number].name)}")
            outputs.append(self.tensor(number))
        return Program(
            "",
            self.inputs,
            [operation for operation in self.operations if operation.name not in self.dropped],
            tuple(dict.fromkeys(outputs)),
            self.values,
            self.weights,
            disputed=self.disputed,
            costs=self.costs,
        )

    # -- inputs

    def add_input(self, number: int) -> None:
        """Add an input. Its channels are first in the network, and usually last in the file."""
        tensor = self.model.tensors[number]
        if number in self.names:
            raise NotImported(f"the input {show(tensor.name)} is listed twice")
        name = self.choose_input_name(tensor.name)
        standard = self.has_standard_order(number)
        dims = self.find_input_sizes(name, tensor, standard)
        self.values[name] = Tensor(dims, tensor.type.dtype)
        self.inputs[name] = dims
        self.names[number] = name
        if not standard and len(dims) > 2:
            # `from_operators` takes the channels as last if a Transpose reads the input and moves them to the front
            moved = self.transpose(name, channels_first(len(dims)), name)
            self.names[number] = self.transpose(moved, channels_last(len(dims)), name)

    def check_given_names(self) -> None:
        """Raise NotImported if the user gave a shape for an input that the model does not have."""
        wrong = any(name not in self.inputs for name in self.shapes if name is not None)
        if wrong or (None in self.shapes and len(self.inputs) != 1):
            listed = ", ".join(map(shorten, self.inputs)) or "none"
            raise NotImported(f"--input needs the name of an input; available: {listed}")

    def is_number(self, number: int) -> bool:
        """Whether an input cannot have a batch, so that it does not say how large the batch is."""
        return len(self.model.tensors[number].dims) < 2

    def choose_input_name(self, name: str) -> str:
        """Return a unique name for an input, without the parts that converters add: `x` for `serving_default_x:0`."""
        plain = name.removeprefix("serving_default_").removesuffix(":0").lstrip("%") or "input"
        found = plain
        while found in self.inputs:
            self.counts[plain] += 1
            found = f"{plain}_{self.counts[plain] + 1}"
        return found

    def has_standard_order(self, number: int) -> bool:
        """Whether the axes of an input are in the order of a layer: batch, channels, spatial axes.

        That is so if every operator that reads it moves its channels to the end.
        """
        rank, readers = len(self.model.tensors[number].dims), self.readers.get(number, ())
        return rank > 2 and bool(readers) and all(self.moves_channels_to_end(operator, rank) for operator in readers)

    def moves_channels_to_end(self, operator: FileOperator, rank: int) -> bool:
        """Whether an operator is a TRANSPOSE that moves the channels to the end, or adds an axis of size 1 there."""
        if operator.name == "TRANSPOSE" and len(operator.inputs) == 2:
            return self.read_integers(operator.inputs[1]) == channels_last(rank)
        if operator.name in ("EXPAND_DIMS", "RESHAPE") and operator.outputs:
            dims = self.model.tensors[operator.outputs[0]].dims
            return len(dims) == rank + 1 and dims[-1] == 1
        return False

    def find_input_sizes(self, name: str, tensor: FileTensor, standard: bool) -> Sizes:
        """Return the sizes of an input: those that the user gave, or else those in the file, in the file's order."""
        order = tuple(range(len(tensor.dims))) if standard else channels_first(len(tensor.dims))
        if len(tensor.dims) < 2:
            return tensor.dims
        alone = len(self.model.inputs) == 1
        given = self.shapes.get(name, self.shapes.get(None) if alone else None)
        sizes = permute(tensor.signature, order)[1:]
        known = [None if size < 0 else size for size in sizes]
        if given is None:
            if None in known:
                shape = " × ".join("?" if size is None else str(size) for size in known)
                option = format_input_option(name, known)
                raise NotImported(
                    f"the shape of the input {show(name)} is not fully known ({shape}): give it: {option}"
                )
            return tensor.dims
        check_number_of_sizes(name if name in self.shapes else None, given, known)
        self.changed |= tuple(given) != permute(tensor.dims, order)[1:]
        return permute((tensor.dims[0], *given), tuple(order.index(axis) for axis in range(len(order))))

    # -- tensors

    def tensor(self, number: int, scratch: bool = False) -> str:
        """Return the name of a tensor in the program; empty for -1.

        Raises NotImported if its values are neither in the file nor produced by an earlier operator. With `scratch`,
        this is allowed: the tensor may be working memory of the operator that reads it.
        """
        if number < 0:
            return ""
        if number not in self.names:
            tensor = self.model.tensors[number]
            valueless = tensor.variable or 0 in tensor.dims or (scratch and number not in self.producers)
            if tensor.contents is None and not valueless:
                raise NotImported(f"an operator reads {show(tensor.name)}, which no earlier operator produces")
            self.names[number] = self.add_constant(number, tensor)
        return self.names[number]

    def add_constant(self, number: int, tensor: FileTensor) -> str:
        """Add a constant of the file. It may be learnt unless it holds integers that are not quantised."""
        name = f"{_CONSTANT}{number}"
        roots: tuple[str, ...] = ()
        if tensor.may_be_learnt() and tensor.contents is not None:
            self.weights[name] = prod(tensor.dims)
            roots = (name,)
        self.values[name] = Tensor(tensor.dims, tensor.type.dtype, True, None, roots)
        return name

    def add_weight(self, tensor: FileTensor) -> str:
        """Add a weight that is not in the first subgraph."""
        name = self.new_name()
        self.weights[name] = prod(tensor.dims)
        self.values[name] = Tensor(tensor.dims, tensor.type.dtype, True, None, (name,))
        return name

    def is_merged(self, number: int) -> bool:
        """Whether the operations of the operator that produces a tensor are dropped."""
        maker = self.producers.get(number)
        return maker is not None and maker.outputs[0] in self.merged

    def read_integers(self, number: int) -> tuple[int, ...] | None:
        """Return the values of a small constant of integers; None if they are unknown."""
        if number in self.known:
            return self.known[number]
        if number < 0 or (number in self.names and not self.names[number].startswith(_CONSTANT)):
            return None
        tensor = self.model.tensors[number]
        values = (
            None
            if tensor.type.code in ("", "f", "e", "d") or tensor.scale is not None
            else self.model.read_values(tensor)
        )
        return None if values is None else tuple(int(value) for value in values)

    # -- operations

    def add_operation(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Iterable[tuple[str, Sizes]],
        dtypes: Sequence[str | None],
        name: str,
        attributes: dict[str, Any],
    ) -> None:
        """Add an operation with these outputs (name and sizes). Raises NotImported if one of them is too large."""
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        read = [self.values[source] for source in inputs if source]
        constant = all(value.constant for value in read)
        roots = tuple(dict.fromkeys(root for value in read for root in value.roots)) if constant else ()
        made = []
        for (output, dims), dtype in zip(outputs, dtypes, strict=False):
            if min(dims, default=0) < 0 or prod(dims) > MOST_ELEMENTS:
                shape = " × ".join(map(str, dims))
                raise NotImported(
                    f"{shorten(operator)} {show(name)} has an output of {shape} elements, which is not supported"
                )
            self.values[output] = Tensor(dims, dtype, constant, None, roots)
            made.append(output)
        self.operations.append(Operation(name, operator, attributes, tuple(inputs), tuple(made)))

    def transpose(self, name: str, order: Sizes, path: str) -> str:
        """Add a Transpose and return the name of its output; `path` is the name of the operator that needs it."""
        value, output = self.values[name], self.new_name()
        outputs = [(output, permute(value.dims, order))]
        called = self.operation_names.make_distinct(path)
        self.add_operation("Transpose", [name], outputs, [value.dtype], called, {"perm": order})
        return output

    def new_name(self) -> str:
        """Return a new name for a tensor of the program."""
        self.made += 1
        return f"%{self.made}"

    def translate_operator(self, operator: FileOperator) -> None:
        """Translate one operator. Raises NotImported if it is malformed."""
        if not operator.outputs:
            return
        for number in operator.outputs:
            if number in self.names:
                tensor = self.model.tensors[number]
                raise NotImported(f"{operator.name} produces {show(tensor.name)}, which already exists")
        call = Call(self, operator)
        try:
            folded = shape_values.evaluate(operator.name, call)
            if folded is not None:
                self.record_known(operator.outputs[0], *folded)
                return
            made = self.apply_rule(call)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # any attribute or input may be missing or have another value than the operator expects
            wrong = "does not fit the given shape" if self.changed else "is malformed"
            raise NotImported(f"{operator.name} {show(call.name)} {wrong}: {shorten(str(error))}") from None
        for number, name in zip(operator.outputs, made, strict=False):
            self.names[number] = name
            self.compare_shape(number, name)

    def record_known(self, number: int, dims: Sizes, values: tuple[int, ...]) -> None:
        """Record a tensor whose values follow from shapes."""
        name = self.new_name()
        self.names[number] = name
        self.known[number] = values
        self.values[name] = Tensor(dims, None, True)

    def apply_rule(self, call: "Call") -> Sequence[str]:
        """Return the names of the outputs of an operator, after adding the operations that produce them."""
        before = len(self.operations)
        made = self.list_outputs(call)
        self.emitted[call.operator.outputs[0]] = [operation.name for operation in self.operations[before:]]
        return made

    def list_outputs(self, call: "Call") -> Sequence[str]:
        """Return the names of the outputs of an operator; without a rule that applies, it is added as it is."""
        before = len(self.operations)
        rule = self.rules.get(call.operator.name)
        if rule is not None:
            try:
                made = rule(call)
            except CannotTranslate:
                del self.operations[before:]
            else:
                return [made] if isinstance(made, str) else made
        return call.emit_several(call.operator.name, call.all_inputs(), call.list_declared())

    def compare_shape(self, number: int, name: str) -> None:
        """Record if the file states another shape for a tensor than its operator produces."""
        tensor, dims = self.model.tensors[number], self.values[name].dims
        if self.changed or not tensor.dims:
            return
        stated = tensor.signature
        same = len(stated) == len(dims) and all(size in (-1, own) for size, own in zip(stated, dims, strict=True))
        if not same:
            self.disputed[name] = f"the file states the shape {list(stated)}, but the operator produces {list(dims)}"


class Call:
    """One operator of the file while it is translated. `name` is that of its operations."""

    def __init__(self, translator: Translator, operator: FileOperator) -> None:
        self.translator = translator
        self.operator = operator
        self.name = translator.operation_names.choose(operator)
        self.dtypes = [translator.model.tensors[number].type.dtype for number in operator.outputs]

    # -- inputs and attributes

    def has(self, place: int) -> bool:
        """Whether the operator has the optional input at a position."""
        return place < len(self.operator.inputs) and self.operator.inputs[place] >= 0

    def data(self, place: int) -> str:
        """Return the name of an input; empty if an optional one is absent."""
        return self.translator.tensor(self.operator.inputs[place]) if self.has(place) else ""

    def all_inputs(self) -> list[str]:
        """Return the names of all inputs; empty for those that are absent."""
        scratch = self.operator.name.startswith("custom.")
        return [self.translator.tensor(number, scratch) for number in self.operator.inputs]

    def dims(self, place: int) -> Sizes:
        """Return the sizes of an input. Raises LookupError if it is absent."""
        return self.translator.values[self.data(place)].dims

    def sizes(self, name: str) -> Sizes:
        """Return the sizes of a tensor of the program."""
        return self.translator.values[name].dims

    def is_constant(self, place: int) -> bool:
        """Whether an input depends on no input of the network."""
        return self.translator.values[self.data(place)].constant

    def integers(self, place: int) -> tuple[int, ...]:
        """Return the values of a constant input. Raises CannotTranslate if they are unknown."""
        found = self.find_integers(place)
        if found is None:
            raise CannotTranslate
        return found

    def find_integers(self, place: int) -> tuple[int, ...] | None:
        """Return the values of a constant input; None if they are unknown."""
        return self.translator.read_integers(self.operator.inputs[place]) if self.has(place) else None

    def operand(self, place: int) -> str:
        """Return the name of an operand of arithmetic. A constant with one element becomes a number."""
        translator, number = self.translator, self.operator.inputs[place]
        tensor = translator.model.tensors[number]
        single = tensor.contents is not None and prod(tensor.dims) == 1
        values = translator.model.read_values(tensor) if single else None
        if not values:
            return self.data(place)
        name = translator.new_name()
        translator.values[name] = Tensor(tensor.dims, None, True, Number(values[0]))
        return name

    def weight(self, place: int, order: Sizes = ()) -> str:
        """Return the name of a weight or bias, with its axes in another order if one is given; empty if absent."""
        name = self.data(place)
        if not name:
            return ""
        translator = self.translator
        value = translator.values[name]
        if value.constant and not value.roots:
            translator.weights[name] = prod(value.dims)
            translator.values[name] = value = value._replace(roots=(name,))
        if not order:
            return name
        dims = permute(value.dims, order)
        if not value.constant:
            return self.transpose(name, order)
        turned = translator.new_name()
        translator.values[turned] = value._replace(dims=dims)
        return turned

    def option(self, field: int, code: str, default: int = 0) -> int:
        """Return a number from the attributes of the operator."""
        options = self.operator.options
        return default if options is None else options.number(field, code, default)

    def real(self, field: int) -> float:
        """Return a real number from the attributes of the operator."""
        return self.operator.options.real(field) if self.operator.options else 0.0

    def list_option(self, field: int) -> tuple[int, ...]:
        """Return a list of integers from the attributes of the operator."""
        return self.operator.options.numbers(field, "i") if self.operator.options else ()

    def list_declared(self) -> list[Sizes]:
        """Return the output shapes that the file states. Raises NotImported if they are unknown."""
        found = []
        for number in self.operator.outputs:
            tensor = self.translator.model.tensors[number]
            if self.translator.changed or any(size < 0 for size in tensor.signature[1:]):
                raise NotImported(f"the output shape of {self.operator.name} {show(self.name)} is unknown")
            found.append(tensor.dims)
        return found

    # -- merging operators

    def follow_back(self, name: str) -> "Call | None":
        """Return the operator that produces the first input; None unless it is called `name` and nothing else reads it.

        The operations of that operator can then be dropped.
        """
        number = self.operator.inputs[0]
        maker = self.translator.producers.get(number)
        if maker is None or maker.name != name or len(maker.outputs) != 1:
            return None
        if maker.inputs and self.translator.is_merged(maker.inputs[0]):
            return None
        alone = len(self.translator.readers[number]) == 1 and number not in self.translator.model.outputs
        return Call(self.translator, maker) if alone else None

    def drop(self) -> None:
        """Drop the operations of this operator, because a later one does its work."""
        number = self.operator.outputs[0]
        self.translator.dropped.update(self.translator.emitted[number])
        self.translator.merged.add(number)

    def list_weights_of_subgraphs(self, numbers: Sequence[int]) -> list[str]:
        """Return new tensors with the weights of these subgraphs, and of those that they run."""
        return [self.translator.add_weight(tensor) for tensor in self.translator.model.list_constants(numbers)]

    # -- operations

    def emit(self, operator: str, inputs: Sequence[str], dims: Sizes, **attributes: Any) -> str:
        """Add an operation with one output of the sizes `dims`, and return the name of the output."""
        return self.emit_several(operator, inputs, [dims], **attributes)[0]

    def emit_several(
        self, operator: str, inputs: Sequence[str], dims: Sequence[Sizes], cost: Cost | None = None, **attributes: Any
    ) -> list[str]:
        """Add an operation with outputs of these sizes, and return their names.

        `cost` is that of the operation for the whole batch if `operator_costs` does not know the operator.
        """
        translator = self.translator
        outputs = [(translator.new_name(), tuple(sizes)) for sizes in dims]
        name = translator.operation_names.make_distinct(self.name)
        translator.add_operation(operator, inputs, outputs, self.dtypes, name, attributes)
        if cost is not None:
            translator.costs[name] = cost
        return [output for output, _ in outputs]

    def number(self, value: float) -> str:
        """Return the name of a constant with one number, which is not learnt."""
        name = self.translator.new_name()
        self.translator.values[name] = Tensor((), None, True, Number(value))
        return name

    def constant(self, dims: Sizes) -> str:
        """Return the name of a constant that is not learnt, whose values do not matter."""
        name = self.translator.new_name()
        self.translator.values[name] = Tensor(dims, self.dtypes[0], True)
        return name

    def move(self, dims: Sizes) -> str:
        """Emit an operation, named like the operator, that moves the values of its first input."""
        return self.emit_several(self.operator.name, [self.data(0)], [dims], Cost())[0]

    def reshape_constant(self, name: str, dims: Sizes) -> str:
        """Return a weight with other sizes. Raises CannotTranslate if it depends on an input of the network."""
        value = self.translator.values[name]
        if not value.constant:
            raise CannotTranslate
        made = self.translator.new_name()
        self.translator.values[made] = value._replace(dims=dims)
        return made

    def transpose(self, name: str, order: Sizes) -> str:
        """Return a tensor with its axes in another order."""
        return self.translator.transpose(name, order, self.name)

    def move_channels_first(self, name: str) -> str:
        """Return a tensor with its channels moved from the end to the place behind the batch."""
        return self.transpose(name, channels_first(len(self.sizes(name))))

    def move_channels_last(self, name: str) -> str:
        """Return a tensor with its channels moved from the place behind the batch to the end."""
        return self.transpose(name, channels_last(len(self.sizes(name))))

    def activate(self, name: str, field: int) -> str:
        """Return a tensor after the activation that is merged into the operator, in an attribute.

        Raises CannotTranslate if TFLite has no such activation.
        """
        number = self.option(field, "b")
        if number == 0:
            return name
        if number not in _ACTIVATIONS:
            raise CannotTranslate
        operator, attributes = _ACTIVATIONS[number]
        self.name = self.translator.operation_names.choose(self.operator, activation=True)
        return self.emit(operator, [name], self.sizes(name), **attributes)
