"""Defines the argument types from which layer kinds are declared, such as `Integer` and `PerAxis`.

A `Key` takes a value as written in a spec and returns its normal form, or raises `Flaw`. A per-axis value is always a
tuple with one entry per axis: `kernel_size: 3` of a 2-D convolution becomes (3, 3). A key also provides the JSON Schema
of its values, their short form in tables, and the text for messages and manual pages.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar, overload

from convcalc.arithmetic import Pair
from convcalc.exact import real, whole
from convcalc.problems import Flaw, did_you_mean, join_words, normalise_word, printable, shorten, show, suggest_list
from convcalc.shape import MOST_AXES, Shape

_Value = TypeVar("_Value")
PerAxisPadding = tuple[Pair, ...]

MOST_DIGITS = 18
LARGEST = 10**MOST_DIGITS - 1
EXPRESSION: dict[str, Any] = {"type": "string", "pattern": r"\$"}  # JSON Schema of a string that contains an expression


class Key(Generic[_Value]):
    """One argument of a layer kind: its description, its default, and the values that it accepts.

    A key is a Python descriptor: `Conv.stride` is the `Key`, `layer.stride` is the value of the argument in that layer.
    """

    expected = ""  # what a valid value is, for error messages
    sign = ""  # shown before the value in tables, such as / for a stride; one that ends in a blank needs no legend
    sign_meaning = ""  # the sign's meaning in a legend; if empty, the legend shows the name of the argument
    named: tuple[str, ...] = ()  # words accepted as values
    foreign: Mapping[str, str] = MappingProxyType({})  # from normalised words of other tools to hints

    def __init__(self, help: str, default: Any = None, *, required: bool = False, default_text: str = "") -> None:
        self.help = help
        self.default = default
        self.required = required
        self.default_text = default_text
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, layer: None, owner: type) -> "Key[_Value]": ...
    @overload
    def __get__(self, layer: object, owner: type) -> _Value: ...
    def __get__(self, layer: object | None, owner: type) -> "Key[_Value] | _Value":
        """Return the `Key` for an access such as `Conv.stride`.

        For `layer.stride`, Python finds the value in the layer's `__dict__` and does not call this method.
        """
        if layer is None:
            return self
        raise AttributeError(self.name)

    def read(self, value: Any, axes: int | None) -> _Value:
        """Return the normal form of a value from a spec: for a stride of 2 and two spatial axes, (2, 2).

        `axes` is the number of spatial axes of the layer's input, None if it is unknown. Raises `Flaw` if the value is
        not valid.
        """
        raise NotImplementedError

    def default_for(self, axes: int | None) -> Any:
        """Return the normal form of the default, for a layer with `axes` spatial axes; None if there is no default."""
        return None if self.default is None else self.read(self.default, axes)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the argument's values in a spec, without expressions; the caller adds those."""
        return {}

    def glance(self, value: Any) -> str:
        """Return a value in its short form for tables, such as `/2` for a stride of 2."""
        return f"{self.sign}{value}"

    def explain_sign(self) -> str:
        """Return the text that explains `sign` below a table: `stride` for /.

        Return "" if the sign needs no explanation: it is empty, or a word followed by a blank, such as `like `.
        """
        if not self.sign or self.sign.endswith(" "):
            return ""
        return self.sign_meaning or self.name.replace("_", " ")

    def flaw(self, value: Any, where: tuple[int, ...] = (), expected: str = "") -> Flaw:
        """Return the error `stride must be <expected>; got <value>`, here for the argument `stride`.

        By default, `expected` is the attribute `self.expected`. If `value` is an item of a list, `where` is a tuple
        with the index of the item.
        """
        wanted = expected or self.expected
        if is_integer(value) and value > LARGEST:
            wanted = f"an integer of at most {MOST_DIGITS} digits"
        name = f"each entry of {self.name}" if where else self.name
        is_word = isinstance(value, str) and where == ()
        hint = self._suggest_word(value) if is_word else ""
        hint = hint or suggest_correction(value, wanted) or (did_you_mean(value, self.named) if is_word else "")
        return Flaw(f"{name} must be {wanted}; got {show(value)}", hint, key=self.name, where=where)

    def _suggest_word(self, word: str) -> str:
        """Return a hint for another spelling of a valid word (SAME) or for another tool's word (explicit), or ""."""
        folded = normalise_word(word)
        same = next((name for name in self.named if normalise_word(name) == folded), None)
        return f"write {same}" if same else self.foreign.get(folded, "")

    def described_default(self) -> str:
        """Return the default as the manual shows it: `required`, `none`, the value, or `default_text` if it is set."""
        if self.required:
            return "required"
        return self.default_text or ("none" if self.default is None else show(self.default).strip("'"))


