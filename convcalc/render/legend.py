"""Writes the legend under a table: `p1 padding · /2 stride · ! merged branches misaligned` explains three signs.

A sign is a short prefix or mark, such as `p` for padding. Layer kinds declare the signs of their arguments. Only the
signs that occur in the table are explained.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from convcalc.layers.base import Layer
from convcalc.render.lines import Line, wrap_facts

MISALIGNED = "!"
_MISALIGNED_TEXT = f"{MISALIGNED} merged branches misaligned"


class _Sign(NamedTuple):
    """An argument in the short form of tables: `/2` for stride 2 has the sign `/` and the meaning `stride`."""

    sign: str
    text: str
    meaning: str


def list_signs(layers: Iterable[Layer], misaligned: bool) -> list[str]:
    """Return the legend entries, such as `p1 padding`, for the arguments of these layers.

    An entry shows the shortest example: `p1 padding` rather than `p4-5×1 padding`. With `misaligned`, an entry for `!`
    (merged branches misaligned) is added.
    """
    found: dict[str, list[_Sign]] = {}
    for layer in layers:
        for sign in _find_signs(layer):
            found.setdefault(sign.sign, []).append(sign)
    texts = [_explain_sign(signs) for signs in found.values()]
    return [*texts, *([_MISALIGNED_TEXT] if misaligned else [])]


def _find_signs(layer: Layer) -> Iterator[_Sign]:
    """Yield the arguments of a layer that tables show in a short form, such as `/2` for stride 2."""
    for key, value in layer.list_glanced():
        meaning = key.explain_sign()
        if meaning:
            yield _Sign(key.sign, key.glance(value), meaning)


def _explain_sign(signs: list[_Sign]) -> str:
    """Return an entry such as `p1 padding`, or `/2 stride or downscale factor` for a sign with several meanings."""
    shortest = min((sign.text for sign in signs), key=lambda text: (len(text), text))
    return f"{shortest} {' or '.join(dict.fromkeys(sign.meaning for sign in signs))}"


def legend_lines(signs: list[str], width: int | None) -> list[Line]:
    """Return an empty line and the legend, wrapped to `width`; no lines if there are no entries."""
    return [[], *wrap_facts(signs, width, "dim")] if signs else []
