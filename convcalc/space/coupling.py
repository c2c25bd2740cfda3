"""Explains why a design space has too many states: which earlier choices its later layers depend on.

For example, `head` uses width, which has a different value in each of 5,001 states.
"""

from convcalc.problems import Path, Problem, Related, show
from convcalc.space.state import State
from convcalc.spec.variants import Variants

_MOST_NAMED = 3
_ADVICE = "fix some of the choices with --set"


class Coupled(Exception):
    """Raised if a space is too large, or if later layers depend on too many earlier choices.

    The path of `problem` is the place in the spec, () if there is no such place.
    """

    def __init__(self, message: str, path: Path = (), related: tuple[Related, ...] = ()) -> None:
        super().__init__(message)
        self.problem = Problem(path, message, "CV004", _ADVICE, related=related)


def explain_coupling(variants: Variants, states: list[State]) -> Coupled:
    """Return an error that names the values in which the states at one place of the spec differ."""
    values: dict[tuple[str, str], set[object]] = {}
    for state in states:
        for what, name, value in state.parts:
            values.setdefault((what, name), set()).add(value)
    varying = sorted(((key, len(found)) for key, found in values.items() if len(found) > 1), key=lambda item: -item[1])
    named = [f"{_describe(*key)} ({count:,} values)" for key, count in varying[:_MOST_NAMED]]
    what = ", ".join(named) or "the numbers of copies"
    message = (
        f"the space has too many states: networks reach this entry in {len(states):,} ways that must be told apart, "
        f"because it or later entries depend on {what}"
    )
    chosen = [name for (kind, name), _ in varying if kind == "parameter" and name in variants.choices]
    related = tuple(Related(variants.choices[name].path, "its choices") for name in chosen[:_MOST_NAMED])
    return Coupled(message, states[0].path, related)


def _describe(what: str, name: str) -> str:
    if what == "tensor":
        return f"the output shape of {'the layer before' if name == 'previous' else show(name)}"
    return f"the {what} {show(name)}"