def suggest_correction(value: Any, expected: str) -> str:
    """Return a hint for a value of the wrong type, such as "3", 3.0 or yes; "" if there is no hint.

    `expected` describes the right values, as in the error message: `a positive integer`.
    """
    number_expected = "integer" in expected or "number" in expected
    if isinstance(value, float) and value.is_integer() and "integer" in expected:
        return f"write {whole(value)}"
    if "true or false" in expected and value.__class__ is int and value in (0, 1):
        return "write true" if value else "write false"
    if not isinstance(value, str):
        return ""
    if "list" in expected and suggest_list(value):
        return suggest_list(value)
    if "true or false" in expected and value.lower() in {"yes", "no", "on", "off", "true", "false"}:
        if value in {"true", "false"}:
            return "remove the quotes"
        return f"write {'true' if value.lower() in {'yes', 'on', 'true'} else 'false'}"
    if number_expected and re.fullmatch(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?", value, re.ASCII):
        return "a number in quotes is text: remove the quotes"
    if number_expected and re.match(r"[-+]?\.?[0-9]|[-+]?\.(inf|nan)", value, re.ASCII | re.IGNORECASE):
        return _suggest_number(value, "list" in expected)
    if re.search(r"[-+*/<>=]|\b(and|or|not|if)\b", value) and re.search(r"[A-Za-z0-9_]", value):
        return f"write $({value})" if len(value) <= 60 else "put the expression in $( )"
    return ""


def _suggest_number(text: str, list_allowed: bool) -> str:
    """Return a hint for `3x3`, arithmetic such as `2*8`, `0x10`, or any other text that begins like a number.

    `list_allowed` is true if the hint for `3x3` may be the list [3, 3].
    """
    if list_allowed and re.fullmatch(r"[0-9]+(\s*[x×,]\s*[1-9][0-9]*)+", text, re.ASCII) and text[0] != "0":
        return f"write [{', '.join(re.findall('[0-9]+', text))}]"
    if is_arithmetic(text):
        return f"write $({text})"
    if re.fullmatch(r"0(x[0-9a-f]{1,8}|o[0-7]{1,8}|b[01]{1,32})", text, re.ASCII | re.IGNORECASE):
        return f"{show(text)} is text: write {int(text, 0)}"
    zeros = " without leading zeros" if re.match(r"[-+]?0[0-9_]", text, re.ASCII) else ""
    return f"{show(text)} is text: write a decimal number{zeros}"


def is_arithmetic(text: str) -> bool:
    """Return whether a text of at most 60 characters is arithmetic with numbers and names, such as `16 * 2`."""
    operand = r"[(\s]*([A-Za-z]\w*|(0|[1-9][0-9]*)(\.[0-9]+)?)[)\s]*"
    return len(text) <= 60 and bool(re.fullmatch(rf"{operand}((\*\*|//|[-+*/%]){operand})+", text, re.ASCII))


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer and not a boolean."""
    return value.__class__ is int


def is_number(value: Any) -> bool:
    """Return whether a value is an integer or a float and not a boolean."""
    return value.__class__ is int or value.__class__ is float


def _check_length(key: Key[Any], value: list[Any], axes: int | None) -> None:
    if not axes:  # a vector or an unknown shape; a layer that needs axes reports a vector later
        fits = 1 <= len(value) <= MOST_AXES
        wanted = f"1 to {MOST_AXES} entries"
    else:
        fits = len(value) == axes
        wanted = f"one entry per axis ({axes} here)"
    if not fits:
        raise Flaw(f"{key.name} must be a list with {wanted}; got {len(value)}", key=key.name)


def _describe_integer(minimum: int) -> str:
    known = {-LARGEST: "an integer", 0: "a non-negative integer", 1: "a positive integer"}
    return known.get(minimum, f"an integer of at least {minimum}")


class Integer(Key[int]):
    """An argument that is an integer of at least a minimum."""

    def __init__(
        self,
        help: str,
        default: int | None = None,
        *,
        minimum: int = 1,
        sign: str = "",
        sign_meaning: str = "",
        **rest: Any,
    ) -> None:
        super().__init__(help, default, **rest)
        self.minimum = minimum
        self.sign = sign
        self.sign_meaning = sign_meaning
        self.expected = _describe_integer(minimum)

    def read(self, value: Any, axes: int | None) -> int:
        """Return the integer; raises `Flaw` if it is below the minimum."""
        if value.__class__ is not int or not self.minimum <= value <= LARGEST:
            raise self.flaw(value)
        return value

    def schema(self) -> dict[str, Any]:
        """Return the schema of an integer with its minimum."""
        return {"type": "integer", "minimum": self.minimum}


class Number(Key[float]):
    """An argument that is a number, optionally limited to a range that includes its ends."""

    def __init__(
        self,
        help: str,
        default: float | None,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        default_text: str = "",
    ) -> None:
        super().__init__(help, default, default_text=default_text)
        self.minimum = minimum
        self.maximum = maximum
        self.expected = "a number" if minimum is None else f"a number from {minimum} to {maximum}"

    def read(self, value: Any, axes: int | None) -> float:
        """Return the number as a float; raises `Flaw` if it is out of bounds."""
        if not is_number(value):
            raise self.flaw(value)
        below = self.minimum is not None and value < self.minimum
        above = self.maximum is not None and value > self.maximum
        if below or above:
            raise self.flaw(value)
        return real(value)  # type: ignore[no-any-return]

    def schema(self) -> dict[str, Any]:
        """Return the schema of a number with its bounds."""
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        return {"type": "number", **{name: bound for name, bound in bounds.items() if bound is not None}}

    def glance(self, value: float) -> str:
        """Return the number with three significant digits: `0.2`."""
        return f"{value:.3g}"


class Flag(Key[bool]):
    """An argument that is true or false."""

    expected = "true or false"

    def __init__(self, help: str, default: bool, *, sign: str = "", sign_meaning: str = "") -> None:
        super().__init__(help, default)
        self.sign = sign
        self.sign_meaning = sign_meaning

    def read(self, value: Any, axes: int | None) -> bool:
        """Return the boolean; raises `Flaw` for any other value."""
        if value.__class__ is not bool:
            raise self.flaw(value)
        return bool(value)

    def schema(self) -> dict[str, Any]:
        """Return the schema of a boolean."""
        return {"type": "boolean"}

    def glance(self, value: bool) -> str:
        """Return the text that tables show for a flag that differs from its default, such as `ceil`."""
        return self.sign


class Choice(Key[str]):
    """An argument that is one of several words."""

    def __init__(self, help: str, default: str | None, *, choices: tuple[str, ...], **rest: Any) -> None:
        super().__init__(help, default, **rest)
        self.named = choices
        self.expected = join_words(choices)

    def read(self, value: Any, axes: int | None) -> str:
        """Return the word; raises `Flaw` if it is not one of the choices."""
        if value not in self.named or not isinstance(value, str):
            raise self.flaw(value)
        return value

    def schema(self) -> dict[str, Any]:
        """Return the schema that lists the words."""
        return {"enum": list(self.named)}


_OTHER_MODE_NAMES = {
    "zeros": "constant zero",
    "reflect": "mirror symmetric",  # symmetric also repeats the edge, but no result depends on that
    "replicate": "edge border nearest",
    "circular": "wrap periodic",
}


class PaddingMode(Choice):
    """An argument for the values of padding elements, in the words of PyTorch's `padding_mode`, such as `reflect`."""

    def __init__(self, help: str, *, choices: tuple[str, ...]) -> None:
        super().__init__(help, "zeros", choices=choices)
        self.foreign = {
            word: f"write {mode}"
            for mode, words in _OTHER_MODE_NAMES.items()
            for word in words.split()
            if mode in choices
        }


class Text(Key[str]):
    """An argument that is free text."""

    expected = "text"

    def read(self, value: Any, axes: int | None) -> str:
        """Return the text with unprintable characters escaped."""
        if not isinstance(value, str):
            raise self.flaw(value)
        return printable(value)

    def schema(self) -> dict[str, Any]:
        """Return the schema of a string."""
        return {"type": "string"}

    def glance(self, value: str) -> str:
        """Return the text, cut to 40 characters."""
        return shorten(value, 40)


def _per_axis_schemas(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return two JSON Schemas: one for a single value, and one for a list with one value per axis."""
    items = {"anyOf": [item, EXPRESSION]}
    return [item, {"type": "array", "items": items, "minItems": 1, "maxItems": MOST_AXES}]


class PerAxis(Key[tuple[int, ...]]):
    """An argument that is one integer for all axes, or a list with one integer per axis."""

    def __init__(self, help: str, default: int | None = None, *, minimum: int = 1, sign: str = "", **rest: Any) -> None:
        super().__init__(help, default, **rest)
        self.minimum = minimum
        self.sign = sign
        self.expected = f"{_describe_integer(minimum)} or a list with one per axis"

    def read(self, value: Any, axes: int | None) -> tuple[int, ...]:
        """Return a tuple with one integer per axis."""
        if value.__class__ is int:
            if not self.minimum <= value <= LARGEST:
                raise self.flaw(value)
            return (value,) * (axes or 1)
        if not isinstance(value, list):
            raise self.flaw(value)
        _check_length(self, value, axes)
        for index, item in enumerate(value):
            if not is_integer(item) or not self.minimum <= item <= LARGEST:
                raise self.flaw(item, (index,), _describe_integer(self.minimum))
        return tuple(value)

    def schema(self) -> dict[str, Any]:
        """Return the schema of an integer or a list of integers."""
        return {"anyOf": _per_axis_schemas({"type": "integer", "minimum": self.minimum})}

    def glance(self, value: tuple[int, ...]) -> str:
        """Return the values in short form: `3×3` for a kernel size, or `/2` for a stride of 2 on all axes."""
        return _abbreviate_per_axis(self.sign, value)


class PerAxisNumber(Key[tuple[float, ...] | None]):
    """An argument that is one positive number for all axes, or a list with one number per axis."""

    expected = "a positive number or a list with one per axis"
    sign = "×"

    def read(self, value: Any, axes: int | None) -> tuple[float, ...]:
        """Return a tuple with one number per axis; integers stay integers."""
        items = value if isinstance(value, list) else [value] * (axes or 1)
        _check_length(self, items, axes)
        for index, item in enumerate(items):
            if not is_number(item) or item <= 0:
                raise self.flaw(item, *(((index,), "a positive number") if isinstance(value, list) else ()))
        return tuple(items)

    def schema(self) -> dict[str, Any]:
        """Return the schema of a positive number or a list of positive numbers."""
        return {"anyOf": _per_axis_schemas({"type": "number", "exclusiveMinimum": 0})}

    def glance(self, value: tuple[float, ...]) -> str:
        """Return the numbers in short form: `×2`, or `×2×1.5` if the axes differ."""
        return _abbreviate_per_axis(self.sign, value)


_AMOUNTS = "give the amounts: an integer, or a list with one integer or [before, after] pair per axis"
_FOREIGN_AMOUNTS = {  # hints for the words of TensorFlow, ONNX, Theano and NumPy
    **dict.fromkeys(("sameupper", "auto"), "write same"),
    "samelower": "same adds an odd element at the end; to add it at the start, give a [before, after] pair per axis",
    **dict.fromkeys(("explicit", "notset"), _AMOUNTS),
    **dict.fromkeys(("none", "no"), "write 0"),
    "full": "full padding is dilation × (kernel_size - 1) on both sides: 2 for a kernel of 3",
    "half": "half padding is kernel_size // 2 on both sides: 1 for a kernel of 3",
    "causal": "only conv, depthwise_conv, separable_conv and locally_connected have causal padding",
}
_MODES = "padding is an amount; the values of the added elements are padding_mode: "
_FOREIGN_MODES = {
    **dict.fromkeys(("zeros", "zero", "constant"), f"{_MODES}zeros"),
    **dict.fromkeys(("reflect", "mirror"), f"{_MODES}reflect"),
    **dict.fromkeys(("replicate", "edge", "border"), f"{_MODES}replicate"),
    **dict.fromkeys(("circular", "wrap", "periodic"), f"{_MODES}circular"),
    "symmetric": f"{_MODES}reflect, which unlike symmetric does not repeat the edge; the figures are the same",
}


class Padding(Key[PerAxisPadding]):
    """An argument for the number of elements added (in a transposed convolution: removed) at both ends of each axis.

    The value in a spec is an integer for all axes, a list with an integer or [before, after] pair per axis, or a word
    in `named`. `read` returns the words `same` and `causal` unchanged: the layer computes that padding from its input
    and its other arguments.
    """

    sign = "p"

    def __init__(
        self, help: str, default: int | None = None, *, named: tuple[str, ...] = ("same", "valid"), **rest: Any
    ):
        super().__init__(help, default, **rest)
        self.named = named
        self.foreign = _FOREIGN_AMOUNTS if named else {}
        forms = ["a non-negative integer", "a list with one integer or [before, after] pair per axis", *named]
        self.expected = join_words(forms)

    def read(self, value: Any, axes: int | None) -> Any:
        """Return one (before, after) pair per axis, or the word `same` or `causal`."""
        if value.__class__ is int:
            return (self._pair(value, ()),) * (axes or 1)
        if isinstance(value, str) and value in self.named:
            if value == "causal" and axes and axes > 1:
                raise Flaw(
                    f"{self.name}: causal needs an input with one spatial axis; this one has {axes}",
                    "give each axis its own padding: [[2, 0], 1] is causal along the first axis for a kernel of 3",
                    key=self.name,
                )
            return ((0, 0),) * (axes or 1) if value == "valid" else value
        if not isinstance(value, list):
            raise self.flaw(value)
        if axes == 1 and len(value) == 2 and all(map(is_integer, value)):
            raise Flaw(
                f"{self.name} must have one entry per axis (1 here); got 2",
                f"for [before, after] of this axis, write [[{value[0]}, {value[1]}]]",
                key=self.name,
            )
        _check_length(self, value, axes)
        return tuple(self._pair(item, (index,)) for index, item in enumerate(value))

    def _pair(self, item: Any, where: tuple[int, ...]) -> Pair:
        pair = item if isinstance(item, list) else [item, item]
        if len(pair) != 2 or not all(is_integer(side) and 0 <= side <= LARGEST for side in pair):
            raise self.flaw(item, where, "" if where == () else "a non-negative integer or a [before, after] pair")
        return (pair[0], pair[1])

    def schema(self) -> dict[str, Any]:
        """Return the schema of an integer, a list of integers or pairs, or a word."""
        side = {"type": "integer", "minimum": 0}
        pair = {"type": "array", "items": {"anyOf": [side, EXPRESSION]}, "minItems": 2, "maxItems": 2}
        words = [{"enum": list(self.named)}] if self.named else []
        return {"anyOf": [side, *_per_axis_schemas({"anyOf": [side, pair]})[1:], *words]}

    def glance(self, value: PerAxisPadding) -> str:
        """Return the padding in short form: `p1`, `p1×0` if the axes differ, `p0-1` if the two sides differ."""
        return _abbreviate_per_axis(self.sign, [str(a) if a == b else f"{a}-{b}" for a, b in value])


class ConvPadding(Padding):
    """The padding argument of a convolution, which also accepts `causal`.

    `padding: reflect` is an error, because `reflect` is a value of `padding_mode`; the message says so.
    """

    def __init__(self, help: str, default: int) -> None:
        super().__init__(help, default, named=("same", "valid", "causal"))
        self.foreign = {**_FOREIGN_AMOUNTS, **_FOREIGN_MODES}


class IntegerList(Key[tuple[int, ...]]):
    """A list of integers that are at least `minimum`; `lengths` is a pair: the smallest and the largest list length."""

    def __init__(
        self,
        help: str,
        *,
        lengths: tuple[int, int],
        minimum: int,
        expected: str,
        separator: str = "×",
        sign: str = "",
        required: bool = True,
    ) -> None:
        super().__init__(help, required=required)
        self.sign = sign
        self.separator = separator
        self.lengths = lengths
        self.minimum = minimum
        self.expected = expected

    def read(self, value: Any, axes: int | None) -> tuple[int, ...]:
        """Return the integers as a tuple."""
        if not isinstance(value, list) or not self.lengths[0] <= len(value) <= self.lengths[1]:
            raise self.flaw(value)
        for index, item in enumerate(value):
            if not is_integer(item) or not self.minimum <= item <= LARGEST:
                raise self.flaw(item, (index,), _describe_integer(self.minimum))
        return tuple(value)

    def schema(self) -> dict[str, Any]:
        """Return the schema of a list of integers."""
        items = {"anyOf": [{"type": "integer", "minimum": self.minimum}, EXPRESSION]}
        fewest, most = self.lengths
        return {"type": "array", "items": items, "minItems": fewest, "maxItems": most}

    def glance(self, value: tuple[int, ...]) -> str:
        """Return short text: `64×8×8`, or `width 0:58` with the prefix `width ` and the separator `:`."""
        return self.sign + self.separator.join(map(str, value))


class AxisNames(Key[tuple[str, ...]]):
    """An argument that is the name of an axis, or a list of different names."""

    named = ("channels", "length", "depth", "height", "width")
    expected = f"one of {join_words(named)}, or a list of them"

    def read(self, value: Any, axes: int | None) -> tuple[str, ...]:
        """Return the names as a tuple; raises `Flaw` if there is none, or one is unknown or listed twice."""
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names:
            raise self.flaw(value)
        for index, name in enumerate(names):
            if name not in self.named or not isinstance(name, str):
                raise self.flaw(name, *(((index,), join_words(self.named)) if isinstance(value, list) else ()))
        if len(set(names)) < len(names):
            raise Flaw(f"{self.name} lists an axis twice: {', '.join(names)}", key=self.name)
        return tuple(names)

    def schema(self) -> dict[str, Any]:
        """Return the schema of a name or a list of names."""
        name = {"enum": list(self.named)}
        items = {"anyOf": [name, EXPRESSION]}
        return {"anyOf": [name, {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}]}

    def glance(self, value: tuple[str, ...]) -> str:
        """Return the names, separated by blanks: `height width`."""
        return " ".join(value)


class NamedShape:
    """The name of the layer that the argument `like` refers to, and the output shape of that layer (None: unknown)."""

    def __init__(self, name: str, shape: Shape | None) -> None:
        self.name = name
        self.shape = shape


class LayerName(Key[NamedShape | None]):
    """An argument that names another layer, from which the spatial size is taken."""

    expected = "the name of a layer"
    sign = "like "

    def read(self, value: Any, axes: int | None) -> NamedShape:
        """Return the value, a `NamedShape`; raise `Flaw` if it has another type.

        The spec reader looks up the name of the layer before it calls this method.
        """
        if not isinstance(value, NamedShape):
            raise self.flaw(value)
        return value

    def schema(self) -> dict[str, Any]:
        """Return the schema of a string."""
        return {"type": "string"}

    def glance(self, value: NamedShape) -> str:
        """Return `like` and the layer's name: `like skip3`."""
        return f"{self.sign}{value.name}"


def _abbreviate_per_axis(sign: str, values: Any) -> str:
    """Return values as text: `3×3` without a sign, `/2` with a sign and equal values, otherwise `/2×1`."""
    texts = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    if sign and len(set(texts)) == 1:
        return sign + texts[0]
    return sign + "×".join(texts)


def to_json_value(value: Any) -> Any:
    """Convert an argument's value for JSON: a tuple to a list, and a `NamedShape` to the name of its layer."""
    if isinstance(value, tuple):
        return [to_json_value(item) if isinstance(item, tuple) else item for item in value]
    return value.name if isinstance(value, NamedShape) else value


def list_required(keys: Mapping[str, Key[Any]]) -> list[str]:
    """Return the names of the required arguments."""
    return [name for name, key in keys.items() if key.required]
