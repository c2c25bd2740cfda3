"""Defines layers without weights that resize or rearrange: upsampling, shuffles, padding and cropping."""

from math import floor
from typing import TYPE_CHECKING

from convcalc.arguments import Choice, Integer, LayerName, Padding, PaddingMode, PerAxis, PerAxisNumber
from convcalc.arithmetic import Pair
from convcalc.exact import fixed
from convcalc.intervals import Ratio, blended_inputs, nearest_input, reduce_ratio, shifted_input, sliding_window
from convcalc.layers.base import (
    Filter,
    Layer,
    Reach,
    SavedForBackward,
    Sizes,
    check_divides,
    check_one_of,
    check_padding_mode,
    check_positive,
)
from convcalc.layers.mixins import Free, NoMacs, NoWeights, SamePlace, SavesNothing
from convcalc.problems import Flaw
from convcalc.shape import AXIS_NAMES, Shape

if TYPE_CHECKING:
    from fractions import Fraction

_MODE_AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
_MODE_TAPS = {"linear": 2, "bilinear": 4, "bicubic": 16, "trilinear": 8}


class Upsample(NoWeights, NoMacs, SavesNothing):
    """Resizes by interpolation: by a factor, to a given size, or to the size of another layer.

    Exactly one of scale_factor, size and like must be given.
    Output: floor(n × scale_factor) on every axis (n: input size), or size, or the size of the layer given by like.
    Counted: nothing for nearest; linear 2, bilinear 4, trilinear 8 and bicubic 16 multiplications per output value, and
    one addition fewer; no MACs.
    Source: torch.nn.Upsample.
    Example on [64, 28, 28]: upsample: {scale_factor: 2, mode: bilinear}
    """

    kind = "upsample"
    main = "scale_factor"
    needs_axes = True
    one_of = ("scale_factor", "size", "like")
    scale_factor = PerAxisNumber("output size divided by input size")
    size = PerAxis("output size", None, sign="→")
    like = LayerName("layer whose size is used as the output size")
    mode = Choice(
        "method: linear is for 1-D, bilinear and bicubic for 2-D, trilinear for 3-D",
        "nearest",
        choices=("nearest", "linear", "bilinear", "bicubic", "trilinear"),
    )

    def normalise(self) -> None:
        """Raise `Flaw` unless exactly one of scale_factor, size and like is given and the mode fits the input."""
        check_one_of(self)
        wanted = _MODE_AXES.get(self.mode, self.input.axes)
        if wanted != self.input.axes:
            right = [mode for mode in _MODE_AXES if _MODE_AXES[mode] == self.input.axes]
            raise Flaw(
                f"mode {self.mode} needs an input with {_count_axes(wanted)}, but this one has {self.input.axes}",
                f"{'write' if len(right) == 1 else 'use'} {' or '.join(right)}",
                key="mode",
                code="CV016",
            )

    def inferred_shape(self) -> Shape:
        """Return the output shape: the input's channels with the requested size."""
        if self.like is not None:
            return Shape(self.input.channels, _find_like_sizes(self, self.like.name, self.like.shape))
        if self.scale_factor is None:
            return Shape(self.input.channels, self.size)
        factors = list(zip(self.input.spatial, self.scale_factor, strict=True))
        sizes = tuple(floor(size * factor) for size, factor in factors)
        formulas = [f"floor({size} × {factor}) = {floor(size * factor)}" for size, factor in factors]
        return Shape(self.input.channels, check_positive(self, sizes, formulas, "scale_factor"))

    def reach(self) -> Reach:
        """Return, per axis, the interval of inputs from which each output position is interpolated."""
        scales = self._find_scales()
        if self.mode == "nearest":
            return tuple(map(nearest_input, scales))
        return tuple(blended_inputs(scale, 1 if self.mode == "bicubic" else 0) for scale in scales)

    def _find_scales(self) -> list[Ratio]:
        """Return, per axis, the distance in the input between neighbouring outputs."""
        if self.scale_factor is None:
            return list(map(reduce_ratio, self.input.spatial, self.output.spatial))
        return [_invert_factor(factor) for factor in self.scale_factor]

    def fixed_filter(self) -> tuple[Filter, ...] | None:
        """Return the weights of the interpolation; None for nearest, which copies."""
        if self.mode == "nearest":
            return None
        return tuple([_make_interpolation(scale, self.mode == "bicubic") for scale in self._find_scales()])

    def count_multiplications(self) -> int:
        """Return the multiplications: one per interpolation tap and output value; 0 for nearest."""
        return self.output.elements * _MODE_TAPS.get(self.mode, 0)

    def count_additions(self) -> int:
        """Return the additions: per output value, the number of interpolation taps minus one; 0 for nearest."""
        return self.output.elements * max(_MODE_TAPS.get(self.mode, 0) - 1, 0)


