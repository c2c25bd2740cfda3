"""Format Python values as YAML text that convcalc reads back as the same values."""

import re
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*", re.ASCII)
_RESERVED_WORDS = frozenset(
    {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
)  # booleans or null in some version of YAML
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


def format_scalar(value: Any) -> str:
    """Format a string, a number or a boolean; a string is quoted if YAML could read it as something else."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _RESERVED_WORDS else _quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _format_decimal(value) if isinstance(value, float) else str(value)


def _quote(text: str) -> str:
    """Put a string in double quotes and escape its unprintable characters."""
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def _format_decimal(number: float) -> str:
    """Format a float with as few digits as possible. YAML needs the `.0` in `1.0e-05` to read it as a float."""
    text = repr(number)
    return text if "e" not in text or "." in text.split("e")[0] else text.replace("e", ".0e")


def format_flow(value: Any) -> str:
    """Format a value in YAML's flow style, with lists in brackets."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_flow, value))}]"
    return format_scalar(value)
