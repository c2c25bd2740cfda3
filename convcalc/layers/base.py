"""Defines the base class of all layer kinds, and helpers for their rules.

A kind is one class. Its keys are its arguments in the YAML, its docstring is its manual page (the tests run the line
`Example on [input shape]: entry`), and its methods are the rules for the output shape, parameters, operations,
receptive field and what is saved for backward. The rules are abstract, so that a kind that lacks one cannot be
instantiated; `convcalc.layers.mixins` has rules that several kinds share, such as `NoWeights`.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from convcalc.arguments import LARGEST, Flag, Key, PerAxisPadding, to_json_value
from convcalc.arithmetic import Pair, window_count, window_formula
from convcalc.exact import largest
from convcalc.intervals import Reads, sliding_window
from convcalc.problems import Flaw, join_words
from convcalc.shape import AXIS_NAMES, Shape, axis_name

if TYPE_CHECKING:
    from fractions import Fraction

Tensors = tuple[int, ...]
Sizes = tuple[int, ...]
# Which input positions an output position depends on: an interval per axis, or one of four words. "same": only the same
# position; "everything": all positions; "elsewhere": other positions, as after a reshape; "unknown": it cannot be known
Reach = tuple[Reads, ...] | Literal["same", "everything", "elsewhere", "unknown"]
# The fixed weights of an output's taps along an axis, given the output's position modulo the period of its `Reads`, and
# the number of taps
Filter = Callable[[int, int], "list[Fraction]"]


# arguments are shown in PyTorch's order, whichever base class declares them
_ARGUMENT_ORDER = {
    name: place
    for place, name in enumerate(
        (
            "out_channels",
            "kernel_size",
            "stride",
            "padding",
            "output_padding",
            "dilation",
            "groups",
            "multiplier",
            "bias",
            "padding_mode",
            "weight_standardized",
            "ceil_mode",
            "in_channels",
            "in_features",
        )
    )
}


class StatedChannels(Key[int | None]):
    """An optional argument that repeats the number of input channels or features; the layer only checks it."""

    expected = "a positive integer"

    def read(self, value: Any, axes: int | None) -> int:
        """Return the value if it is a positive integer; otherwise raise `Flaw`."""
        if value.__class__ is not int or value < 1:
            raise self.flaw(value)
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a positive integer."""
        return {"type": "integer", "minimum": 1}


class SavedForBackward(NamedTuple):
    """The tensors that PyTorch 2.13 saves for a layer's backward pass, in addition to the layer's weights.

    Source: PyTorch's tools/autograd/derivatives.yaml, where the formula of each gradient names the tensors it
    needs. If PyTorch composes an operation from other functions, all tensors that those functions save are counted.
    """

    inputs: bool = False  # all inputs
    output: bool = False  # the output
    values: int = 0  # further elements per sample, in the activations' data type
    batch_values: int = 0  # further elements in that type, independent of the batch size
    mask_bytes: int = 0  # bytes of masks and indices per sample, independent of the activations' data type


