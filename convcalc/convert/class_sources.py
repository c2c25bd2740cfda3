"""Reads the source of classes that exports copy into the files that they write; the classes are not imported."""

import ast
from pathlib import Path


def read_class_sources(file: Path) -> dict[str, str]:
    """Return the source of each class in a Python file, with its decorators, by the name of the class."""
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    return {
        node.name: "\n".join(lines[_find_first_line(node) - 1 : node.end_lineno])
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef)
    }


def _find_first_line(node: ast.ClassDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
