"""The vocabulary with which a layer kind declares its arguments.

A key reads a value at the door: what comes out is normal (a per-axis value is always a tuple with one entry
an axis), what does not fit raises `Flaw`. Each key also describes itself, for messages and for the manual.
"""

import re
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, overload

from convcalc.arithmetic import Pair
from convcalc.problems import Flaw, did_you_mean, printable, shortened, shown, words
from convcalc.shape import MOST_AXES, Shape

_Value = TypeVar("_Value")
PerAxisPadding = tuple[Pair, ...]

MOST_DIGITS = 18
LARGEST = 10**MOST_DIGITS - 1
EXPRESSION: dict[str, Any] = {"type": "string", "pattern": r"\$"}  # the JSON Schema of a text with an expression in it


class Key(Generic[_Value]):
    """One argument of a layer kind. As a descriptor it stands for its value on each layer."""

    expected = ""
    sign = ""
    named: tuple[str, ...] = ()  # words that are values

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
        """The key itself on a class. On a layer the value stands in the layer's own dictionary and is found first."""
        if layer is None:
            return self
        raise AttributeError(self.name)

    def read(self, value: Any, axes: int | None) -> _Value:
        """The normal form of a written value for a layer of so many spatial axes (None: not known)."""
        raise NotImplementedError

    def default_for(self, axes: int | None) -> Any:
        """The normal form of the default, None where there is none."""
        return None if self.default is None else self.read(self.default, axes)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a written value that is no expression."""
        return {}

    def glance(self, value: Any) -> str:
        """How the table shows a value that is not the default."""
        return f"{self.sign}{value}"

    def flaw(self, value: Any, where: tuple[int, ...] = (), expected: str = "") -> Flaw:
        """The error that a value is not what was expected."""
        due = expected or self.expected
        hint = mistaken_value(value, due) or (did_you_mean(value, self.named) if isinstance(value, str) else "")
        return Flaw(f"{self.name} takes {due}, not {shown(value)}", hint, key=self.name, where=where)

    def described_default(self) -> str:
        """The default as the manual shows it."""
        if self.required:
            return "required"
        return self.default_text or ("none" if self.default is None else shown(self.default).strip("'"))


def mistaken_value(value: Any, expected: str) -> str:
    """A hint for a value that looks right to a reader of another dialect of YAML."""
    number_due = "integer" in expected or "number" in expected
    if isinstance(value, float) and value.is_integer() and "integer" in expected:
        return f"write {int(value)}"
    if "true or false" in expected and value.__class__ is int and value in (0, 1):
        return "write true" if value else "write false"
    if not isinstance(value, str):
        return ""
    if "true or false" in expected and value.lower() in {"yes", "no", "on", "off", "true", "false"}:
        return f"write {'true' if value.lower() in {'yes', 'on', 'true'} else 'false'}, without quotes"
    if number_due and re.fullmatch(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?", value, re.ASCII):
        return "a number in quotes is text: take the quotes away"
    if number_due and re.match(r"[-+]?\.?[0-9]|[-+]?\.(inf|nan)", value, re.ASCII | re.IGNORECASE):
        return f"{shown(value)} is text: numbers are decimal, without leading zeros"
    if re.search(r"[-+*/<>=]|\b(and|or|not|if)\b", value) and re.search(r"[A-Za-z0-9_]", value):
        return f"an expression is written $({value[:60]})"
    return ""


def is_integer(value: Any) -> bool:
    """Whether a value is a whole number; booleans are not."""
    return value.__class__ is int


def is_number(value: Any) -> bool:
    """Whether a value is a number; booleans are not."""
    return value.__class__ is int or value.__class__ is float


def _check_length(key: Key[Any], value: list[Any], axes: int | None) -> None:
    """A list gives one value an axis."""
    if axes is None:
        fits = 1 <= len(value) <= MOST_AXES
        due = f"1 to {MOST_AXES} entries"
    else:
        fits = len(value) == axes
        due = f"one entry an axis, {axes} here"
    if not fits:
        raise Flaw(f"{key.name} takes a list with {due}, not {len(value)}", key=key.name)


class Integer(Key[int]):
    """A whole number."""

    def __init__(self, help: str, default: int | None = None, *, minimum: int = 1, sign: str = "", **rest: Any) -> None:
        super().__init__(help, default, **rest)
        self.minimum = minimum
        self.sign = sign
        self.expected = f"an integer from {minimum}"

    def read(self, value: Any, axes: int | None) -> int:
        """The integer, checked against the minimum."""
        if value.__class__ is not int or not self.minimum <= value <= LARGEST:
            raise self.flaw(value)
        return int(value)

    def schema(self) -> dict[str, Any]:
        """An integer from the minimum."""
        return {"type": "integer", "minimum": self.minimum}


class Number(Key[float]):
    """A number between two bounds."""

    def __init__(
        self, help: str, default: float, *, minimum: float | None = None, maximum: float | None = None
    ) -> None:
        super().__init__(help, default)
        self.minimum = minimum
        self.maximum = maximum
        self.expected = "a number" if minimum is None else f"a number from {minimum} to {maximum}"

    def read(self, value: Any, axes: int | None) -> float:
        """The number, checked against the bounds."""
        if not is_number(value):
            raise self.flaw(value)
        below = self.minimum is not None and value < self.minimum
        above = self.maximum is not None and value > self.maximum
        if below or above:
            raise self.flaw(value)
        return float(value)

    def schema(self) -> dict[str, Any]:
        """A number between the bounds."""
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        return {"type": "number", **{name: bound for name, bound in bounds.items() if bound is not None}}

    def glance(self, value: float) -> str:
        """`0.2`, three digits."""
        return f"{value:.3g}"


class Flag(Key[bool]):
    """True or false."""

    expected = "true or false"

    def __init__(self, help: str, default: bool, *, sign: str = "") -> None:
        super().__init__(help, default)
        self.sign = sign

    def read(self, value: Any, axes: int | None) -> bool:
        """The boolean."""
        if value.__class__ is not bool:
            raise self.flaw(value)
        return bool(value)

    def schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean"}

    def glance(self, value: bool) -> str:
        """Its sign, where it has one."""
        return self.sign


class Choice(Key[str]):
    """One of a few words."""

    def __init__(self, help: str, default: str, *, choices: tuple[str, ...]) -> None:
        super().__init__(help, default)
        self.named = choices
        self.expected = words(choices)

    def read(self, value: Any, axes: int | None) -> str:
        """The word, if it is one of the choices."""
        if value not in self.named or not isinstance(value, str):
            raise self.flaw(value)
        return value

    def schema(self) -> dict[str, Any]:
        """One of the words."""
        return {"enum": list(self.named)}


class Text(Key[str]):
    """A text in the user's own words, made printable as it is read."""

    expected = "a text"

    def read(self, value: Any, axes: int | None) -> str:
        """The text, with what is not printable spelt out."""
        if not isinstance(value, str):
            raise self.flaw(value)
        return printable(value)

    def schema(self) -> dict[str, Any]:
        """A text."""
        return {"type": "string"}

    def glance(self, value: str) -> str:
        """The text, cut where it is long."""
        return shortened(value, 40)


