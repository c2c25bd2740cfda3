"""Reads the settings and entries of an Ultralytics model YAML, and reports mistakes at their places in it.

The entry `[-1, 3, C2f, [128, True]]` consists of the layer it reads, a number of repeats, a module and its arguments.
"""

import re
from collections.abc import Iterator, Mapping
from math import ceil, inf
from typing import Any, NamedTuple

from convcalc.convert.graph import NotImported
from convcalc.convert.ultralytics.scope import Activation
from convcalc.convert.ultralytics.signatures import read_value
from convcalc.problems import Path, show
from convcalc.spec.document import Document
from convcalc.spec.problem_list import Problems

_SECTIONS = ("backbone", "head")
_MOST_REPEATS = 10**6
_MOST_TEXT = 200  # characters of a text that is matched with a pattern
_FORM = "write [from, number, module, arguments]"
_ACTIVATIONS = {
    "ReLU": "relu",
    "ReLU6": "relu6",
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "SELU": "selu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Mish": "mish",
    "Hardswish": "hardswish",
    "Hardsigmoid": "hardsigmoid",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Identity": "identity",
}
_ACTIVATION = r"(?:torch\.)?nn\.(\w+)\(\s*(?:(?:negative_slope\s*=\s*)?([0-9.]+)|inplace\s*=\s*(?:True|False))?\s*\)"
_SILU = Activation("silu", {})


class Scaling(NamedTuple):
    """How a scale changes a network: factors for repeats and channels, and a limit for the channels before scaling.

    `letter` is the name of the scale, such as "n"; it is "" in a file without scales.
    """

    letter: str = ""
    depth: float = 1
    width: float = 1
    most: float = inf

    def scale_channels(self, channels: int) -> int:
        """Return `channels` or, if smaller, `most`, times the width, rounded up to a multiple of 8."""
        return ceil(min(channels, self.most) * self.width / 8) * 8

    def scale_repeats(self, number: float) -> int:
        """Return a number of repeats times the depth, rounded and at least 1; numbers below 2 do not change."""
        return max(round(number * self.depth), 1) if number > 1 else int(number)


class Entry(NamedTuple):
    """One line of the file. `sources` are the numbers of the entries that it reads; -1 is the input of the network.

    `many` is whether the sources are written as a list. `path` leads to the entry in the file.
    """

    path: Path
    sources: tuple[int, ...]
    many: bool
    number: int
    module: str
    arguments: tuple[Any, ...]


