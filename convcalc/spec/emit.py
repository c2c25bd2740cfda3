"""Formats values as one line of YAML text; `source.py` reads the same values from it.

For example, `{"conv": {"out_channels": 8, "from": ["a", "b"]}}` becomes `conv: {out_channels: 8, from: [a, b]}`. Text
is put in quotes if convcalc or another YAML parser could read it as something other than text.
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
    """Return a value of a spec as YAML text, with lists in brackets and mappings in braces."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(_format_pair(key, item) for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_item, value))}]"
    return format_scalar(value)


def format_item(value: Any) -> str:
    """Return an item of a list as YAML text; a mapping with one key needs no braces: `conv: {out_channels: 8}`."""
    if isinstance(value, Mapping) and len(value) == 1:
        return "".join(_format_pair(key, item) for key, item in value.items())
    return format_value(value)


def _format_pair(key: str, value: Any) -> str:
    return f"{format_scalar(key)}: {format_value(value)}"


def format_scalar(value: Any) -> str:
    """Return a text, number, boolean or None as YAML text; a text is in quotes unless it is safe without them."""
    if isinstance(value, str):
        return value if _is_safe_without_quotes(value) else quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _format_decimal(value) if isinstance(value, float) else str(value)


def _is_safe_without_quotes(text: str) -> bool:
    """Return whether a text needs no quotes in YAML: it is plain words, or an expression without commas."""
    if text.startswith("$("):
        return bool(re.fullmatch(_EXPRESSION, text)) and find_closing_parenthesis(text, 1, len(text)) == len(text)
    return bool(re.fullmatch(_WORDS, text)) and text.lower() not in _RESERVED_WORDS


def quote(text: str) -> str:
    """Return a text in double quotes, or in single quotes if that avoids escape sequences."""
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
    """Return a float as text, with a point before the exponent: `1.0e-05`. Some YAML parsers require this point."""
    text = repr(number)
    return text if "e" not in text or "." in text.split("e")[0] else text.replace("e", ".0e")