class PixelShuffle(Free, SavesNothing):
    """Rearranges channels into positions: in 2-D, every r² channels become r × r positions of one channel.

    Output: channels / r^axes (axes: the number of spatial axes), and every size × r.
    Counted: nothing.
    Source: Shi et al. 2016, "Real-time single image and video super-resolution".
    Example on [36, 56, 56]: pixel_shuffle: {upscale_factor: 2}
    """

    kind = "pixel_shuffle"
    main = "upscale_factor"
    needs_axes = True
    upscale_factor = Integer("factor r by which every axis is enlarged", required=True, sign="×")

    def inferred_shape(self) -> Shape:
        """Return the output shape: channels / r^axes, and every axis × r.

        Raises `Flaw` if r^axes does not divide the channels.
        """
        factor = self.upscale_factor
        block = factor**self.input.axes
        check_divides(
            block,
            self.input.channels,
            "upscale_factor",
            "input channels",
            f"upscale_factor {factor} needs blocks of {block} channels:",
        )
        return Shape(self.input.channels // block, tuple(size * factor for size in self.input.spatial))

    def reach(self) -> Reach:
        """Return, per axis, the one input position that each block of r output positions depends on."""
        return (nearest_input((1, self.upscale_factor)),) * self.input.axes


class PixelUnshuffle(Free, SavesNothing):
    """Rearranges positions into channels: in 2-D, every r × r positions of a channel become r² channels.

    TensorFlow's space_to_depth and ONNX's SpaceToDepth differ from it only in the order of the output channels.
    Output: channels × r^axes (axes: the number of spatial axes), and every size / r.
    Counted: nothing.
    Source: Shi et al. 2016; torch.nn.PixelUnshuffle.
    Example on [3, 56, 56]: pixel_unshuffle: {downscale_factor: 2}
    """

    kind = "pixel_unshuffle"
    main = "downscale_factor"
    needs_axes = True
    downscale_factor = Integer(
        "factor r by which every axis is reduced; must divide every size", required=True, sign="/"
    )

    def inferred_shape(self) -> Shape:
        """Return the output shape: channels × r^axes, and every axis / r.

        Raises `Flaw` if r does not divide an axis.
        """
        factor = self.downscale_factor
        for size, name in zip(self.input.spatial, AXIS_NAMES[self.input.axes], strict=True):
            check_divides(factor, size, "downscale_factor", f"elements of the {name}")
        channels = self.input.channels * factor**self.input.axes
        return Shape(channels, tuple(size // factor for size in self.input.spatial))

    def reach(self) -> Reach:
        """Return, per axis, the block of r input positions that each output position depends on."""
        return (sliding_window(self.downscale_factor, self.downscale_factor, 0, 1),) * self.input.axes


class ChannelShuffle(SamePlace, Free, SavesNothing):
    """Interleaves the channels of all groups, so that the next grouped convolution mixes them.

    Output: the input's shape.
    Counted: nothing.
    Source: Zhang et al. 2018, "ShuffleNet".
    Example on [240, 28, 28]: channel_shuffle: {groups: 3}
    """

    kind = "channel_shuffle"
    main = "groups"
    needs_axes = True
    groups = Integer("number of groups; must divide the channels", required=True, sign="g")

    def inferred_shape(self) -> Shape:
        """Return the input's shape; raises `Flaw` if groups does not divide the channels."""
        check_divides(self.groups, self.input.channels, "groups", "input channels")
        return self.input


class _Bordered(Free):
    needs_axes = True
    amount_key = ""
    direction = 1
    like = LayerName("layer whose size the output gets; if the difference is odd, the end changes by one more")

    def normalise(self) -> None:
        check_one_of(self)
        if self.like is not None:
            target = _find_like_sizes(self, self.like.name, self.like.shape)
            self.fill(**{self.amount_key: tuple(map(self._to_reach, self.input.spatial, target))})

    def reach(self) -> Reach:
        sides: tuple[Pair, ...] = getattr(self, self.amount_key)
        return tuple(shifted_input(-self.direction * before) for before, _ in sides)

    def _to_reach(self, size: int, target: int) -> Pair:
        missing = (target - size) * self.direction
        if missing < 0:
            change = "enlarge" if self.direction > 0 else "shrink"
            raise Flaw(
                f"{self.kind} can only {change} its input ({self.input}), but a size of {size} must become {target}",
                key="like",
                code="CV016",
            )
        return missing // 2, missing - missing // 2

    def inferred_shape(self) -> Shape:
        sign, word = self.direction, "+" if self.direction > 0 else "-"
        sides: tuple[Pair, ...] = getattr(self, self.amount_key)
        sizes = tuple(n + sign * (a + b) for n, (a, b) in zip(self.input.spatial, sides, strict=True))
        formulas = [
            f"{n} {word} {a} {word} {b} = {n + sign * (a + b)}"
            for n, (a, b) in zip(self.input.spatial, sides, strict=True)
        ]
        return Shape(self.input.channels, check_positive(self, sizes, formulas, self.amount_key))


class Pad(_Bordered):
    """Pads the input with zeros, or with copies of its own values.

    Exactly one of padding and like must be given. Mode reflect mirrors the input without repeating its edge, so the
    padding must be less than the input size; replicate repeats the edge; circular continues at the opposite edge, so
    the padding is at most the input size. The receptive field is that of positions away from the border.
    Output: n + before + after on every axis (n: input size), or the size of the layer given by like.
    Counted: nothing.
    Source: torch.nn.ZeroPad2d, ReflectionPad2d, ReplicationPad2d, CircularPad2d.
    Example on [3, 224, 224]: pad: {padding: [[0, 1], [0, 1]]}
    """

    kind = "pad"
    main = "padding"
    amount_key = "padding"
    one_of = ("padding", "like")
    padding = Padding("elements added before and after each axis", None, named=())
    mode = PaddingMode("values of the added elements", choices=("zeros", "reflect", "replicate", "circular"))

    def normalise(self) -> None:
        """Compute the padding from `like`; raises `Flaw` if it is too large for the mode."""
        super().normalise()
        check_padding_mode(self, self.padding, "mode", self.mode)

    def saved_for_backward(self) -> SavedForBackward:
        """The input is saved in mode reflect and replicate, otherwise nothing."""
        return SavedForBackward(inputs=self.mode in ("reflect", "replicate"))


class Crop(_Bordered, SavesNothing):
    """Crops the input: removes elements at its borders.

    Exactly one of amount and like must be given.
    Output: n - before - after on every axis (n: input size), or the size of the layer given by like.
    Counted: nothing.
    Source: Ronneberger, Fischer and Brox 2015, "U-Net".
    Example on [64, 64, 64]: crop: {amount: 4}
    """

    kind = "crop"
    main = "amount"
    amount_key = "amount"
    one_of = ("amount", "like")
    direction = -1
    amount = Padding("elements removed from the start and end of each axis", None, named=())


def _find_like_sizes(layer: Layer, name: str, shape: Shape | None) -> Sizes:
    """Return the sizes of the layer given by `like`; raises `Flaw` if that layer has another number of axes."""
    assert shape is not None  # the spec reader makes a layer only after all layers that it refers to
    if shape.axes != layer.input.axes:
        raise Flaw(
            f"like: {name} ({shape}) and the input of {layer.kind} ({layer.input}) have different numbers of axes",
            key="like",
            code="CV016",
        )
    return shape.spatial


def _make_interpolation(scale: Ratio, cubic: bool) -> Filter:
    """Return the weights of linear or cubic interpolation; see `convcalc.intervals.blended_inputs`."""
    from fractions import Fraction  # imported only when needed: it costs start-up time

    def weigh(place: int, taps: int) -> "list[Fraction]":
        centre = (place + Fraction(1, 2)) * Fraction(*scale) - Fraction(1, 2)
        after = centre - floor(centre)  # the distance from the last tap before the centre
        first = taps // 2 - 1 if taps > 1 else 0  # the index of that tap
        distances = [abs(tap - first - after) for tap in range(taps)]
        return list(map(_weigh_cubically, distances)) if cubic else [1 - distance for distance in distances]

    return weigh


def _weigh_cubically(x: "Fraction") -> "Fraction":
    """Return the weight of a value at the distance x. Source: Keys 1981, with a = -3/4 as in PyTorch."""
    if x <= 1:
        return (5 * x**3 - 9 * x**2 + 4) / 4
    return 3 * (-(x**3) + 5 * x**2 - 8 * x + 4) / 4


def _invert_factor(factor: float) -> Ratio:
    """Return 1 / factor as an exact fraction; the factor 0.1 is taken as 1/10, although no float equals it."""
    if isinstance(factor, int):
        return 1, factor
    from fractions import Fraction  # imported only when needed: it costs start-up time

    written = Fraction(str(fixed(factor)))
    return written.denominator, written.numerator


def _count_axes(axes: int) -> str:
    return f"{axes} {'axis' if axes == 1 else 'axes'}"