class Layer:  # not an ABC: creating a hundred classes with ABCMeta would take 2% of a short run
    """A layer with its arguments, input shapes (`inputs`) and output shape (`output`); immutable.

    All shapes and counts are per sample. The constructor raises `Flaw` if the inputs do not fit the arguments.
    """

    kind: ClassVar[str] = ""
    keys: ClassVar[dict[str, Key[Any]]] = {}  # all arguments by name
    stated: ClassVar[tuple[str, ...]] = ()  # the arguments that are `StatedChannels`
    main: ClassVar[str] = ""  # the argument, or `from`, whose value may be written alone, as in `maxpool: 2`
    one_of: ClassVar[tuple[str, ...]] = ()  # arguments of which exactly one must be given
    known_defaults: ClassVar[dict[int | None, dict[str, Any]]] = {}  # cache of `defaults`, by number of axes
    reads_many: ClassVar[bool] = False  # whether it needs two or more inputs
    reads_any: ClassVar[bool] = False  # whether it accepts one or more inputs
    reads_nothing: ClassVar[bool] = False  # whether it has no inputs
    is_view: ClassVar[bool] = False  # whether the output shares the input's memory
    is_part: ClassVar[bool] = False  # whether the output is a view of part of the input in PyTorch
    in_place: ClassVar[bool] = False  # whether the output may overwrite the input
    needs_axes: ClassVar[bool] = False  # whether a vector is not a valid input

    inputs: tuple[Shape, ...]
    given: dict[str, Any]  # the arguments in normal form, before `normalise` resolves values such as `same`
    output: Shape

    def __init_subclass__(cls) -> None:
        cls.known_defaults = {}
        keys: dict[str, Key[Any]] = {}
        for base in reversed(cls.__bases__):
            keys.update(getattr(base, "keys", {}))
        keys.update([(name, key) for name, key in vars(cls).items() if isinstance(key, Key)])
        if keys:
            cls.keys = dict(sorted(keys.items(), key=lambda item: _ARGUMENT_ORDER.get(item[0], 0)))
            cls.stated = tuple([name for name, key in keys.items() if isinstance(key, StatedChannels)])

    def __init__(self, inputs: tuple[Shape, ...], arguments: dict[str, Any]) -> None:
        if self.__class__ not in _complete_kinds:
            _check_rules(self.__class__)
        self.fill(inputs=inputs, given=arguments, **arguments)
        if self.needs_axes and not inputs[0].spatial:
            raise Flaw(
                f"{self.kind} needs spatial axes, but its input is a vector of {inputs[0].channels} features",
                "use reshape to add spatial axes",
                code="CV016",
            )
        self._check_stated()
        self.normalise()
        output = self.inferred_shape()
        for size in output.sizes:
            if size > LARGEST:
                raise Flaw(
                    f"the output of {self.kind} would be {output}; a size can have at most 18 digits", code="CV004"
                )
        self.fill(output=output)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a layer is immutable: {name} cannot be set")

    def fill(self, **values: Any) -> None:
        """Set attributes of the layer while it is being constructed."""
        self.__dict__.update(values)

    @classmethod
    def defaults(cls, axes: int | None) -> dict[str, Any]:
        """Return the default of every argument in normal form (None: no default). Do not modify this dict."""
        found = cls.known_defaults.get(axes)
        if found is None:
            found = cls.known_defaults[axes] = {name: key.default_for(axes) for name, key in cls.keys.items()}
        return found

    def _check_stated(self) -> None:
        for name in self.stated:
            stated = self.__dict__[name]
            if stated is not None and stated != self.input.channels:
                found = self.input.channels
                unit = name.removeprefix("in_")
                raise Flaw(f"{name} is {stated}, but the input has {found} {unit}", key=name, code="CV016")

    @property
    def input(self) -> Shape:
        """The shape of the first input."""
        return self.inputs[0]

    def normalise(self) -> None:
        """Replace the values of arguments that depend on the input, such as `same` padding.

        Raises `Flaw` if an argument is wrong.
        """
        return

    @abstractmethod
    def inferred_shape(self) -> Shape:
        """Return the output shape; raises `Flaw` if the arguments do not fit the input."""

    @abstractmethod
    def weight_tensors(self) -> Tensors:
        """Return the number of elements of each learnt tensor that is not a bias."""

    @abstractmethod
    def bias_tensors(self) -> Tensors:
        """Return the number of elements of each learnt bias."""

    @abstractmethod
    def buffer_tensors(self) -> Tensors:
        """Return the number of elements of each stored tensor that is not learnt, such as running statistics."""

    @abstractmethod
    def count_multiplications(self) -> int | None:
        """Return the multiplications and divisions per sample; None if unknown."""

    @abstractmethod
    def count_additions(self) -> int | None:
        """Return the additions and subtractions per sample; None if unknown."""

    @abstractmethod
    def count_macs(self) -> int | None:
        """Return the multiply-accumulates per sample; 0 except in convolutions and matrix products; None if unknown."""

    @abstractmethod
    def reach(self) -> Reach:
        """Return which input positions an output position depends on: intervals per axis, or a word (see `Reach`)."""

    def fixed_filter(self) -> tuple[Filter, ...] | None:
        """Return, per axis, the fixed weights with which an output adds the values that it reads, such as a mean.

        The result is None if the weights are learnt, or if a value is chosen or copied.
        """
        return None

    @abstractmethod
    def saved_for_backward(self) -> SavedForBackward | None:
        """Return the tensors that are saved for the backward pass; None if unknown."""

    def weight_arguments(self) -> dict[str, Any]:
        """Return the arguments in which layers must agree to share weights: all, unless a kind says otherwise."""
        return self.given

    def weight_input(self) -> object:
        """Return the part of the input shape that determines the sizes of the weights.

        It must be equal for layers that share weights.
        """
        return self.input.channels

    def arguments(self) -> dict[str, Any]:
        """Return the arguments by name, in normal form and as JSON values; arguments without a value are left out."""
        values = self.__dict__
        return {
            name: to_json_value(values[name])
            for name in self.keys
            if values.get(name) is not None and name not in self.stated
        }

    def glance(self) -> str:
        """Return the arguments that differ from their defaults in short form: `3×3, 64, /2, p1`."""
        return ", ".join(key.glance(value) for key, value in self.list_glanced())

    def list_glanced(self) -> Iterator[tuple[Key[Any], Any]]:
        """Yield the arguments that differ from their defaults, and their values."""
        axes = self.input.axes
        for name, key in self.glance_keys():
            value = self.__dict__[name]
            if value is not None and (key.required or value != key.default_for(axes)):
                yield key, value

    @classmethod
    def glance_keys(cls) -> list[tuple[str, Key[Any]]]:
        """Return the arguments that tables show, the kernel size first, without flags that have no sign."""
        unshown = {name for name, key in cls.keys.items() if isinstance(key, Flag) and not key.sign} | set(cls.stated)
        shown = [(name, key) for name, key in cls.keys.items() if name not in unshown]
        return sorted(shown, key=lambda pair: pair[0] != "kernel_size")


