"""Values as YAML, so that our reader gives them back as they are."""

import re
from typing import Any

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*", re.ASCII)
WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})  # of one YAML or another
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


def scalar(value: Any) -> str:
    """A text, a number or a boolean; a text in quotes wherever it might be taken for something else."""
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) and value.lower() not in WORDS else quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return decimal(value) if isinstance(value, float) else str(value)


def quoted(text: str) -> str:
    """A text in double quotes, what is not printable as escapes."""
    return '"' + "".join(map(escaped, text)) + '"'


def escaped(character: str) -> str:
    """A character within double quotes."""
    if character in ESCAPES:
        return ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def decimal(number: float) -> str:
    """A float as a decimal, at its shortest."""
    text = repr(number)
    return text if "e" not in text or "." in text.split("e")[0] else text.replace("e", ".0e")


def flow(value: Any) -> str:
    """A value in the flow style: lists in brackets."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    return scalar(value)
