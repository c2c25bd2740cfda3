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
    """Return a message that names what differs between the states at one place of the spec."""
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
        f"the space has too many states: {place}networks can begin in {len(states):,} ways that must be told apart, "
        f"because later layers depend on {what}; fix some of the choices with --set"
    )


def _describe(what: str, name: str) -> str:
    if what == "tensor":
        return f"the output shape of {'the layer before' if name == 'previous' else show(name)}"
    return f"the {what} {show(name)}"
