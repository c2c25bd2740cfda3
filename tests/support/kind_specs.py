"""Random specs of one layer of a given kind, whose numbers are spec parameters, with several rows of values for them.

The arguments are drawn from the declaration of the kind (`Key`), so a new kind or argument needs no change here.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml
from hypothesis import strategies as st

from convcalc.arguments import (
    AxisNames,
    Choice,
    Flag,
    Integer,
    IntegerList,
    Key,
    LayerName,
    Number,
    Padding,
    PerAxis,
    PerAxisNumber,
)
from convcalc.layers import KINDS
from convcalc.layers.base import StatedChannels

MOST_ROWS = 10
SMALL = st.one_of(st.integers(0, 4), st.sampled_from([1, 1, 2, 3, 5, 7, 8, 12, 16, 24, 32]))


class KindSpec(NamedTuple):
    """A spec, and rows of values for its parameters."""

    spec: dict[str, Any]
    rows: list[dict[str, Any]]


def example(kind: str) -> tuple[list[int], Any]:
    """Return the input shape and the entry of the example in the manual page of a kind."""
    [line] = [line for line in (KINDS[kind].__doc__ or "").splitlines() if "Example on" in line]
    match = re.search(r"Example on (\[.*?\]): (.*)", line)
    assert match
    return yaml.safe_load(match[1]), yaml.safe_load(match[2])


class Parameters:
    """Numbers that have been replaced by parameters, with their values."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def replace(self, value: Any) -> Any:
        """Return a value with every number in it replaced by a new parameter."""
        if isinstance(value, list):
            return [self.replace(item) for item in value]
        if isinstance(value, dict):
            return {key: self.replace(item) for key, item in value.items()}
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"


def parametrised_example(kind: str) -> KindSpec:
    """Return the example of a kind, with all numbers as parameters, and the only row that leaves it as it is."""
    shape, entry = example(kind)
    parameters = Parameters()
    spec = {"input": parameters.replace(shape), "layers": [parameters.replace(entry)]}
    return KindSpec({"params": dict(parameters.values), **spec}, [dict(parameters.values)])


@st.composite
def kind_specs(draw: st.DrawFn, kind: str) -> KindSpec:
    """Draw a spec of a kind with rows that differ in a few values; many of them are invalid."""
    shape, entry = example(kind)
    arguments = dict(next(iter(entry.values()))) if isinstance(entry, dict) and is_mapping(entry) else {}
    if isinstance(entry, dict) and not is_mapping(entry):
        arguments = {KINDS[kind].main: next(iter(entry.values()))}
    for name, key in KINDS[kind].keys.items():
        if draw(st.integers(0, 3)) == 0:
            arguments[name] = draw(values(key))
    shape = draw(st.sampled_from([shape, [size % 13 + 1 for size in shape]]))
    parameters = Parameters()
    inputs = {"x": parameters.replace(shape), "y": parameters.replace(draw(st.sampled_from([shape, shape[:1]])))}
    names = ["x", "y"] if KINDS[kind].reads_many or (KINDS[kind].reads_any and draw(st.booleans())) else ["x"]
    if not KINDS[kind].reads_nothing:
        arguments["from"] = names
    spec = {"inputs": inputs, "layers": [{kind: parameters.replace(arguments)}]}
    rows = [parameters.values]
    for _ in range(draw(st.integers(2, MOST_ROWS))):
        rows.append(draw(changed(rows[draw(st.integers(0, len(rows) - 1))])))
    return KindSpec({"params": dict(parameters.values), **spec}, rows)


def is_mapping(entry: dict[str, Any]) -> bool:
    return isinstance(next(iter(entry.values())), dict)


@st.composite
def changed(draw: st.DrawFn, row: dict[str, Any]) -> dict[str, Any]:
    """Draw a row that differs from another one in one or two values."""
    found = dict(row)
    for name in draw(st.lists(st.sampled_from(sorted(row)), min_size=1, max_size=2)):
        value = found[name]
        near = st.sampled_from([value + 1, value - 1, 2 * value, value * 3, -value])
        found[name] = draw(st.one_of(near, SMALL, st.sampled_from([0.5, 1.5, 2.0])))
    return found


def values(key: Key[Any]) -> st.SearchStrategy[Any]:
    """Values of an argument, valid or not."""
    if isinstance(key, Flag):
        return st.booleans()
    if isinstance(key, Choice):
        return st.sampled_from(key.named)
    if isinstance(key, AxisNames):
        return st.lists(st.sampled_from(key.named), min_size=1, max_size=3, unique=True)
    if isinstance(key, LayerName):
        return st.sampled_from(["x", "y"])
    if isinstance(key, Number | PerAxisNumber):
        return st.sampled_from([0.1, 0.5, 1, 1.5, 2, 3.0])
    if isinstance(key, Padding):
        pair = st.lists(SMALL, min_size=2, max_size=2)
        forms: list[st.SearchStrategy[Any]] = [SMALL, st.lists(SMALL | pair, min_size=1, max_size=3)]
        return st.one_of(*forms, *([st.sampled_from(key.named)] if key.named else []))
    if isinstance(key, PerAxis):
        return SMALL | st.lists(SMALL, min_size=1, max_size=3)
    if isinstance(key, IntegerList):
        return st.lists(SMALL | st.just(-1), min_size=key.lengths[0], max_size=key.lengths[1])
    if isinstance(key, Integer | StatedChannels):
        return SMALL
    return st.just("text")