def _per_axis_schemas(item: dict[str, Any]) -> list[dict[str, Any]]:
    """The JSON Schemas of one value for all axes, or a list with one an axis."""
    items = {"anyOf": [item, EXPRESSION]}
    return [item, {"type": "array", "items": items, "minItems": 1, "maxItems": MOST_AXES}]


class PerAxis(Key[tuple[int, ...]]):
    """An integer for every axis, or a list with one an axis."""

    def __init__(self, help: str, default: int | None = None, *, minimum: int = 1, sign: str = "", **rest: Any) -> None:
        super().__init__(help, default, **rest)
        self.minimum = minimum
        self.sign = sign
        self.expected = f"an integer from {minimum}, or a list with one an axis"

    def read(self, value: Any, axes: int | None) -> tuple[int, ...]:
        """One integer an axis."""
        if value.__class__ is int:
            if not self.minimum <= value <= LARGEST:
                raise self.flaw(value)
            return (value,) * (axes or 1)
        if not isinstance(value, list):
            raise self.flaw(value)
        _check_length(self, value, axes)
        for index, item in enumerate(value):
            if not is_integer(item) or not self.minimum <= item <= LARGEST:
                raise self.flaw(item, (index,), f"integers from {self.minimum}")
        return tuple(value)

    def schema(self) -> dict[str, Any]:
        """An integer, or a list of some."""
        return {"anyOf": _per_axis_schemas({"type": "integer", "minimum": self.minimum})}

    def glance(self, value: tuple[int, ...]) -> str:
        """`3×3`; a sign before it stands for all axes where they agree."""
        return _abbreviate_per_axis(self.sign, value)


class PerAxisNumber(Key[tuple[float, ...] | None]):
    """A positive number for every axis, or a list with one an axis."""

    expected = "a number over 0, or a list with one an axis"
    sign = "×"

    def read(self, value: Any, axes: int | None) -> tuple[float, ...]:
        """One number an axis, integers kept as they are."""
        items = value if isinstance(value, list) else [value] * (axes or 1)
        _check_length(self, items, axes)
        for index, item in enumerate(items):
            if not is_number(item) or item <= 0:
                raise self.flaw(item, (index,) if isinstance(value, list) else ())
        return tuple(items)

    def schema(self) -> dict[str, Any]:
        """A number over 0, or a list of some."""
        return {"anyOf": _per_axis_schemas({"type": "number", "exclusiveMinimum": 0})}

    def glance(self, value: tuple[float, ...]) -> str:
        """`×2`."""
        return _abbreviate_per_axis(self.sign, value)