_RULES = [name for name, rule in vars(Layer).items() if getattr(rule, "__isabstractmethod__", False)]
_complete_kinds: set[type[Layer]] = set()  # those that were found to have all rules


def _check_rules(kind: type[Layer]) -> None:
    """Raise TypeError if a kind lacks a rule."""
    absent = [name for name in _RULES if getattr(getattr(kind, name), "__isabstractmethod__", False)]
    if absent:
        raise TypeError(f"{kind.__name__} does not define {', '.join(absent)}")
    _complete_kinds.add(kind)


def check_divides(divisor: int, number: int, key: str, what: str, label: str = "") -> None:
    """Raise `Flaw` unless `divisor` divides `number`.

    `key` is the argument to which the error belongs, and `what` says what `number` counts ("input channels"). `label`
    names the divisor in the message if it is not the value of that argument.
    """
    if number % divisor:
        raise Flaw(
            f"{label or key} {divisor} does not divide the {number} {what}: {number} / {divisor} is not an integer",
            key=key,
            code="CV016",
        )


def check_one_of(layer: Layer) -> None:
    """Raise `Flaw` unless exactly one of the arguments in `one_of` is given."""
    given = [name for name in layer.one_of if getattr(layer, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise Flaw(f"{layer.kind} needs exactly one of {', '.join(layer.one_of)}; got {found}", code="CV012")


def name_sizes(shape: Shape) -> list[tuple[str, int]]:
    """Return the sizes of a shape with the names of their axes, such as ("channels", 3) and ("length", 100)."""
    return list(zip(("channels", *AXIS_NAMES[shape.axes]), shape.sizes, strict=True))


def find_size(layer: Layer, axis: str, key: str) -> int:
    """Return the input's size along a named axis; if it has no such axis, raises `Flaw` for the argument `key`."""
    sizes = dict(name_sizes(layer.input))
    if axis not in sizes:
        raise Flaw(
            f"the input of {layer.kind} ({layer.input}) has no {axis}",
            f"use {join_words(list(sizes))}",
            key=key,
            code="CV016",
        )
    return sizes[axis]


def count_windows(
    layer: Layer, kernel_size: Sizes, stride: Sizes, padding: PerAxisPadding, dilation: Sizes, ceil_mode: bool = False
) -> Sizes:
    """Return the number of windows that fit on each axis; if none fits, raises `Flaw` with the formula."""
    spatial = layer.input.spatial
    counts = []
    for axis, (size, k, s, p, d) in enumerate(zip(spatial, kernel_size, stride, padding, dilation, strict=True)):
        count = window_count(size, k, s, p, d, ceil_mode)
        if count < 1:
            raise _kernel_too_large(layer, axis, window_formula(size, k, s, p, d, ceil_mode), size, p, k, d)
        counts.append(count)
    return tuple(counts)


def _kernel_too_large(
    layer: Layer, axis: int, formula: str, size: int, padding: Pair, kernel: int, dilation: int
) -> Flaw:
    dilated = dilation * (kernel - 1) + 1
    called = f"kernel of {kernel}" if dilation == 1 else f"kernel of {kernel} (effectively {dilated})"
    padded = f"padded {axis_name(axis, layer.input.axes)} of {size} + {padding[0]} + {padding[1]}"
    room = padded if any(padding) else f"{axis_name(axis, layer.input.axes)} of {size}"
    return Flaw(
        f"{called} does not fit the input's {room} (input {layer.input})",
        f"output size: {formula}",
        key="kernel_size" if "kernel_size" in layer.keys else None,
        code="CV016",
    )


def check_positive(layer: Layer, sizes: Sizes, formulas: list[str], key: str | None = None) -> Sizes:
    """Return the output sizes `sizes`; if one is not positive, raises `Flaw` with its formula."""
    for axis, (size, formula) in enumerate(zip(sizes, formulas, strict=True)):
        if size < 1:
            name = axis_name(axis, len(sizes))
            raise Flaw(
                f"the output {name} of {layer.kind} would be {size}; it must be at least 1 (input {layer.input})",
                f"output size: {formula}",
                key=key,
                code="CV016",
            )
    return sizes


def check_padding_mode(layer: Layer, padding: PerAxisPadding, key: str, mode: str) -> None:
    """Raise `Flaw` if the padding is too large for a padding mode; `key` is the argument that holds the mode."""
    # reflect copies all but the edge element, so at most size - 1; in PyTorch, circular wraps around at most once
    if mode not in ("reflect", "circular"):
        return
    for axis, (size, pair) in enumerate(zip(layer.input.spatial, padding, strict=True)):
        limit = size - 1 if mode == "reflect" else size
        if largest(*pair) > limit:
            raise Flaw(
                f"padding {largest(*pair)} is too large for {key} {mode}: at most {limit} for an "
                f"input {axis_name(axis, layer.input.axes)} of {size}",
                key="padding",
                code="CV016",
            )


def count_taps(kernel_size: Sizes) -> int:
    """Return the number of taps of a kernel, which is the product of its sizes: 9 for a 3×3 kernel."""
    return prod(kernel_size)


def window_reach(kernel_size: Sizes, stride: Sizes, padding: PerAxisPadding, dilation: Sizes) -> Reach:
    """Return, per axis, the interval of input positions that the window of each output position covers."""
    before = [side for side, _ in padding]
    return tuple(map(sliding_window, kernel_size, stride, before, dilation))


def mean_filter(axes: int) -> tuple[Filter, ...]:
    """Return the filter of a mean over all taps, which has the same weight for each of them."""
    return (_weigh_equally,) * axes


def _weigh_equally(place: int, taps: int) -> "list[Fraction]":
    from fractions import Fraction  # imported when needed, because it slows down the start

    return [Fraction(1, taps)] * taps
