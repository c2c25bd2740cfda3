"""Explains why a design space has too many states: which earlier choices its later layers depend on.

For example, `head` uses width, which has a different value in each of 5,001 states.
"""

from convcalc.problems import show
from convcalc.space.state import State
from convcalc.spec.variants import Variants

_MOST_NAMED = 3


class Coupled(Exception):
    """Raised if later layers depend on too many earlier choices; the message names the place and the choices."""


def explain_coupling(variants: Variants, states: list[State]) -> str:
    """Return a message about the states of one place of the spec, which differ in too many ways."""
    values: dict[tuple[str, str], set[object]] = {}
    for state in states:
        for what, name, value in state.parts:
            values.setdefault((what, name), set()).add(value)
    varying = sorted(((key, len(found)) for key, found in values.items() if len(found) > 1), key=lambda item: -item[1])
    named = [f"{_describe(*key)} ({count:,} values)" for key, count in varying[:_MOST_NAMED]]
    what = ", ".join(named) or "the numbers of copies"
    line = variants.document.line(states[0].path)
    place = "" if line is None else f"at line {line}, "
    return (
        f"the space does not decompose: {place}{len(states):,} networks that have "
        f"begun differently have to be continued separately, because later layers use {what}; fix some of the choices "
        "with --set"
    )


def _describe(what: str, name: str) -> str:
    if what == "tensor":
        return f"the output shape of {'the layer before' if name == 'previous' else show(name)}"
    return f"the {what} {show(name)}"
