"""Writes the legend under a table: `p1 padding · /2 stride · ! merged branches misaligned` explains three signs.

A sign is a short prefix or mark, such as `p` for padding. Layer kinds declare the signs of their arguments. Only the
signs that occur in the table are explained.
"""

from collections.abc import Iterable

from convcalc.layers.base import Layer, Sign
from convcalc.render.lines import Line, wrap_facts

MISALIGNED = "!"
_MISALIGNED_TEXT = f"{MISALIGNED} merged branches misaligned"


def list_signs(layers: Iterable[Layer], misaligned: bool) -> list[str]:
    """Return the legend entries for the arguments of the layers and, with `misaligned`, for the mark of such branches.

    Each sign is shown with the shortest value it has in the layers: `p1 padding` rather than `p4-5×1 padding`.
    """
    found: dict[str, list[Sign]] = {}
    for layer in layers:
        for sign in layer.signs():
            found.setdefault(sign.sign, []).append(sign)
    texts = [_explain_sign(signs) for signs in found.values()]
    return [*texts, *([_MISALIGNED_TEXT] if misaligned else [])]


def _explain_sign(signs: list[Sign]) -> str:
    """Return the legend entry for one sign: its shortest text, and its meanings, joined by `or` if kinds differ."""
    shortest = min((sign.text for sign in signs), key=lambda text: (len(text), text))
    return f"{shortest} {' or '.join(dict.fromkeys(sign.meaning for sign in signs))}"


def legend_lines(signs: list[str], width: int | None) -> list[Line]:
    """Return an empty line, then the legend on as many lines as `width` requires; no lines if `signs` is empty."""
    return [[], *wrap_facts(signs, width, "dim")] if signs else []
