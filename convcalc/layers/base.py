"""What every layer kind is made of: declared keys, and rules that give its shape and its cost.

A kind is one class. Its keys are the arguments of the YAML, its docstring is its page in the manual (with
an `Example on [input shape]: entry` line that the tests run), its rules are the methods below. The rules are
abstract, so that a kind that forgets one cannot be made; a kind for which a rule gives nothing says so by
the base that it inherits.
"""

from abc import ABC, abstractmethod
from math import prod
from typing import Any, ClassVar, Literal, NamedTuple

from convcalc.arithmetic import Pair, window_count, window_formula
from convcalc.keys import LARGEST, Flag, Key, PerAxisPadding, plain
from convcalc.problems import Flaw
from convcalc.reads import Reads, sliding
from convcalc.shape import Shape, axis_name

Tensors = tuple[int, ...]
Sizes = tuple[int, ...]
# an interval on every axis; its own position; everything; values that are no longer where they were; not known
Reach = tuple[Reads, ...] | Literal["same", "everything", "elsewhere", "unknown"]


# PyTorch's order of arguments, in which they are shown whatever base a kind has them from
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
            "ceil_mode",
            "in_channels",
            "in_features",
        )
    )
}


class StatedChannels(Key[int | None]):
    """What a spec may state of its input; it is checked, and otherwise has no effect."""

    expected = "an integer from 1"

    def read(self, value: Any, axes: int | None) -> int:
        """The integer."""
        if value.__class__ is not int or value < 1:
            raise self.flaw(value)
        return int(value)

    def schema(self) -> dict[str, Any]:
        """An integer from 1."""
        return {"type": "integer", "minimum": 1}


class Kept(NamedTuple):
    """What a layer keeps for the backward pass, beside its weights, as PyTorch 2.13 does.

    Source: the formulas of PyTorch's tools/autograd/derivatives.yaml, where a gradient names what it needs; a
    function that PyTorch composes of others keeps what these keep.
    """

    inputs: bool = False  # all that it reads
    output: bool = False
    values: int = 0  # further elements of the activations' data type, of each sample
    batch_values: int = 0  # further elements of that type, however many samples there are
    mask_bytes: int = 0  # masks and indices, of each sample, whatever the activations' data type


