"""Writes values as YAML text on one line, from which `source.py` reads the same values.

For example, `{"conv": {"out_channels": 8, "from": ["a", "b"]}}` becomes `conv: {out_channels: 8, from: [a, b]}`. Text
is written without quotes if neither convcalc nor another reader of YAML could read it as something else.
"""

import re
from collections.abc import Mapping
from typing import Any

from convcalc.spec.scalars import find_closing_parenthesis

_WORDS = r"[A-Za-z$][A-Za-z0-9_./$-]*( [A-Za-z0-9_./$-]+)*"
_EXPRESSION = r"\$\([A-Za-z0-9_.+*/%=<>!()'\" -]*\)"
_RESERVED_WORDS = frozenset(
    {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
)  # booleans or null in some version of YAML
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


def format_value(value: Any) -> str:
    """Format a value of a spec, with lists in brackets and mappings in braces."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(_format_pair(key, item) for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_item, value))}]"
    return format_scalar(value)


def format_item(value: Any) -> str:
    """Format an item of a list; a mapping with one key needs no braces there: `conv: {out_channels: 8}`."""
    if isinstance(value, Mapping) and len(value) == 1:
        return "".join(_format_pair(key, item) for key, item in value.items())
    return format_value(value)


def _format_pair(key: str, value: Any) -> str:
    return f"{format_scalar(key)}: {format_value(value)}"


def format_scalar(value: Any) -> str:
    """Format text, a number, a boolean or None; text is quoted if YAML could read it as something else."""
    if isinstance(value, str):
        return value if _is_plain(value) else quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _format_decimal(value) if isinstance(value, float) else str(value)


def _is_plain(text: str) -> bool:
    """Whether text needs no quotes: words, or an expression such as `$(width // 2)` without commas."""
    if text.startswith("$("):
        return bool(re.fullmatch(_EXPRESSION, text)) and find_closing_parenthesis(text, 1, len(text)) == len(text)
    return bool(re.fullmatch(_WORDS, text)) and text.lower() not in _RESERVED_WORDS


def quote(text: str) -> str:
    """Put text in double quotes, or in single quotes if that saves escape sequences."""
    if ('"' in text or "\\" in text) and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def _format_decimal(number: float) -> str:
    """Format a float with as few digits as possible. Other readers of YAML need the `.0` in `1.0e-05`."""
    text = repr(number)
    return text if "e" not in text or "." in text.split("e")[0] else text.replace("e", ".0e")
