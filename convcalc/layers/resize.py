"""Layers that change the size of the axes without weights: upsampling, rearranging, padding, cropping."""

from math import floor

from convcalc.arithmetic import Pair
from convcalc.keys import Choice, Integer, LayerName, Padding, PerAxis, PerAxisNumber
from convcalc.layers.base import (
    Free,
    SavesNothing,
    Layer,
    NoMacs,
    NoWeights,
    Reach,
    SamePlace,
    Sizes,
    check_divides,
    check_positive,
)
from convcalc.problems import Flaw
from convcalc.reads import Ratio, interpolated, moved, nearest, reduced, sliding
from convcalc.shape import AXIS_NAMES, Shape

_MODE_AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
_MODE_TAPS = {"linear": 2, "bilinear": 4, "bicubic": 16, "trilinear": 8}


class Upsample(NoWeights, NoMacs, SavesNothing):
    """Interpolation to a larger (or smaller) size: by a factor, to a size, or to the size of another layer.

    Output: floor(n × scale_factor) on every axis, or size, or that of the layer named by like.
    Counted: nearest nothing; linear, bilinear, trilinear and bicubic 2, 4, 8 and 16 multiplications an output value
    and one addition less; no MACs.
    Source: torch.nn.Upsample.
    Example on [64, 28, 28]: upsample: {scale_factor: 2, mode: bilinear}
    """

    kind = "upsample"
    needs_axes = True
    one_of = ("scale_factor", "size", "like")
    scale_factor = PerAxisNumber("output size over input size")
    size = PerAxis("output size", None, sign="→")
    like = LayerName("a layer whose size is taken")
    mode = Choice(
        "how values between are found", "nearest", choices=("nearest", "linear", "bilinear", "bicubic", "trilinear")
    )

    def normalise(self) -> None:
        """Just one of scale_factor, size and like; a mode that fits the number of axes."""
        _check_one_of(self)
        wanted = _MODE_AXES.get(self.mode, self.input.axes)
        if wanted != self.input.axes:
            right = [mode for mode in _MODE_AXES if _MODE_AXES[mode] == self.input.axes]
            raise Flaw(
                f"mode {self.mode} is for inputs with {_count_axes(wanted)}, not {self.input.axes}",
                f"write {' or '.join(right)}",
                key="mode",
                code="CV016",
            )

    def inferred_shape(self) -> Shape:
        """The size asked for."""
        if self.like is not None:
            return Shape(self.input.channels, _find_like_sizes(self, self.like.name, self.like.shape))
        if self.scale_factor is None:
            return Shape(self.input.channels, self.size)
        factors = list(zip(self.input.spatial, self.scale_factor, strict=True))
        sizes = tuple(floor(size * factor) for size, factor in factors)
        formulas = [f"floor({size} × {factor}) = {floor(size * factor)}" for size, factor in factors]
        return Shape(self.input.channels, check_positive(self, sizes, formulas, "scale_factor"))

    def reach(self) -> Reach:
        """The inputs between which an output is interpolated."""
        if self.scale_factor is None:
            scales = list(map(reduced, self.input.spatial, self.output.spatial))
        else:
            scales = [_invert_factor(factor) for factor in self.scale_factor]
        if self.mode == "nearest":
            return tuple(map(nearest, scales))
        return tuple(interpolated(scale, 1 if self.mode == "bicubic" else 0) for scale in scales)

    def multiplications(self) -> int:
        """One a tap of the interpolation."""
        return self.output.elements * _MODE_TAPS.get(self.mode, 0)

    def additions(self) -> int:
        """One less than the taps."""
        return self.output.elements * max(_MODE_TAPS.get(self.mode, 0) - 1, 0)


