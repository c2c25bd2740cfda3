"""The line under a table that explains its signs, such as `p1 padding · /2 stride · ! merged branches misaligned`.

The signs of arguments are declared by the layer kinds; only those that the table shows are explained.
"""

from collections.abc import Iterable

from convcalc.layers.base import Layer, Sign
from convcalc.render.lines import Line

SEPARATOR = " · "
MISALIGNED = "!"
_MISALIGNED_TEXT = f"{MISALIGNED} merged branches misaligned"


def list_signs(layers: Iterable[Layer], misaligned: bool) -> list[str]:
    """Return the entries of a legend for the arguments of layers, and for the mark of misaligned receptive fields.

    A sign is shown with its shortest value: `p1 padding` rather than `p4-5×1 padding`.
    """
    found: dict[str, list[Sign]] = {}
    for layer in layers:
        for sign in layer.signs():
            found.setdefault(sign.sign, []).append(sign)
    texts = [_explain_sign(signs) for signs in found.values()]
    return [*texts, *([_MISALIGNED_TEXT] if misaligned else [])]


def _explain_sign(signs: list[Sign]) -> str:
    """Return the shortest form of a sign with its meaning, or its meanings if kinds differ."""
    shortest = min((sign.text for sign in signs), key=lambda text: (len(text), text))
    return f"{shortest} {' or '.join(dict.fromkeys(sign.meaning for sign in signs))}"


def legend_lines(signs: list[str], width: int | None) -> list[Line]:
    """Return the legend below an empty line, on as many lines as the width requires; no lines without signs."""
    lines: list[str] = []
    for sign in signs:
        longer = f"{lines[-1]}{SEPARATOR}{sign}" if lines else sign
        if lines and (width is None or len(longer) <= width):
            lines[-1] = longer
        else:
            lines.append(sign)
    return [[], *([(line, "dim")] for line in lines)] if lines else []
