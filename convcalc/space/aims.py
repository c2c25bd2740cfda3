"""Reads which networks are asked for: the best by one figure, or the Pareto front of two, such as `macs,-params`."""

from collections.abc import Mapping

from convcalc.metrics.figures import ADDITIVE, FIGURES, find_figure
from convcalc.problems import Flaw, did_you_mean, show
from convcalc.space.extent import Aim


def read_best(text: str) -> Aim:
    """Return the aim of a text: `params` means the most params, `-macs` the fewest MACs. Raises Flaw."""
    figure, has_minus = _read_figure(text)
    return Aim(figure, has_minus)


def read_front(text: str) -> tuple[Aim, Aim]:
    """Return the two aims of a text: `macs,-params` means the fewest MACs and the most params. Raises Flaw."""
    found = [_read_figure(part) for part in text.split(",")]
    if len(found) != 2 or found[0][0] == found[1][0]:
        raise Flaw(f"expected two different metrics, such as macs,-params; got {show(text)}")
    one, other = (Aim(figure, not has_minus) for figure, has_minus in found)
    return one, other


def check_known(aim: Aim, unknown: Mapping[str, str]) -> None:
    """Raise Flaw if the figure of an aim is unknown; `unknown` has a layer for each unknown figure."""
    if aim.figure in unknown:
        raise Flaw(f"{aim.figure} is unknown for layer {unknown[aim.figure]}")


def _read_figure(text: str) -> tuple[str, bool]:
    """Return the name of a figure without a leading minus, and whether it has one."""
    written = text.strip().removeprefix("-")
    figure = find_figure(written) or written
    if figure not in ADDITIVE:
        available = f"available: {', '.join(ADDITIVE)}"
        if figure in FIGURES:
            raise Flaw(f"{figure} is not a sum over the layers: {available}")
        raise Flaw(f"unknown metric {show(written)}: {did_you_mean(figure, ADDITIVE) or available}")
    return figure, text.strip().startswith("-")
