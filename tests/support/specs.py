"""Helpers for tests of the spec format: load a spec, and describe the result."""

from __future__ import annotations

import io
from typing import Any

import pytest

import convcalc
from convcalc import Network, Problem

Spec = str | dict[str, Any]


def load(spec: Spec, **overrides: Any) -> Network:
    """Load the network of a spec, given as the text of a file or as a mapping."""
    return convcalc.load(io.StringIO(spec) if isinstance(spec, str) else spec, **overrides)


def refused(spec: Spec, **overrides: Any) -> list[Problem]:
    """Return the problems of a spec that must be rejected."""
    with pytest.raises(convcalc.InvalidSpec) as caught:
        load(spec, **overrides)
    return list(caught.value.problems)


def problem(spec: Spec, **overrides: Any) -> Problem:
    """Return the only problem of a spec."""
    [found] = refused(spec, **overrides)
    return found


def said(found: Problem) -> str:
    """Return the message and the hint of a problem."""
    return f"{found.message} | {found.hint}"


def place(found: Problem) -> tuple[int, int]:
    """Return line and column of a problem."""
    assert found.span is not None
    return found.span.line, found.span.column


def places(text: str) -> list[tuple[int, int]]:
    """Return line and column of all problems in a text."""
    return [place(found) for found in refused(text)]


def place_of(text: str, needle: str) -> tuple[int, int]:
    """Return line and column of the first occurrence of a string in a text, counted as in an editor."""
    before = text[: text.index(needle)].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def names(spec: Spec, **overrides: Any) -> list[str]:
    """Return the full names of all layers."""
    return [node.name for node in load(spec, **overrides).nodes]


def report(spec: Spec, **overrides: Any) -> dict[str, Any]:
    """Return the report as in JSON."""
    return convcalc.analyse(load(spec, **overrides)).to_dict()


def reads(spec: Spec, **overrides: Any) -> dict[str, list[str]]:
    """Return the inputs of each layer by name."""
    return {layer["name"]: layer["from"] for layer in report(spec, **overrides)["layers"]}


def shapes(spec: Spec, **overrides: Any) -> dict[str, list[int]]:
    """Return the output shape of each layer by name."""
    return {layer["name"]: layer["output_shape"] for layer in report(spec, **overrides)["layers"]}


def only_layer(shape: list[int], entry: Any, **top: Any) -> dict[str, Any]:
    """Return the report of a network's only layer."""
    [layer] = report({"input": shape, "layers": [entry], **top})["layers"]
    found: dict[str, Any] = layer
    return found


def memory(layer: dict[str, Any]) -> dict[str, int]:
    """Return the input, weight, activation and live memory of a layer in a report."""
    return {name: layer[f"{name}_memory"] for name in ("input", "weight", "activation", "live")}
