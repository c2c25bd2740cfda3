"""Defines the kind for operations that no other layer kind covers."""

from typing import Any

from convcalc.arguments import Choice, Integer, IntegerList, Key, Text
from convcalc.layers.base import Layer, Reach, Tensors
from convcalc.problems import Flaw
from convcalc.shape import MOST_AXES, Shape

_IN_COLUMNS = ("multiplications", "additions", "macs", "receptive_field")


class Opaque(Layer):
    """An operation that no other kind covers: its output shape is given, and its cost and receptive field if known.

    It accepts one or more inputs. Unknown is not zero: figures that are not given, and the memory it saves for the
    backward pass, are shown as `?` in tables and null in JSON, and so are all totals that include them. The output
    counts as activation memory; memory that the operation uses while it runs is not counted.

    Output: output_shape.
    Params: the argument params; the argument buffers counts as buffers.
    Counted: the arguments multiplications, additions and macs, each unknown if it is not given. The FLOPs are known if
    multiplications and additions are.
    Source: used for operations of an imported network that convcalc does not support.
    Example on [64, 56, 56]: opaque: {output_shape: [100, 4], params: 12544, what: RoiAlign}
    """

    kind = "opaque"
    reads_any = True
    output_shape = IntegerList(
        "output shape",
        lengths=(1, MOST_AXES + 1),
        minimum=1,
        expected=f"a list of 1 to {MOST_AXES + 1} positive integers, channels first",
    )
    params = Integer("number of learnt elements", 0, minimum=0, sign="params ")
    buffers = Integer("number of elements of running statistics", 0, minimum=0)
    multiplications = Integer("multiplications and divisions per sample", minimum=0, default_text="unknown")
    additions = Integer("additions and subtractions per sample", minimum=0, default_text="unknown")
    macs = Integer("multiply-accumulates per sample", minimum=0, default_text="unknown")
    receptive_field = Choice(
        "what an output position depends on: the same position of each input, some positions (all output positions "
        "together: on all), or all positions",
        None,
        choices=("same", "some", "all"),
        default_text="unknown",
    )
    what = Text("description or name of the operation")

    def normalise(self) -> None:
        """Raise `Flaw` if MACs exceed multiplications, or if receptive_field is `same` but the spatial sizes change."""
        if self.macs is not None and self.multiplications is not None and self.macs > self.multiplications:
            raise Flaw(
                f"macs {self.macs:,} exceeds the {self.multiplications:,} multiplications; each MAC includes one",
                key="macs",
                code="CV016",
            )
        if self.receptive_field == "same" and not self._has_same_positions():
            raise Flaw(
                f"receptive_field: same needs an output with the spatial sizes of the input; the output is "
                f"{self.inferred_shape()}, the input {' and '.join(map(str, self.inputs))}",
                key="receptive_field",
                code="CV016",
            )

    def _has_same_positions(self) -> bool:
        # as in a merge, sizes of 1 are broadcast to those of the other inputs
        spatial = [shape.spatial for shape in self.inputs]
        output = self.output_shape[1:]
        if any(len(sizes) != len(output) for sizes in spatial):
            return False
        return all(
            size in sizes and all(one in (1, size) for one in sizes)
            for size, *sizes in zip(output, *spatial, strict=True)
        )

    def inferred_shape(self) -> Shape:
        """Return the value of the argument `output_shape`."""
        channels, *spatial = self.output_shape
        return Shape(channels, tuple(spatial))

    def weight_tensors(self) -> Tensors:
        """Return the size of one tensor with all params; an empty tuple if there are none."""
        return (self.params,) if self.params else ()

    def bias_tensors(self) -> Tensors:
        """No biases: all params count as weights."""
        return ()

    def buffer_tensors(self) -> Tensors:
        """Return the size of one tensor with all buffers; an empty tuple if there are none."""
        return (self.buffers,) if self.buffers else ()

    def count_multiplications(self) -> int | None:
        """Return the value of the argument `multiplications`; None if it is not given."""
        return self.multiplications

    def count_additions(self) -> int | None:
        """Return the value of the argument `additions`; None if it is not given."""
        return self.additions

    def count_macs(self) -> int | None:
        """Return the value of the argument `macs`; None if it is not given."""
        return self.macs

    def reach(self) -> Reach:
        """Return the `Reach` that the argument receptive_field stands for; `same` becomes `everything` for vectors."""
        if self.receptive_field is None:
            return "unknown"
        if self.receptive_field == "some":
            return "elsewhere"
        return "same" if self.receptive_field == "same" and self.output_shape[1:] else "everything"

    def saved_for_backward(self) -> None:
        """Return None: what the operation saves is unknown."""

    @classmethod
    def glance_keys(cls) -> list[tuple[str, Key[Any]]]:
        """Return the arguments that tables show, without costs and receptive field: these have their own columns."""
        return [(name, key) for name, key in super().glance_keys() if name not in _IN_COLUMNS]
