"""Reads the files that describe devices: memory, bandwidth and peaks, each number with its source.

For example:

    description: NUCLEO-L4R5ZI, STM32L4R5ZI with a Cortex-M4
    kind: microcontroller
    runtime: tflm-cmsis-dsp
    ram: {value: 640 KiB, source: "ST DS12023, table 2"}

`find_device("nucleo-l4r5zi")` reads a file that comes with convcalc, and `find_device("my_board.yaml")` a user's own.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from convcalc.device.device_names import FOLDER, SUFFIX, list_device_names
from convcalc.device.runtime_names import RUNTIME_NAMES
from convcalc.layers import KINDS
from convcalc.problems import Flaw, Path, Problem, did_you_mean, join_words, show
from convcalc.spec.document import UNKNOWN, Document
from convcalc.spec.files import read_file
from convcalc.units import BITS, MEMORY_SUFFIXES, parse_quantity

_MOST_TEXT = 500
_EMPTY = "CV012"
_MOST_NUMBER = 1_000_000
_LEAST_SHARE = 0.0001  # with less, a time could become infinite
_PREFIXES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_RATES = {f"{unit}/s": factor for unit, factor in {**MEMORY_SUFFIXES, "TB": 10**12}.items()}
_PEAKS = {f"{prefix}{unit}": factor for unit in ("FLOPS", "OPS") for prefix, factor in _PREFIXES.items()}
_CLOCKS = {f"{prefix}Hz": factor for prefix, factor in _PREFIXES.items()}
DEVICE_KINDS = ("microcontroller", "gpu", "cpu")


class Figure(NamedTuple):
    """A number of a device with its source: one value, or a range from `low` to `high`."""

    low: float
    high: float
    source: str

    @property
    def value(self) -> int:
        """The smaller bound as an integer, such as bytes."""
        return int(self.low)


class Device(NamedTuple):
    """A device. A figure that its file does not state is None or missing.

    `figures` has `ram`, `flash` and `memory` in bytes, `bandwidth` in bytes per second, `clock` in hertz, and
    `efficiency`, the share of the roofline that is reached, from 0 to 1 (`eager_efficiency`: if every operation is a
    kernel of its own). `peak` has operations per second by data type,
    without sparsity. `cycles_per_mac` is given by layer kind. `runtime` is the runtime that the board is used with.
    """

    name: str
    description: str
    kind: str
    runtime: str | None
    figures: Mapping[str, Figure | None]
    peak: Mapping[str, Figure]
    cycles_per_mac: Mapping[str, Figure]


def find_device(name: str, kinds: Sequence[str] = ()) -> Device:
    """Return the device with a name, or the one in a file if the name ends with .yaml or .yml.

    Raises Flaw, with the nearest name and the list, if there is none, or if `kinds` are given and it is of none of
    them; OSError if the file cannot be read; InvalidSpec, with lines, if its contents are wrong.
    """
    if name.endswith((SUFFIX, ".yml")):
        return _check_kind(read_device(read_file(name), os.path.splitext(os.path.basename(name))[0]), kinds)
    if name not in list_device_names():
        known = list_device_names(kinds)
        hint = did_you_mean(name, known)
        listed = f"available: {', '.join(known)}, or a file such as my_board.yaml"
        raise Flaw(f"no device {show(name)}", f"{hint} {listed}".strip())
    return _check_kind(read_device(read_file(os.path.join(FOLDER, name + SUFFIX)), name), kinds)


def _check_kind(device: Device, kinds: Sequence[str]) -> Device:
    """Return the device. Raises Flaw if it is of none of the kinds."""
    if kinds and device.kind not in kinds:
        known = f"available: {', '.join(list_device_names(kinds))}"
        raise Flaw(f"{show(device.name)} is a {device.kind}, not a {join_words(kinds)}", known)
    return device


def read_device(document: Document, name: str) -> Device:
    """Return the device that a document describes. Raises InvalidSpec if it is wrong."""
    reader = _DeviceReader(document)
    device = reader.read(name)
    if reader.problems or device is None:
        raise document.invalid(reader.problems)
    return device


class _DeviceReader:
    """Reads the values of a device file; a wrong one is reported in `problems` and left out."""

    def __init__(self, document: Document) -> None:
        self.document = document
        empty = "the file is empty; a device file needs description and kind"
        self.problems: list[Problem] = [
            problem._replace(message=empty) if problem.code == _EMPTY else problem for problem in document.problems
        ]
        self.root: dict[str, Any] = document.root if isinstance(document.root, dict) else {}

    def read(self, name: str) -> Device | None:
        if not isinstance(self.document.root, dict):
            if self.document.root is not UNKNOWN or not self.problems:
                self.report((), f"a device file must be a mapping; got {show(self.document.root)}")
            return None
        self._check_keys((), self.root, _KEYS)
        peak = self._read_map("peak", BITS, partial(_read_quantity, units=_PEAKS, example="82.6 TFLOPS"))
        self._check_dense(peak)
        return Device(
            name,
            self._read_text("description") or "",
            self._read_choice("kind", DEVICE_KINDS) or "",
            self._read_choice("runtime", RUNTIME_NAMES, required=False),
            {key: self._read_figure((key,), self.root.get(key), read) for key, read in _FIGURES.items()},
            peak,
            self._read_map("cycles_per_mac", KINDS, _read_range),
        )

    def report(self, path: Path, message: str, hint: str = "", on_key: bool = False) -> None:
        self.problems.append(Problem(path, message, "CV010" if on_key else "CV013", hint, on_key))

    def _check_keys(self, path: Path, found: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in found:
            if key not in known:
                hint = did_you_mean(str(key), known) or f"available: {', '.join(known)}"
                self.report((*path, key), f"unknown key {show(key)} in a device file", hint, on_key=True)

    def _check_dense(self, peak: Mapping[str, Figure]) -> None:
        dense = self.root.get("dense")
        if "dense" in self.root and dense is not True:
            self.report(("dense",), f"dense must be true; got {show(dense)}", "give peaks without structured sparsity")
        elif peak and dense is not True:
            hint = (
                "add `dense: true` once the peaks are those without structured sparsity, often half of the advertised"
            )
            self.report(("peak",), "peak needs `dense: true`", hint, on_key=True)

    def _read_text(self, key: str) -> str | None:
        value = self.root.get(key)
        if isinstance(value, str) and value.strip() and len(value) <= _MOST_TEXT:
            return value
        if value is not UNKNOWN:
            got = f"got {show(value)}" if key in self.root else "it is missing"
            self.report((key,), f"{key} must be a text of at most {_MOST_TEXT} characters; {got}")
        return None

    def _read_choice(self, key: str, known: tuple[str, ...], required: bool = True) -> str | None:
        value = self.root.get(key)
        if value in known:
            return str(value)
        if value is not UNKNOWN and (required or key in self.root):
            got = f"got {show(value)}" if key in self.root else "it is missing"
            self.report((key,), f"{key} must be {join_words(known)}; {got}", did_you_mean(str(value), known))
        return None

    def _read_map(self, key: str, known: Mapping[str, Any], read: "_Read") -> dict[str, Figure]:
        value = self.root.get(key, {})
        if not isinstance(value, dict):
            if value is not UNKNOWN:
                self.report((key,), f"{key} must be a mapping; got {show(value)}", f"available: {', '.join(known)}")
            return {}
        self._check_keys((key,), value, tuple(known))
        figures = {name: self._read_figure((key, name), value[name], read) for name in value if name in known}
        return {name: figure for name, figure in figures.items() if figure is not None}

    def _read_figure(self, path: Path, written: Any, read: "_Read") -> Figure | None:
        """Return a number and its source, written as `{value: …, source: …}`; None if it is missing or wrong."""
        name = ".".join(map(str, path))
        if written is None and path[-1] not in self.root:
            return None
        if not isinstance(written, dict):
            if written is not UNKNOWN:
                message = f"{name} must be a mapping with value and source; got {show(written)}"
                self.report(path, message, "for example: {value: 640 KiB, source: data sheet}")
            return None
        self._check_keys(path, written, ("value", "source"))
        source = written.get("source")
        if not isinstance(source, str) or not source.strip() or len(source) > _MOST_TEXT:
            if source is not UNKNOWN:
                long = isinstance(source, str) and len(source) > _MOST_TEXT
                what = f"has a source of more than {_MOST_TEXT} characters" if long else "has no source"
                hint = "name the data sheet or page that states it"
                self.report(path if source is None else (*path, "source"), f"{name} {what}", hint)
            return None
        if written.get("value") is UNKNOWN:
            return None  # already reported
        try:
            low, high = read(name, written.get("value"))
        except Flaw as flaw:
            self.report((*path, "value"), flaw.message, flaw.hint)
            return None
        return Figure(low, high, source)


_Read = Callable[[str, Any], tuple[float, float]]


def _read_quantity(name: str, value: Any, units: Mapping[str, int], example: str) -> tuple[float, float]:
    """Return a quantity with a unit, twice. Raises Flaw if it is not positive or its unit is unknown."""
    text = value.strip() if isinstance(value, str) else ""
    number, _, unit = text.partition(" ")
    if not unit:
        number = text.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/")
        unit = text[len(number) :]
    if not text or unit.strip() not in units:
        known = f"units: {', '.join(unit for unit in units if unit)}"
        what = f"has the unknown unit {show(unit)}" if unit else f"must be a number with a unit; got {show(value)}"
        raise Flaw(f"{name} {what}", did_you_mean(unit, units) or known)
    try:
        found = parse_quantity(number, {"": units[unit.strip()]})
    except ValueError:
        found = 0
    if found <= 0:
        raise Flaw(f"{name} must be a positive number with a unit, such as {example}; got {show(value)}")
    return found, found


def _read_range(name: str, value: Any) -> tuple[float, float]:
    """Return a positive number twice, or the two numbers of a range such as [1.2, 2]. Raises Flaw for anything else."""
    pair = value if isinstance(value, list) and len(value) == 2 else [value, value]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in pair):
        raise Flaw(f"{name} must be a positive number or a range such as [1.2, 2]; got {show(value)}")
    if not 0 < pair[0] <= pair[1] <= _MOST_NUMBER:
        raise Flaw(f"{name} must be positive, at most {_MOST_NUMBER:,}, and a range ascending; got {show(value)}")
    return pair[0], pair[1]


def _read_share(name: str, value: Any) -> tuple[float, float]:
    low, high = _read_range(name, value)
    if high > 1:
        raise Flaw(f"{name} must be at most 1; got {show(value)}")
    if low < _LEAST_SHARE:
        raise Flaw(f"{name} must be at least {_LEAST_SHARE}; got {show(value)}")
    return low, high


_FIGURES: dict[str, _Read] = {
    "ram": partial(_read_quantity, units=MEMORY_SUFFIXES, example="640 KiB"),
    "flash": partial(_read_quantity, units=MEMORY_SUFFIXES, example="2 MiB"),
    "memory": partial(_read_quantity, units=MEMORY_SUFFIXES, example="24 GiB"),
    "bandwidth": partial(_read_quantity, units=_RATES, example="1008 GB/s"),
    "clock": partial(_read_quantity, units=_CLOCKS, example="120 MHz"),
    "efficiency": _read_share,
    "eager_efficiency": _read_share,
}
_KEYS = ("description", "kind", "runtime", "dense", *_FIGURES, "peak", "cycles_per_mac")
