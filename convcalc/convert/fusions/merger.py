"""Defines `PatternMerger`, which holds the operations of a program while patterns of them are merged."""

from convcalc.convert.learnt import is_learnt
from convcalc.convert.operators import Operation, Program, Sizes, read_scalar


class PatternMerger:
    """Finds the neighbours of each operation of a program, and replaces several operations by one.

    `operations` has an operation for each position; None if it was merged into another or only computes constants.
    `producers` maps a tensor to the position of the operation that produces it. `readers` maps it to the positions of
    the operations that read it; -1 stands for an output of the graph.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.values = program.values
        self.operations: list[Operation | None] = [
            operation
            if any(not program.values[name].constant for name in operation.outputs if name in program.values)
            else None
            for operation in program.operations
        ]
        self.sources = {name: operation for operation in program.operations for name in operation.outputs}
        self.producers: dict[str, int] = {}
        self.readers: dict[str, list[int]] = {name: [-1] for name in program.outputs}
        for place, operation in enumerate(self.operations):
            for name in operation.outputs if operation else ():
                self.producers[name] = place
            for name in (*operation.inputs, *operation.captured) if operation else ():
                self.readers.setdefault(name, []).append(place)

    # -- finding operations

    def find_producer(self, name: str, *operators: str) -> tuple[int, Operation] | None:
        """Return the position of the operation that produces a tensor, and the operation.

        None if no operation produces it, or if `operators` are given and the operation's operator is not one of them.
        """
        place = self.producers.get(name)
        operation = None if place is None else self.operations[place]
        if place is None or operation is None or (operators and operation.operator not in operators):
            return None
        return place, operation

    def find_producer_with_one_reader(self, name: str, *operators: str) -> tuple[int, Operation] | None:
        """Return the same as `find_producer`, but None unless the tensor is read exactly once."""
        return self.find_producer(name, *operators) if len(self.readers.get(name, ())) == 1 else None

    def dims(self, name: str) -> Sizes:
        """Return the sizes of a tensor, including the batch."""
        return self.values[name].dims

    def is_constant(self, name: str) -> bool:
        """Whether a tensor depends on no input of the network."""
        return self.values[name].constant

    def is_weight(self, name: str) -> bool:
        """Whether a tensor is computed from learnt tensors."""
        return is_learnt(self.program, self.values[name].roots)

    def is_filled_with(self, name: str, value: float) -> bool:
        """Whether all elements of a tensor equal `value`; false if they are unknown."""
        contents = self.values[name].contents
        return contents is not None and all(item == value for item in contents.ravel())

    def read_scalar(self, name: str) -> float | None:
        """Return the value of a numeric constant with one element; None for any other tensor."""
        return read_scalar(self.values[name]) if name else None

    def list_integers(self, operation: Operation, position: int, attribute: str) -> tuple[int, ...] | None:
        """Return the integers in an attribute or else in the constant input at a position.

        None if both are absent or the values are unknown.
        """
        if attribute in operation.attributes:
            return tuple(operation.attributes[attribute])
        name = operation.inputs[position] if position < len(operation.inputs) else ""
        contents = self.values[name].contents if name else None
        return None if contents is None else tuple(map(int, contents.ravel()))

    def has_no_outside_readers(self, inside: set[int], last: int) -> bool:
        """Whether only the operations at the positions `inside` read the outputs of these operations.

        The output of the operation at `last` may be read by others too.
        """
        for place in inside - {last}:
            operation = self.operations[place]
            assert operation is not None
            if any(reader not in inside for name in operation.outputs for reader in self.readers.get(name, ())):
                return False
        return True

    # -- merging

    def _forget_reader(self, place: int) -> None:
        operation = self.operations[place]
        for name in (*operation.inputs, *operation.captured) if operation else ():
            self.readers[name] = [reader for reader in self.readers[name] if reader != place]

    def replace(self, place: int, operation: Operation, *removed: int) -> bool:
        """Put an operation at position `place`, remove those at the positions `removed`, and return True."""
        for other in {place, *removed}:
            self._forget_reader(other)
            self.operations[other] = None
        for name in (*operation.inputs, *operation.captured):
            self.readers.setdefault(name, []).append(place)
        self.operations[place] = operation
        self.producers.update({name: place for name in operation.outputs if name})
        return True


def split_data_and_constant(merger: PatternMerger, operation: Operation) -> tuple[str, str] | None:
    """Return the names of an operation's two inputs, data and constant; None unless it has one of each."""
    if len(operation.inputs) != 2:
        return None
    first, second = operation.inputs
    if merger.is_constant(first) == merger.is_constant(second):
        return None
    return (second, first) if merger.is_constant(first) else (first, second)


def is_channel_vector(merger: PatternMerger, constant: str, data: str, axis: int) -> bool:
    """Whether a constant has the size of the tensor `data` along `axis`, and size 1 along all other axes."""
    sizes = merger.dims(data)
    own = merger.dims(constant)
    padded = (1,) * (len(sizes) - len(own)) + own
    axis %= len(sizes)
    return len(own) <= len(sizes) and all(
        size == (sizes[place] if place == axis else 1) for place, size in enumerate(padded)
    )
