"""Defines reductions over named axes: mean, sum and standard deviation."""

from math import prod

from convcalc.arguments import AxisNames, Flag, Integer
from convcalc.intervals import SAME, fixed_reads
from convcalc.layers.base import Filter, Layer, Reach, SavedForBackward, find_size, mean_filter, name_sizes
from convcalc.layers.mixins import NoMacs, NoWeights, SavesNothing
from convcalc.problems import Flaw
from convcalc.shape import AXIS_NAMES, Shape


class _Reduction(NoWeights, NoMacs, Layer):
    main = "axes"
    axes = AxisNames("axes that are reduced: channels, length, depth, height, width", required=True)
    keepdims = Flag("keep reduced spatial axes, with size 1; the channels stay in any case, as 1", True)

    def normalise(self) -> None:
        for name in self.axes:
            find_size(self, name, "axes")

    def inferred_shape(self) -> Shape:
        sizes = [(name, 1 if name in self.axes else size) for name, size in name_sizes(self.input)]
        kept = [size for name, size in sizes if name == "channels" or self.keepdims or name not in self.axes]
        return Shape(kept[0], tuple(kept[1:]))

    def count_reduced(self) -> int:
        """Return how many input values are reduced to one output value."""
        return prod(size for name, size in name_sizes(self.input) if name in self.axes)

    def reach(self) -> Reach:
        names = AXIS_NAMES[self.input.axes]
        if set(names) <= set(self.axes):
            return "everything"
        if not set(names) & set(self.axes):
            return "same"
        if not self.keepdims:
            return "elsewhere"
        sizes = zip(names, self.input.spatial, strict=True)
        return tuple(fixed_reads((0, size - 1)) if name in self.axes else SAME for name, size in sizes)


class Mean(_Reduction, SavesNothing):
    """The mean over some axes.

    Output: 1 on each reduced axis; with keepdims: false, reduced spatial axes are removed.
    Counted: n - 1 additions and one multiplication (the division) per output value; no MACs (n: the product of the
    reduced sizes).
    Source: torch.mean.
    Example on [64, 10, 20]: mean: {axes: [height]}
    """

    kind = "mean"

    def fixed_filter(self) -> tuple[Filter, ...]:
        """Return the filter of a mean; on an axis that is not reduced it has one tap."""
        return mean_filter(self.input.axes)

    def count_multiplications(self) -> int:
        """Return the number of divisions: one per output value."""
        return self.output.elements

    def count_additions(self) -> int:
        """Return the additions: per output value, the number of reduced values minus one."""
        return self.output.elements * (self.count_reduced() - 1)


class Sum(_Reduction, SavesNothing):
    """The sum over some axes.

    Output: 1 on each reduced axis; with keepdims: false, reduced spatial axes are removed.
    Counted: n - 1 additions per output value; no MACs (n: the product of the reduced sizes).
    Source: torch.sum.
    Example on [64, 10, 20]: sum: {axes: [width]}
    """

    kind = "sum"

    def count_multiplications(self) -> int:
        """No multiplications."""
        return 0

    def count_additions(self) -> int:
        """Return the additions: per output value, the number of reduced values minus one."""
        return self.output.elements * (self.count_reduced() - 1)


class Std(_Reduction):
    """The standard deviation over some axes; a concat of mean and std is statistics pooling.

    Output: 1 on each reduced axis; with keepdims: false, reduced spatial axes are removed.
    Counted: n + 2 multiplications (the squares and two divisions) and 3n - 2 additions (two sums and the subtraction of
    the mean) per output value; no MACs (n: the product of the reduced sizes). The square root is not counted.
    Source: torch.std; Snyder et al. 2018, "X-vectors" (statistics pooling).
    Example on [512, 300]: std: {axes: [length]}
    """

    kind = "std"
    correction = Integer("number subtracted from n in the divisor of the variance", 1, minimum=0)

    def normalise(self) -> None:
        """Raise `Flaw` if an axis does not exist, or if `correction` is not less than the number of reduced values."""
        super().normalise()
        if self.count_reduced() <= self.correction:
            raise Flaw(
                f"std of {self.count_reduced()} values needs a correction below that; got {self.correction}",
                key="correction",
                code="CV016",
            )

    def count_multiplications(self) -> int:
        """Return the multiplications: per output value, the squares and two divisions."""
        return self.output.elements * (self.count_reduced() + 2)

    def count_additions(self) -> int:
        """Return the additions: two sums per output value, and a subtraction per reduced value."""
        return self.output.elements * (3 * self.count_reduced() - 2)

    def saved_for_backward(self) -> SavedForBackward:
        """The input and the output are saved."""
        return SavedForBackward(inputs=True, output=True)
