"""Lists every network of a small design space, one by one, with the ordinary reader and the ordinary analysis.

The choices are tried in all ways, without states, graphs and sums; each network is read again with its values as spec
parameters, as `--set` does.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import convcalc
from convcalc.metrics.figures import ADDITIVE
from convcalc.space.chooser import Chooser, Stop
from convcalc.spec.inputs import Overrides
from convcalc.spec.source import read_text
from convcalc.spec.variants import Variants


class Listed(NamedTuple):
    """A network: the values of its spec parameters, and its figures."""

    params: dict[str, Any]
    figures: dict[str, Any]  # whole numbers; None if unknown


def list_networks(text: str, most: int) -> list[Listed] | None:
    """Return every valid network of the spec; None if there are more than `most`."""
    variants = Variants(read_text(text), Overrides())
    found: list[Listed] = []
    for chooser in _follow_trails(variants):
        if len(found) == most:
            return None
        params: dict[str, Any] = {name: [] for name, choices in variants.choices.items() if choices.per_copy}
        for name, copy, value in chooser.made:
            if variants.choices[name].per_copy:
                params[name].append(value)
            else:
                assert copy == ""
                params[name] = value
        found.append(measure(text, params))
    return found


def _follow_trails(variants: Variants) -> Iterator[Chooser]:
    """Yield the choices of every valid network, in the order of their trails."""
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        trail = waiting.pop()
        chooser = Chooser(variants, trail)
        try:
            network, _ = variants.expand(chooser)
        except Stop:
            network = None
        made = [*trail, *[0] * (len(chooser.made) - len(trail))]
        for place in range(len(trail), len(made)):
            waiting += [(*made[:place], option) for option in range(1, chooser.count_options(place))]
        if network is not None:
            yield chooser


def measure(text: str, params: dict[str, Any]) -> Listed:
    """Return a network with its figures, read with these values of its spec parameters."""
    report = convcalc.analyse(convcalc.load(io.StringIO(text), params=params))
    names = (*ADDITIVE, "peak_memory")
    return Listed(params, {name: getattr(report.totals, name) for name in names})
