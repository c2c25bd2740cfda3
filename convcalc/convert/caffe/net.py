"""Holds the blobs of a Caffe network while its layers become operations.

A rule takes a layer and a Net: it reads the blobs of the layer's bottoms, adds operations, and writes its tops.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from convcalc.convert.caffe.layer_entries import LayerEntry, WeightOptions
from convcalc.convert.caffe.text_format import Scalar
from convcalc.convert.operators import Operation, Sizes, Tensor
from convcalc.convert.program_writer import ProgramWriter
from convcalc.convert.text_files import Mistake
from convcalc.problems import did_you_mean, show


class UnknownBlob(Exception):
    """Raised if a layer reads a blob that a wrong layer produces; the mistake of that layer is reported."""


class Net:
    """The blobs so far: `blobs` maps the name of each to its tensor, which is None if its layer is wrong."""

    def __init__(self) -> None:
        self.writer = ProgramWriter()
        self.blobs: dict[str, str | None] = {}
        self.shared: dict[str, str] = {}  # weights by the name under which layers share them

    def find_blob(self, scalar: Scalar) -> str:
        """Return the tensor of a blob. Raises Mistake if no earlier layer produces it."""
        if scalar.text not in self.blobs:
            hint = did_you_mean(scalar.text, self.blobs)
            raise Mistake(f"no earlier layer produces {show(scalar.text)}", scalar.extent, hint, "CV011")
        tensor = self.blobs[scalar.text]
        if tensor is None:
            raise UnknownBlob
        return tensor

    def read_all(self, entry: LayerEntry, least: int = 1) -> list[str]:
        """Return the tensors that a layer reads. Raises Mistake if there are fewer than `least`."""
        if len(entry.bottoms) < least:
            needed = "a bottom" if least == 1 else f"{least} bottoms"
            raise Mistake(f"{entry.type} needs {needed}; got {len(entry.bottoms)}", entry.extent, code="CV012")
        return [self.find_blob(scalar) for scalar in entry.bottoms]

    def read(self, entry: LayerEntry) -> str:
        """Return the only tensor that a layer reads. Raises Mistake if it reads none or several."""
        found = self.read_all(entry)
        if len(found) > 1:
            raise Mistake(f"{entry.type} needs one bottom; got {len(found)}", entry.bottoms[1].extent)
        return found[0]

    def dims(self, tensor: str) -> Sizes:
        """Return the sizes of a tensor, batch first."""
        return self.writer.values[tensor].dims

    def check_rank(self, entry: LayerEntry, tensor: str, least: int) -> Sizes:
        """Return the sizes of a tensor. Raises Mistake if it has fewer than `least` axes."""
        dims = self.dims(tensor)
        if len(dims) < least:
            message = f"{entry.type} needs an input with {least} axes; got {format_sizes(dims)}"
            raise Mistake(message, entry.extent, code="CV016")
        return dims

    def write(self, entry: LayerEntry, *tensors: str | None) -> None:
        """Make tensors the tops of a layer. Raises Mistake if the layer has another number of tops."""
        if len(tensors) != len(entry.tops):
            message = f"{entry.type} must have {len(tensors)} top{'s' * (len(tensors) != 1)}; got {len(entry.tops)}"
            raise Mistake(message, entry.extent)
        bottoms = {scalar.text for scalar in entry.bottoms}
        for scalar, tensor in zip(entry.tops, tensors, strict=True):
            if scalar.text in self.blobs and scalar.text not in bottoms and self.blobs[scalar.text] is not None:
                raise Mistake(f"an earlier layer already produces {show(scalar.text)}", scalar.extent, code="CV015")
            self.blobs[scalar.text] = tensor

    def add(
        self,
        entry: LayerEntry,
        operator: str,
        inputs: Sequence[str],
        dims: Sizes,
        attributes: Mapping[str, Any] | None = None,
        part: str = "",
    ) -> str:
        """Add an operation with one output and return its tensor. `part` is appended to the name of the layer."""
        if min(dims, default=1) < 1:
            message = f"{entry.type} would have the output {format_sizes(dims)}"
            raise Mistake(message, entry.extent, code="CV016")
        name = f"{entry.name or entry.type}{part and '_'}{part}"
        return self.writer.add(operator, name, inputs, [dims], attributes)[0]

    def add_output(self, tensor: str, part: str) -> str:
        """Add a second output, of the same size, to the last operation, and return its tensor."""
        last = self.writer.operations[-1]
        made = self.writer.add_tensor(f"{tensor}_{part}", Tensor(self.dims(tensor)))
        self.writer.operations[-1] = last._replace(outputs=(*last.outputs, made))
        return made

    def add_weights(self, entry: LayerEntry, **sizes: Sizes) -> list[str]:
        """Record the weights of a layer, such as `weight` and `bias`, and return their tensors.

        A weight whose field `param` has a name is shared with the layers that use the same name.
        """
        options = entry.list_weight_options()
        frozen = len(options) >= len(sizes) and all(option.rate == 0 for option in options[: len(sizes)])
        options += [WeightOptions()] * len(sizes)
        return [
            self.find_shared(entry, option, name, dims, frozen)
            for option, (name, dims) in zip(options, sizes.items(), strict=False)
        ]

    def find_shared(self, entry: LayerEntry, option: WeightOptions, name: str, dims: Sizes, frozen: bool) -> str:
        """Return the tensor of a weight, which another layer may have recorded. Raises Mistake if its size differs."""
        wanted = option.shared_name
        if wanted and wanted in self.shared:
            found = self.shared[wanted]
            if prod(self.dims(found)) != prod(dims):
                sizes = f"{format_sizes(self.dims(found))} and {format_sizes(dims)}"
                raise Mistake(f"the shared weight {show(wanted)} has the sizes {sizes}", entry.extent, code="CV016")
            return found
        made = self.writer.add_weight(f"{entry.name}.{name}", dims, frozen)
        if wanted:
            self.shared[wanted] = made
        return made

    def list_outputs(self) -> list[str]:
        """Return the tensors that no operation reads, except inputs."""
        read = {name for operation in self.writer.operations for name in operation.inputs}
        found = [tensor for tensor in self.blobs.values() if tensor not in read and tensor not in self.writer.inputs]
        return list(dict.fromkeys(tensor for tensor in found if tensor is not None))


Rule = Callable[[Net, LayerEntry], None]


def format_sizes(dims: Sizes) -> str:
    """Return the sizes of a tensor as they appear in messages: `1×64×8×8`."""
    return "×".join(map(str, dims)) or "a single number"


def find_axis(entry: LayerEntry, axis: int, rank: int, name: str = "axis", param: str = "") -> int:
    """Return an axis counted from 0. Raises Mistake if there is no such axis."""
    if not -rank <= axis < rank:
        where = entry.read_param(param).find(name) if param else entry.extent
        raise Mistake(f"{name} must be from {-rank} to {rank - 1}; got {axis}", where, code="CV016")
    return axis % rank


def merge_scales(writer: ProgramWriter, outputs: Sequence[str]) -> None:
    """Merge each learnt Scale into the BatchNorm before it, as the scale and bias of that norm.

    A BatchNorm of Caffe only subtracts the mean and divides by the standard deviation.
    """
    writer.operations = _ScaleMerger(writer, outputs).merge()


class _ScaleMerger:
    """Finds norms whose output is read only by a product with a learnt tensor, and that only by a sum with one."""

    def __init__(self, writer: ProgramWriter, outputs: Sequence[str]) -> None:
        self.operations = writer.operations
        self.values = writer.values
        self.readers: dict[str, list[int]] = {name: [-1] for name in outputs}
        for place, operation in enumerate(self.operations):
            for name in operation.inputs:
                self.readers.setdefault(name, []).append(place)

    def merge(self) -> list[Operation]:
        """Return the operations that remain."""
        merged: set[int] = set()
        found: list[Operation] = []
        for place, operation in enumerate(self.operations):
            if place in merged:
                continue
            if operation.operator == "BatchNormalization" and not operation.inputs[1]:
                for position, operator in ((1, "Mul"), (2, "Add")):
                    other = self.find_next(operation, operator)
                    if other is None:
                        break
                    merged.add(other)
                    operation = self.absorb(operation, self.operations[other], position)
            found.append(operation)
        return found

    def find_next(self, norm: Operation, operator: str) -> int | None:
        """Return the position of the only reader of a norm if that is `operator` with one learnt value per channel."""
        [place, *others] = self.readers.get(norm.outputs[0], [-1])
        if others or place < 0 or self.operations[place].operator != operator:
            return None
        learnt = self.operations[place].inputs[1]
        due = self.values[norm.inputs[3]].dims[0]
        sizes = self.values[learnt].dims
        per_channel = bool(self.operations[place].attributes.get("learnt")) and prod(sizes) == due == sizes[0]
        return place if per_channel and self.readers[learnt] == [place] else None

    def absorb(self, norm: Operation, other: Operation, position: int) -> Operation:
        """Return the norm with the learnt tensor of an operation as its input number `position`."""
        learnt = other.inputs[1]
        self.values[learnt] = self.values[learnt]._replace(dims=self.values[learnt].dims[:1])
        inputs = (*norm.inputs[:position], learnt, *norm.inputs[position + 1 :])
        return norm._replace(inputs=inputs, outputs=other.outputs)
