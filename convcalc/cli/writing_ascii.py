"""Writes drawings on streams that are not UTF-8: each character that the stream cannot encode is replaced by ASCII.

All replacements but those of arrows and of comparison signs are one character long, so that columns stay aligned.
"""

import codecs

NAME = "convcalc-ascii"
_REPLACEMENTS = {
    **dict.fromkeys("█▉▊▋▌▍▎▏━", "#"),  # bars are rounded up, so that every value but 0 is visible
    **dict.fromkeys("▁▂▃▄", "."),
    **dict.fromkeys("▅▆▇", ":"),
    **dict.fromkeys("▸▹", ">"),
    **dict.fromkeys("▲△", "^"),
    **dict.fromkeys("▾▼", "v"),
    **dict.fromkeys("–—─−", "-"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("‘’", "'"),
    "◀": "<",
    "░": ":",
    "│": "|",
    "·": ".",
    "×": "x",
    "…": "~",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "²": "^2",
    "µ": "u",
    "∞": "inf",
    "\u00a0": " ",
}


def register() -> None:
    """Register NAME as a handler of encoding errors, which a stream can name."""
    codecs.register_error(NAME, _replace_characters)


def _replace_characters(error: UnicodeError) -> tuple[str, int]:
    """Return the replacement of the characters that cannot be encoded, and the place after them."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(_REPLACEMENTS.get(character, "?") for character in wrong), error.end
