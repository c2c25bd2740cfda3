"""What the tests of the spec language share: load a spec, and say what came of it."""

from __future__ import annotations

import io
from typing import Any

import pytest

import convcalc
from convcalc import Network, Problem

Spec = str | dict[str, Any]


def load(spec: Spec, **overrides: Any) -> Network:
    """The network of a spec, given as the text of a file or as a mapping."""
    return convcalc.load(io.StringIO(spec) if isinstance(spec, str) else spec, **overrides)


def refused(spec: Spec, **overrides: Any) -> list[Problem]:
    """What is wrong with a spec that must be refused."""
    with pytest.raises(convcalc.InvalidSpec) as caught:
        load(spec, **overrides)
    return list(caught.value.problems)


def problem(spec: Spec, **overrides: Any) -> Problem:
    """The one thing that is wrong with a spec."""
    [found] = refused(spec, **overrides)
    return found


def said(found: Problem) -> str:
    """All that a problem says."""
    return f"{found.message} | {found.hint}"


def place(found: Problem) -> tuple[int, int]:
    """Line and column of a problem."""
    assert found.span is not None
    return found.span.line, found.span.column


def places(text: str) -> list[tuple[int, int]]:
    """Line and column of all that is wrong with a text."""
    return [place(found) for found in refused(text)]


def place_of(text: str, needle: str) -> tuple[int, int]:
    """Line and column of the first place at which a text holds a needle, counted as editors do."""
    before = text[: text.index(needle)].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def names(spec: Spec, **overrides: Any) -> list[str]:
    """The full names of all layers."""
    return [node.name for node in load(spec, **overrides).nodes]


def report(spec: Spec, **overrides: Any) -> dict[str, Any]:
    """The report as the JSON holds it."""
    return convcalc.analyse(load(spec, **overrides)).to_dict()


def reads(spec: Spec, **overrides: Any) -> dict[str, list[str]]:
    """What each layer reads, by name."""
    return {layer["name"]: layer["from"] for layer in report(spec, **overrides)["layers"]}


def shapes(spec: Spec, **overrides: Any) -> dict[str, list[int]]:
    """The output shape of each layer, by name."""
    return {layer["name"]: layer["output_shape"] for layer in report(spec, **overrides)["layers"]}


def only_layer(shape: list[int], entry: Any, **top: Any) -> dict[str, Any]:
    """The report of the one layer of a network."""
    [layer] = report({"input": shape, "layers": [entry], **top})["layers"]
    found: dict[str, Any] = layer
    return found
