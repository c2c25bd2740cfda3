"""Parses the signatures of PyTorch's operations, which an archive of torch.export refers to without repeating them.

For example, `aten::relu_(Tensor(a!) self) -> Tensor(a!)` says that `relu_` overwrites its argument `self`. The file
aten_schemas.txt has the signatures whose defaults and aliases `aten_to_onnx` needs; `python -m
tests.rewrite_aten_schemas` writes it.
"""

import re
from ast import literal_eval
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

_ARGUMENT = re.compile(r"(?P<type>[\w.]+(?:\((?P<alias>[^)]*)\))?[\[\]?\w]*) (?P<name>\w+)(?:=(?P<default>.*))?")
_CONSTANTS = re.compile(r"[A-Za-z_]\w*")


class Alias(NamedTuple):
    """Marks an argument that shares its memory with the result; `is_write` if the operation overwrites it."""

    is_write: bool


class Argument(NamedTuple):
    """An argument of an operation, with the attributes that torch.Argument has."""

    name: str
    default_value: Any = None
    optional: bool = False
    alias_info: Alias | None = None

    def has_default_value(self) -> bool:
        """Whether the argument may be left out."""
        return self.optional


class Schema(NamedTuple):
    """The signature of an operation, with the attributes that torch.FunctionSchema has."""

    name: str
    arguments: tuple[Argument, ...]

    @property
    def is_mutable(self) -> bool:
        """Whether the operation overwrites an argument."""
        return any(argument.alias_info is not None and argument.alias_info.is_write for argument in self.arguments)


def find_schema(name: str) -> Schema | None:
    """Return the signature of an operation such as `aten::mean.dim`; None if aten_schemas.txt does not have it."""
    text = _list_signatures().get(name)
    return None if text is None else _parse(text)


@cache
def _list_signatures() -> dict[str, str]:
    listed = (files(__package__) / "aten_schemas.txt").read_text(encoding="utf-8")
    return {line.partition("(")[0]: line for line in listed.splitlines()}


@cache
def _parse(text: str) -> Schema:
    name, _, rest = text.partition("(")
    inside = rest.rpartition(") -> ")[0]
    arguments = [_parse_argument(part) for part in re.split(r", (?![^\[(]*[\])])", inside) if part not in ("", "*")]
    return Schema(name.partition(".")[0], tuple(arguments))


def _parse_argument(text: str) -> Argument:
    found = _ARGUMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"not an argument: {text}")
    alias = None if found["alias"] is None else Alias("!" in found["alias"])
    default = found["default"]
    return Argument(found["name"], _parse_default(default), default is not None, alias)


def _parse_default(text: str | None) -> Any:
    if text is None or text in ("None", "True", "False"):
        return {"True": True, "False": False}.get(text or "")
    return text if _CONSTANTS.fullmatch(text) else literal_eval(text)