class PixelShuffle(Free, SavesNothing):
    """Moves channels into space: r… channels become r × r × … positions.

    Output: channels / r…, every axis × r.
    Counted: nothing.
    Source: Shi et al. 2016, "Real-time single image and video super-resolution".
    Example on [36, 56, 56]: pixel_shuffle: {upscale_factor: 2}
    """

    kind = "pixel_shuffle"
    needs_axes = True
    upscale_factor = Integer("r, the factor of every axis", required=True, sign="×")

    def inferred_shape(self) -> Shape:
        """Fewer channels, more positions."""
        factor = self.upscale_factor
        block = factor**self.input.axes
        check_divides(
            block, self.input.channels, "upscale_factor", "input channels", f"upscale_factor {factor}, a block of"
        )
        return Shape(self.input.channels // block, tuple(size * factor for size in self.input.spatial))

    def reach(self) -> Reach:
        """A block of outputs reads one position."""
        return (nearest((1, self.upscale_factor)),) * self.input.axes


class PixelUnshuffle(Free, SavesNothing):
    """Moves space into channels: r × r × … positions become r… channels.

    Output: channels × r…, every axis / r.
    Counted: nothing.
    Source: Shi et al. 2016; torch.nn.PixelUnshuffle.
    Example on [3, 56, 56]: pixel_unshuffle: {downscale_factor: 2}
    """

    kind = "pixel_unshuffle"
    needs_axes = True
    downscale_factor = Integer("r, which divides every axis", required=True, sign="/")

    def inferred_shape(self) -> Shape:
        """More channels, fewer positions."""
        factor = self.downscale_factor
        for size, name in zip(self.input.spatial, AXIS_NAMES[self.input.axes], strict=True):
            check_divides(factor, size, "downscale_factor", f"elements of the {name}")
        channels = self.input.channels * factor**self.input.axes
        return Shape(channels, tuple(size // factor for size in self.input.spatial))

    def reach(self) -> Reach:
        """An output reads a block of positions."""
        return (sliding(self.downscale_factor, self.downscale_factor, 0, 1),) * self.input.axes


class ChannelShuffle(SamePlace, Free, SavesNothing):
    """Deals the channels of all groups out in turn, so that grouped convolutions mix.

    Output: as the input.
    Counted: nothing.
    Source: Zhang et al. 2018, "ShuffleNet".
    Example on [240, 28, 28]: channel_shuffle: {groups: 3}
    """

    kind = "channel_shuffle"
    needs_axes = True
    groups = Integer("groups, which divide the channels", required=True, sign="g")

    def inferred_shape(self) -> Shape:
        """That of the input."""
        check_divides(self.groups, self.input.channels, "groups", "input channels")
        return self.input


class _Bordered(Free, SavesNothing):
    """Adds or takes elements at the borders: so many, or as many as make the size of another layer."""

    needs_axes = True
    amount_key = ""
    direction = 1
    like = LayerName("a layer whose size is taken, centred, the odd element after")

    def normalise(self) -> None:
        """Just one of the amount and like; work out what like comes to."""
        _check_one_of(self)
        if self.like is not None:
            target = _find_like_sizes(self, self.like.name, self.like.shape)
            self.fill(**{self.amount_key: tuple(map(self._to_reach, self.input.spatial, target))})

    def reach(self) -> Reach:
        """Its own position, moved."""
        sides: tuple[Pair, ...] = getattr(self, self.amount_key)
        return tuple(moved(-self.direction * before) for before, _ in sides)

    def _to_reach(self, size: int, target: int) -> Pair:
        missing = (target - size) * self.direction
        if missing < 0:
            relation = "larger" if self.direction > 0 else "smaller"
            raise Flaw(
                f"{self.kind} cannot bring the input {self.input} to a size of {target}: it is {relation} already",
                key="like",
                code="CV016",
            )
        return missing // 2, missing - missing // 2

    def inferred_shape(self) -> Shape:
        """Every axis longer or shorter by both sides."""
        sign, word = self.direction, "+" if self.direction > 0 else "-"
        sides: tuple[Pair, ...] = getattr(self, self.amount_key)
        sizes = tuple(n + sign * (a + b) for n, (a, b) in zip(self.input.spatial, sides, strict=True))
        formulas = [
            f"{n} {word} {a} {word} {b} = {n + sign * (a + b)}"
            for n, (a, b) in zip(self.input.spatial, sides, strict=True)
        ]
        return Shape(self.input.channels, check_positive(self, sizes, formulas, self.amount_key))


class Pad(_Bordered):
    """Adds zeros around the input.

    Output: n + before + after on every axis, or the size of the layer named by like.
    Counted: nothing.
    Source: torch.nn.ZeroPad2d.
    Example on [3, 224, 224]: pad: {padding: [[0, 1], [0, 1]]}
    """

    kind = "pad"
    amount_key = "padding"
    one_of = ("padding", "like")
    padding = Padding("zeros before and after each axis", None, named=())


class Crop(_Bordered):
    """Cuts off the borders of the input.

    Output: n - before - after on every axis, or the size of the layer named by like.
    Counted: nothing.
    Source: Ronneberger, Fischer and Brox 2015, "U-Net".
    Example on [64, 64, 64]: crop: {amount: 4}
    """

    kind = "crop"
    amount_key = "amount"
    one_of = ("amount", "like")
    direction = -1
    amount = Padding("elements cut before and after each axis", None, named=())


def _check_one_of(layer: Layer) -> None:
    """Just one of the arguments that exclude each other is given."""
    given = [name for name in layer.one_of if getattr(layer, name) is not None]
    if len(given) != 1:
        found = f"{' and '.join(given)} exclude each other" if given else "none is given"
        raise Flaw(f"{layer.kind} takes one of {', '.join(layer.one_of)}: {found}", code="CV012")


def _find_like_sizes(layer: Layer, name: str, shape: Shape | None) -> Sizes:
    """The sizes of a layer named by `like`, which has as many axes."""
    assert shape is not None  # a layer is only made where all that it names is known
    if shape.axes != layer.input.axes:
        raise Flaw(
            f"{layer.kind} takes the size of {name} ({shape}), which has not as many axes as its input ({layer.input})",
            key="like",
            code="CV016",
        )
    return shape.spatial


def _invert_factor(factor: float) -> Ratio:
    """1 / factor as a fraction, the factor taken as it is written."""
    if isinstance(factor, int):
        return 1, factor
    from fractions import Fraction  # only where it is needed: it costs start-up time

    written = Fraction(str(factor))
    return written.denominator, written.numerator


def _count_axes(axes: int) -> str:
    """`1 axis`, `2 axes`."""
    return f"{axes} {'axis' if axes == 1 else 'axes'}"