class Layer(ABC):
    """A layer bound to the shapes that it reads. Frozen; `output` is the shape that it gives.

    All rules speak of one sample. Raises `Flaw` where the inputs do not fit the arguments.
    """

    kind: ClassVar[str] = ""
    keys: ClassVar[dict[str, Key[Any]]] = {}
    stated: ClassVar[tuple[str, ...]] = ()
    one_of: ClassVar[tuple[str, ...]] = ()  # arguments of which just one is given
    known_defaults: ClassVar[dict[int | None, dict[str, Any]]] = {}
    reads_many: ClassVar[bool] = False
    reads_any: ClassVar[bool] = False  # whether it reads one input or more
    is_view: ClassVar[bool] = False  # whether the output is the input's own memory
    is_part: ClassVar[bool] = False  # whether PyTorch gives a part of the input's memory
    in_place: ClassVar[bool] = False  # whether the output may take the input's memory
    needs_axes: ClassVar[bool] = False

    inputs: tuple[Shape, ...]
    given: dict[str, Any]  # the arguments as read, before anything in them was worked out
    output: Shape

    def __init_subclass__(cls) -> None:
        keys = {name: key for name, key in vars(cls).items() if isinstance(key, Key)}
        for base in cls.__bases__:
            keys = {**getattr(base, "keys", {}), **keys}
        cls.keys = dict(sorted(keys.items(), key=lambda item: _ARGUMENT_ORDER.get(item[0], 0))) if keys else keys
        cls.known_defaults = {}
        cls.stated = tuple(name for name, key in keys.items() if isinstance(key, StatedChannels))

    def __init__(self, inputs: tuple[Shape, ...], arguments: dict[str, Any]) -> None:
        self.fill(inputs=inputs, given=arguments, **arguments)
        if self.needs_axes and not inputs[0].spatial:
            raise Flaw(
                f"{self.kind} needs spatial axes, but its input is a vector of {inputs[0].channels} features",
                "reshape gives a vector spatial axes",
                code="CV016",
            )
        self._check_stated()
        self.normalise()
        output = self.inferred_shape()
        for size in output.sizes:
            if size > LARGEST:
                raise Flaw(f"{self.kind} gives {output}: sizes have at most 18 digits", code="CV004")
        self.fill(output=output)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a layer is frozen: {name} cannot be set")

    def fill(self, **values: Any) -> None:
        """Set values while the layer is being made."""
        self.__dict__.update(values)

    @classmethod
    def defaults(cls, axes: int | None) -> dict[str, Any]:
        """The default of every argument in its normal form, None where there is none; not to be changed."""
        found = cls.known_defaults.get(axes)
        if found is None:
            found = cls.known_defaults[axes] = {name: key.default_for(axes) for name, key in cls.keys.items()}
        return found

    def _check_stated(self) -> None:
        for name in self.stated:
            stated = self.__dict__[name]
            if stated is not None and stated != self.input.channels:
                found = self.input.channels
                raise Flaw(f"{name} is stated as {stated}, but the input has {found}", key=name, code="CV016")

    @property
    def input(self) -> Shape:
        """The shape of the first input."""
        return self.inputs[0]

    def normalise(self) -> None:
        """Work out arguments that depend on the input, such as `same` padding."""
        return

    @abstractmethod
    def inferred_shape(self) -> Shape:
        """The shape of the output; raises `Flaw` where there is none."""

    @abstractmethod
    def weight_tensors(self) -> Tensors:
        """Elements of each learnt tensor other than the biases."""

    @abstractmethod
    def bias_tensors(self) -> Tensors:
        """Elements of each learnt tensor that is added."""

    @abstractmethod
    def buffer_tensors(self) -> Tensors:
        """Elements of each tensor that is kept with the weights but not learnt (running statistics)."""

    @abstractmethod
    def multiplications(self) -> int | None:
        """Multiplications (and divisions) of one sample; None where they are not known."""

    @abstractmethod
    def additions(self) -> int | None:
        """Additions (and subtractions) of one sample; None where they are not known."""

    @abstractmethod
    def macs(self) -> int | None:
        """The multiplications that count as multiply-accumulates: those of convolution and linear layers."""

    @abstractmethod
    def reach(self) -> Reach:
        """Which inputs an output reads: an interval on every axis, or one of the words of `Reach`."""

    @abstractmethod
    def kept(self) -> Kept | None:
        """What it keeps for the backward pass; None where that is not known."""

    def weight_input(self) -> object:
        """What of the input the shapes of the weights depend on: layers that share weights agree in it."""
        return self.input.channels

    def arguments(self) -> dict[str, Any]:
        """The arguments in their normal form, as JSON holds them."""
        values = self.__dict__
        return {
            name: plain(values[name])
            for name, key in self.keys.items()
            if values.get(name) is not None and not isinstance(key, StatedChannels)
        }

    def glance(self) -> str:
        """The arguments in short, those left at their default not shown: `3×3, 64, /2, p1`."""
        axes = self.input.axes
        return ", ".join(
            key.glance(self.__dict__[name])
            for name, key in self.glance_keys()
            if self.__dict__[name] is not None and (key.required or self.__dict__[name] != key.default_for(axes))
        )

    @classmethod
    def glance_keys(cls) -> list[tuple[str, Key[Any]]]:
        """The keys that the table shows, the kernel first; of what is on or off only what has a sign."""
        unshown = {name for name, key in cls.keys.items() if isinstance(key, Flag) and not key.sign} | set(cls.stated)
        shown = [(name, key) for name, key in cls.keys.items() if name not in unshown]
        return sorted(shown, key=lambda pair: pair[0] != "kernel_size")


class NoWeights(Layer):
    """A kind that learns nothing."""

    def weight_tensors(self) -> Tensors:
        """None."""
        return ()

    def bias_tensors(self) -> Tensors:
        """None."""
        return ()

    def buffer_tensors(self) -> Tensors:
        """None."""
        return ()


class NoMacs(Layer):
    """A kind whose multiplications are not counted as multiply-accumulates."""

    def macs(self) -> int:
        """None, by the convention of papers."""
        return 0


class _NoArithmetic(NoMacs):
    """A kind that neither multiplies nor adds (comparisons and functions are not counted)."""

    def multiplications(self) -> int:
        """None."""
        return 0

    def additions(self) -> int:
        """None."""
        return 0


class SamePlace(Layer):
    """A kind whose outputs read their own position, in all channels."""

    def reach(self) -> Reach:
        """Its own position."""
        return "same"


class KeepsShape(SamePlace):
    """A kind whose output has the shape of its input, each value from its own position."""

    def inferred_shape(self) -> Shape:
        """That of the input."""
        return self.input


class Free(NoWeights, _NoArithmetic):
    """A kind that learns nothing and whose work is not counted."""