class Padding(Key[PerAxisPadding]):
    """Elements before and after each axis: an integer, a list of integers or pairs, or a word.

    `same` stays a word here: what it comes to depends on the size of the input, and the layer works it out.
    """

    sign = "p"

    def __init__(
        self, help: str, default: int | None = None, *, named: tuple[str, ...] = ("same", "valid"), **rest: Any
    ):
        super().__init__(help, default, **rest)
        self.named = named
        self.expected = "an integer from 0, or a list with an integer or a [before, after] pair an axis" + "".join(
            f", or {word}" for word in named
        )

    def read(self, value: Any, axes: int | None) -> Any:
        """One pair an axis, or the word `same`."""
        if value.__class__ is int:
            return (self._pair(value, ()),) * (axes or 1)
        if isinstance(value, str) and value in self.named:
            return value if value == "same" else ((0, 0),) * (axes or 1)
        if not isinstance(value, list):
            raise self.flaw(value)
        if axes == 1 and len(value) == 2 and all(map(is_integer, value)):
            raise Flaw(
                f"{self.name} takes one entry an axis, 1 here, not 2",
                f"a pair for the one axis is written [[{value[0]}, {value[1]}]]",
                key=self.name,
            )
        _check_length(self, value, axes)
        return tuple(self._pair(item, (index,)) for index, item in enumerate(value))

    def _pair(self, item: Any, where: tuple[int, ...]) -> Pair:
        pair = item if isinstance(item, list) else [item, item]
        if len(pair) != 2 or not all(is_integer(side) and 0 <= side <= LARGEST for side in pair):
            raise self.flaw(item, where, "" if where == () else "an integer from 0 or a [before, after] pair")
        return (pair[0], pair[1])

    def schema(self) -> dict[str, Any]:
        """An integer, a list of integers or pairs, or a word."""
        side = {"type": "integer", "minimum": 0}
        pair = {"type": "array", "items": {"anyOf": [side, EXPRESSION]}, "minItems": 2, "maxItems": 2}
        words = [{"enum": list(self.named)}] if self.named else []
        return {"anyOf": [side, *_per_axis_schemas({"anyOf": [side, pair]})[1:], *words]}

    def glance(self, value: PerAxisPadding) -> str:
        """`p1`, `p1×0`, `p0-1` where the sides differ."""
        return _abbreviate_per_axis(self.sign, [str(a) if a == b else f"{a}-{b}" for a, b in value])


class IntegerList(Key[tuple[int, ...]]):
    """A list of whole numbers."""

    def __init__(self, help: str, *, lengths: tuple[int, int], minimum: int, expected: str, sign: str = "×") -> None:
        super().__init__(help, required=True)
        self.sign = sign
        self.lengths = lengths
        self.minimum = minimum
        self.expected = expected

    def read(self, value: Any, axes: int | None) -> tuple[int, ...]:
        """The integers as a tuple."""
        if not isinstance(value, list) or not self.lengths[0] <= len(value) <= self.lengths[1]:
            raise self.flaw(value)
        for index, item in enumerate(value):
            if not is_integer(item) or not self.minimum <= item <= LARGEST:
                raise self.flaw(item, (index,), f"integers from {self.minimum}")
        return tuple(value)

    def schema(self) -> dict[str, Any]:
        """A list of integers."""
        items = {"anyOf": [{"type": "integer", "minimum": self.minimum}, EXPRESSION]}
        fewest, most = self.lengths
        return {"type": "array", "items": items, "minItems": fewest, "maxItems": most}

    def glance(self, value: tuple[int, ...]) -> str:
        """`64×8×8`, `0:58`."""
        return self.sign.join(map(str, value))


class NamedShape:
    """A layer that an argument names, with the shape of its output (None: not known)."""

    def __init__(self, name: str, shape: Shape | None) -> None:
        self.name = name
        self.shape = shape


class LayerName(Key[NamedShape | None]):
    """The name of another layer, whose size is taken."""

    expected = "the name of a layer"
    sign = "like "

    def read(self, value: Any, axes: int | None) -> NamedShape:
        """The layer; who reads a spec looks the name up before it comes here."""
        if not isinstance(value, NamedShape):
            raise self.flaw(value)
        return value

    def schema(self) -> dict[str, Any]:
        """A text."""
        return {"type": "string"}

    def glance(self, value: NamedShape) -> str:
        """`like skip3`."""
        return f"{self.sign}{value.name}"


def _abbreviate_per_axis(sign: str, values: Any) -> str:
    """The values joined by `×`, or with a sign just one where all are equal."""
    texts = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    if sign and len(set(texts)) == 1:
        return sign + texts[0]
    return sign + "×".join(texts)


def plain(value: Any) -> Any:
    """A normal value as JSON holds it: tuples as lists, a named layer as its name."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value.name if isinstance(value, NamedShape) else value


def required_names(keys: Mapping[str, Key[Any]]) -> list[str]:
    """The names of the arguments that must be given."""
    return [name for name, key in keys.items() if key.required]
