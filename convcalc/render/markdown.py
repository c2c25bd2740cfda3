"""Escapes Markdown syntax in texts, and writes the legend under a Markdown table."""

import re
from collections.abc import Sequence

from convcalc.problems import printable
from convcalc.render.lines import SEPARATOR


def escape(text: str) -> str:
    """Escape all Markdown syntax in a text.

    A zero-width space after every @ keeps GitHub from notifying a user with that name.
    """
    return re.sub(r"([\\`*_{}\[\]<>|#!&~$])", r"\\\1", printable(text)).replace("@", "@&#8203;")


def legend_markdown(signs: Sequence[str]) -> list[str]:
    """Return an empty line and a line with the legend entries; no lines if there are no entries."""
    return ["", escape(SEPARATOR.join(signs))] if signs else []
