"""Reads the settings and entries of an Ultralytics model YAML, and reports mistakes at their places in it.

The entry `[-1, 3, C2f, [128, True]]` consists of the layer it reads, a number of repeats, a module and its arguments.
"""

import os
import re
from collections.abc import Iterator, Mapping
from math import ceil, inf
from typing import Any, NamedTuple

from convcalc.convert.ultralytics.scope import Activation
from convcalc.convert.ultralytics.signatures import read_value
from convcalc.problems import Path, show
from convcalc.spec.document import Document
from convcalc.spec.problem_list import Problems

_SECTIONS = ("backbone", "head")
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
    """How a scale changes a network: factors for repeats and channels, and the most channels before scaling.

    `letter` is its name, such as "n"; it is "" in a file without scales.
    """

    letter: str = ""
    depth: float = 1
    width: float = 1
    most: float = inf

    def scale_channels(self, channels: int) -> int:
        """Return a number of channels times the width, rounded up to a multiple of 8."""
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
    """The settings and entries of a model; an entry is None if it is wrong. `problems` has all mistakes."""

    def __init__(self, document: Document, scale: str | None = None) -> None:
        """Read a document; `scale` is the letter of the scale, by default the one in the name of the file."""
        self.problems = Problems()
        self.root: Mapping[str, Any] = document.root if isinstance(document.root, Mapping) else {}
        self.classes = self._read_setting("nc", int, 80)
        self.channels = self._read_setting("ch", int, 3)
        self.bins = self._read_setting("reg_max", int, 16)
        self.end2end = self._read_setting("end2end", bool, False)
        self.activation = self._read_activation()
        self.scaling = self._read_scaling(document.file or "", scale)
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
        """Return the activation of convolutions, which is written as a call, such as `nn.LeakyReLU(0.1)`."""
        value = self.root.get("activation")
        if value is None:
            return _SILU
        found = re.fullmatch(_ACTIVATION, value) if isinstance(value, str) else None
        kind = _ACTIVATIONS.get(found[1]) if found else None
        if found is None or kind is None or (found[2] and kind != "leaky_relu"):
            hint = f"supported are {', '.join(_ACTIVATIONS)}; write nn.ReLU() or nn.LeakyReLU(0.1)"
            self.problems.add(("activation",), f"unsupported activation {show(value)}", "CV013", hint)
            return _SILU
        slope = {"negative_slope": float(found[2])} if found[2] and found[2].count(".") < 2 else {}
        return Activation(kind, slope)

    def _read_scaling(self, file: str, letter: str | None) -> Scaling:
        """Return the scale that a letter names, else the one in the name of the file, else the first in the file."""
        scales = self.root.get("scales")
        if not scales:
            depth = self._read_factor(("depth_multiple",), self.root.get("depth_multiple", 1))
            width = self._read_factor(("width_multiple",), self.root.get("width_multiple", 1))
            if letter is not None:
                self.problems.add((), f"there is no scale {letter}: the file has no scales", "CV017")
            return Scaling("", depth, width)
        if not isinstance(scales, Mapping):
            self.problems.add(("scales",), f"scales must be a mapping; got {show(scales)}", "CV013")
            return Scaling()
        if letter is not None and letter not in scales:
            self.problems.add((), f"there is no scale {letter}: the file has {', '.join(scales)}", "CV017")
            return Scaling()
        chosen = letter or find_scale_letter(file)
        chosen = chosen if chosen in scales else next(iter(scales))
        value = scales[chosen]
        if not isinstance(value, list) or len(value) != 3:
            form = "write [depth, width, max_channels]"
            self.problems.add(
                ("scales", chosen), f"a scale must be a list of 3 numbers; got {show(value)}", "CV013", form
            )
            return Scaling(chosen)
        return Scaling(chosen, *(self._read_factor(("scales", chosen, i), item) for i, item in enumerate(value)))

    def _read_factor(self, path: Path, value: Any) -> float:
        """Return a positive number; 1 if it is wrong."""
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
            if lines is None and section in self.root:
                lines = []
            if not isinstance(lines, list):
                if section not in self.root:
                    self.problems.add((), f"{section} is missing", "CV012")
                else:
                    self.problems.add((section,), f"{section} must be a list of entries; got {show(lines)}", "CV013")
                continue
            yield from (((section, index), line) for index, line in enumerate(lines))

    def _read_entry(self, path: Path, value: Any, place: int) -> Entry | None:
        """Return the entry at a path, which is number `place` of the network; None if it is wrong."""
        if not isinstance(value, list) or len(value) != 4:
            count = f"{len(value)} items" if isinstance(value, list) else show(value)
            self.problems.add(path, f"an entry must be a list of 4 items; got {count}", "CV013", _FORM)
            return None
        written, number, module, arguments = tuple[Any, Any, Any, Any](value)
        many = isinstance(written, list)
        origins = list(written) if many else [written]
        sources = [
            self._read_source((*path, 0, index) if many else (*path, 0), origin, place)
            for index, origin in enumerate(origins)
        ]
        if not origins:
            self.problems.add((*path, 0), "from must name at least one layer", "CV013")
        if isinstance(number, bool) or not isinstance(number, int | float) or abs(number) > 10**6:
            self.problems.add((*path, 1), f"number must be a number of repeats; got {show(number)}", "CV013", _FORM)
            return None
        if not isinstance(module, str):
            self.problems.add((*path, 2), f"module must be a name; got {show(module)}", "CV013", _FORM)
            return None
        if not isinstance(arguments, list):
            self.problems.add((*path, 3), f"arguments must be a list; got {show(arguments)}", "CV013", _FORM)
            return None
        if None in sources or not sources:
            return None
        found = tuple(self._resolve(argument) for argument in arguments)
        count = self.scaling.scale_repeats(number)
        return Entry(path, tuple(source for source in sources if source is not None), many, count, module, found)

    def _read_source(self, path: Path, origin: Any, place: int) -> int | None:
        """Return the number of the entry that `from` names in entry `place`; None if there is none before it."""
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
        """Return an argument's value: that of a top-level key for its name, and the list for a list in quotes."""
        if isinstance(argument, list):
            return [self._resolve(item) for item in argument]
        if not isinstance(argument, str):
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


def find_scale_letter(file: str) -> str:
    """Return the letter of the scale in the name of a file: "n" for `yolov8n-seg.yaml`; "" if there is none."""
    found = re.search(r"yolo(?:e-)?v?\d+([nslmx])", os.path.basename(file))
    return found[1] if found else ""