class SavesNothing(Layer):
    """A kind whose gradient needs the gradient of its output alone."""

    def kept(self) -> Kept:
        """Nothing."""
        return Kept()


class SavesInput(Layer):
    """A kind whose gradient depends on what it read."""

    def kept(self) -> Kept:
        """The input."""
        return Kept(inputs=True)


class SavesOutput(Layer):
    """A kind whose gradient is found from what it gave."""

    def kept(self) -> Kept:
        """The output."""
        return Kept(output=True)


class AllMacs(Layer):
    """A kind all of whose multiplications count as multiply-accumulates."""

    @abstractmethod
    def multiplications(self) -> int:
        """Multiplications of one sample."""

    def macs(self) -> int:
        """All multiplications."""
        return self.multiplications()


class NoBuffers(Layer):
    """A kind that keeps nothing with its weights."""

    def buffer_tensors(self) -> Tensors:
        """None."""
        return ()


class Bias(NoBuffers):
    """A kind that may add a learnt bias, one an output channel."""

    bias = Flag("whether a learnt bias is added to every output channel", True)

    def bias_tensors(self) -> Tensors:
        """One an output channel."""
        return (self.output.channels,) if self.bias else ()


class SumOfProducts(Bias, AllMacs, SavesInput):
    """A kind in which every output value is a sum of products of inputs and weights, plus a bias.

    The gradient of the weights is made of the input, which is kept without the zeros around it.
    """

    @abstractmethod
    def products(self) -> int:
        """The products in one output value."""

    def weight_tensors(self) -> Tensors:
        """One weight a product and output channel, shared between positions."""
        return (self.output.channels * self.products(),)

    def multiplications(self) -> int:
        """Output values × products."""
        return self.output.elements * self.products()

    def additions(self) -> int:
        """Per output value one less than its products, plus one with a bias."""
        return self.output.elements * (self.products() - 1 + self.bias)


def check_divides(divisor: int, number: int, key: str, what: str, called: str = "") -> None:
    """A divisor must go into a number without remainder."""
    if number % divisor:
        raise Flaw(
            f"{called or key} {divisor} does not divide the {number} {what}: {number} / {divisor} is not whole",
            key=key,
            code="CV016",
        )


def count_windows(
    layer: Layer, kernel_size: Sizes, stride: Sizes, padding: PerAxisPadding, dilation: Sizes, ceil_mode: bool = False
) -> Sizes:
    """How many windows fit on each axis; raises `Flaw` with the formula where none does."""
    spatial = layer.input.spatial
    counts = []
    for axis, (size, k, s, p, d) in enumerate(zip(spatial, kernel_size, stride, padding, dilation, strict=True)):
        count = window_count(size, k, s, p, d, ceil_mode)
        if count < 1:
            raise _kernel_too_large(layer, axis, window_formula(size, k, s, p, d, ceil_mode), size, p, d * (k - 1) + 1)
        counts.append(count)
    return tuple(counts)


def _kernel_too_large(layer: Layer, axis: int, formula: str, size: int, padding: Pair, reach: int) -> Flaw:
    """The error that a window does not fit into its input."""
    padded = f"{size} + {padding[0]} + {padding[1]}" if any(padding) else f"{size}"
    return Flaw(
        f"{layer.kind} does not fit: its kernel reaches over {reach}, the {axis_name(axis, layer.input.axes)} "
        f"of its input ({layer.input}) is {padded}",
        f"output size: {formula}",
        key="kernel_size" if "kernel_size" in layer.keys else None,
        code="CV016",
    )


def check_positive(layer: Layer, sizes: Sizes, formulas: list[str], key: str | None = None) -> Sizes:
    """Every size of an output is at least 1; raises `Flaw` with the formula where one is not."""
    for axis, (size, formula) in enumerate(zip(sizes, formulas, strict=True)):
        if size < 1:
            name = axis_name(axis, len(sizes))
            raise Flaw(
                f"{layer.kind} gives a {name} of {size} from the input {layer.input}: a size is at least 1",
                f"output size: {formula}",
                key=key,
                code="CV016",
            )
    return sizes


def count_taps(kernel_size: Sizes) -> int:
    """The taps of a kernel."""
    return prod(kernel_size)


def window_reach(kernel_size: Sizes, stride: Sizes, padding: PerAxisPadding, dilation: Sizes) -> Reach:
    """A window on every axis."""
    before = [side for side, _ in padding]
    return tuple(map(sliding, kernel_size, stride, before, dilation))