class ModelFile:
    """The settings and entries of a model; an entry with a mistake is None. Mistakes are added to `problems`."""

    def __init__(self, document: Document, problems: Problems, scale: str | None, usual: str) -> None:
        """Read a document with the scale `scale`; if it is None, with the scale `usual` or else the first in the file.

        Raises NotImported if there is no scale `scale`, and TooMuch if there are too many problems.
        """
        self.problems = problems
        self.root: Mapping[str, Any] = document.root if isinstance(document.root, Mapping) else {}
        self.classes = self._read_setting("nc", int, 80)
        self.channels = self._read_setting("ch", int, 3)
        self.bins = self._read_setting("reg_max", int, 16)
        self.end2end = self._read_setting("end2end", bool, False)
        self.activation = self._read_activation()
        self.scaling = self._read_scaling(scale, usual)
        self.entries = [self._read_entry(path, value, place) for place, (path, value) in enumerate(self._list_lines())]

    def _read_setting(self, key: str, kind: type, default: Any) -> Any:
        """Return a top-level value, or its default if it is missing, empty or wrong."""
        value = self.root.get(key)
        if value is None or value == "None":
            return default
        try:
            found = read_value(kind, value)
            if kind is int and found < 1:
                raise ValueError("a positive integer")
        except ValueError as error:
            self.problems.add((key,), f"{key} must be {error}; got {show(value)}", "CV013")
            return default
        return found

    def _read_activation(self) -> Activation:
        """Return the activation of all convolutions; the file has it as a call, such as `nn.LeakyReLU(0.1)`."""
        value = self.root.get("activation")
        if value is None:
            return _SILU
        found = re.fullmatch(_ACTIVATION, value[:_MOST_TEXT]) if isinstance(value, str) else None
        kind = _ACTIVATIONS.get(found[1]) if found else None
        if found is None or kind is None or (found[2] and kind != "leaky_relu"):
            hint = f"supported are {', '.join(_ACTIVATIONS)}; write nn.ReLU() or nn.LeakyReLU(0.1)"
            self.problems.add(("activation",), f"unsupported activation {show(value)}", "CV013", hint)
            return _SILU
        slope = {"negative_slope": float(found[2])} if found[2] and found[2].count(".") < 2 else {}
        return Activation(kind, slope)

    def _read_scaling(self, letter: str | None, usual: str) -> Scaling:
        """Return the scale `letter`; if it is None, the scale `usual` or else the first in the file.

        Raises NotImported if there is no scale `letter`.
        """
        scales = self.root.get("scales")
        if not scales:
            depth = self._read_factor(("depth_multiple",), self.root.get("depth_multiple", 1))
            width = self._read_factor(("width_multiple",), self.root.get("width_multiple", 1))
            if letter is not None:
                raise NotImported(f"there is no scale {letter}: the file has no scales")
            return Scaling("", depth, width)
        if not isinstance(scales, Mapping):
            self.problems.add(("scales",), f"scales must be a mapping; got {show(scales)}", "CV013")
            return Scaling()
        if letter is not None and letter not in scales:
            raise NotImported(f"there is no scale {letter}: the file has {', '.join(scales)}")
        chosen = letter or (usual if usual in scales else next(iter(scales)))
        value = scales[chosen]
        if not isinstance(value, list) or len(value) != 3:
            form = "write [depth, width, max_channels]"
            self.problems.add(
                ("scales", chosen), f"a scale must be a list of 3 numbers; got {show(value)}", "CV013", form
            )
            return Scaling(chosen)
        return Scaling(chosen, *(self._read_factor(("scales", chosen, i), item) for i, item in enumerate(value)))

    def _read_factor(self, path: Path, value: Any) -> float:
        """Return `value` if it is a positive number; otherwise report it and return 1."""
        try:
            found: float = read_value(float, value)
        except ValueError:
            found = 0
        if found <= 0:
            self.problems.add(path, f"a positive number is needed; got {show(value)}", "CV013")
            return 1
        return found

    # -- entries

    def _list_lines(self) -> Iterator[tuple[Path, Any]]:
        """Yield the path and value of every entry of the backbone and the head."""
        for section in _SECTIONS:
            lines = self.root.get(section)
            if section not in self.root:
                self.problems.add((), f"{section} is missing", "CV012")
            elif not isinstance(lines, list):
                self.problems.add((section,), f"{section} must be a list of entries; got {show(lines)}", "CV013")
            else:
                yield from (((section, index), line) for index, line in enumerate(lines))

    def _read_entry(self, path: Path, value: Any, place: int) -> Entry | None:
        """Return entry number `place` of the network; if it has a mistake, report it and return None."""
        if not isinstance(value, list) or len(value) != 4:
            size = f"{len(value)} items" if isinstance(value, list) else show(value)
            self.problems.add(path, f"an entry must be a list of 4 items; got {size}", "CV013", _FORM)
            return None
        written, number, module, arguments = value
        sources = self._read_sources((*path, 0), written, place)
        wrong = ""
        if isinstance(number, bool) or not isinstance(number, int | float) or abs(number) > _MOST_REPEATS:
            wrong, item = f"number must be a number of repeats; got {show(number)}", 1
        elif not isinstance(module, str):
            wrong, item = f"module must be a name; got {show(module)}", 2
        elif not isinstance(arguments, list):
            wrong, item = f"arguments must be a list; got {show(arguments)}", 3
        if wrong:
            self.problems.add((*path, item), wrong, "CV013", _FORM)
        if wrong or None in sources:
            return None
        values = tuple(self._resolve(argument) for argument in arguments)
        known = tuple(source for source in sources if source is not None)
        return Entry(path, known, isinstance(written, list), self.scaling.scale_repeats(number), module, values)

    def _read_sources(self, path: Path, written: Any, place: int) -> list[int | None]:
        """Return the numbers of the entries that entry `place` reads, with None for each mistake.

        `written` is the `from` of the entry: a number or a list of numbers.
        """
        if not isinstance(written, list):
            return [self._read_source(path, written, place)]
        if not written:
            self.problems.add(path, "from must name at least one layer", "CV013", _FORM)
            return [None]
        return [self._read_source((*path, index), origin, place) for index, origin in enumerate(written)]

    def _read_source(self, path: Path, origin: Any, place: int) -> int | None:
        """Return the number of the entry that `origin` refers to: for -1, the entry before number `place`.

        If there is no such entry, report it and return None.
        """
        if isinstance(origin, bool) or not isinstance(origin, int):
            self.problems.add(path, f"from must be the number of a layer; got {show(origin)}", "CV013", _FORM)
            return None
        source = place + origin if origin < 0 else origin
        if source == -1 and origin == -1:
            return source
        if not 0 <= source < place:
            last = f"the last one is {place - 1}" if place else "it is the first, so only -1 (the input) is possible"
            message = f"layer {place} cannot read {origin}: there is no such layer before it"
            self.problems.add(path, message, "CV013", last)
            return None
        return source

    def _resolve(self, argument: Any) -> Any:
        """Return the value that an argument stands for: `nc` for the number of classes, the text "[1, 2]" for a list.

        The name of a top-level key stands for the value of that key.
        """
        if isinstance(argument, list):
            return [self._resolve(item) for item in argument]
        if not isinstance(argument, str) or len(argument) > _MOST_TEXT:
            return argument
        if argument == "None":
            return None
        if argument == "nc":
            return self.classes
        if argument in self.root and argument not in (*_SECTIONS, "scales"):
            return self.root[argument]
        if re.fullmatch(r"[-+]?\d{1,9}", argument, re.ASCII):
            return int(argument)
        if re.fullmatch(r"[(\[]\s*-?\d{1,9}(?:\s*,\s*-?\d{1,9})*\s*,?\s*[)\]]", argument, re.ASCII):
            return [int(number) for number in re.findall(r"-?\d+", argument)]
        return argument
