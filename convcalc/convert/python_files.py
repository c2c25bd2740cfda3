"""What exports to Python files share: classes that they copy into these files, and the docstring of the file."""

import ast
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

from convcalc.convert.pytorch.names import quote_for_docstring
from convcalc.convert.pytorch.python_text import WIDTH
from convcalc.network import Network
from convcalc.version import __version__


def module_docstring_lines(network: Network, facts: str) -> Iterator[str]:
    """Return the docstring of the file of a network: its name and description, `facts`, and from what it is written."""
    title = f"{network.name}: {network.description}" if network.description else network.name
    source = f" from {quote_for_docstring(os.path.basename(network.file))}" if network.file else ""
    first, *others = textwrap.wrap(quote_for_docstring(title), WIDTH - 3, break_long_words=False) or [""]
    yield f'"""{first}'
    yield from others
    yield ""
    yield from textwrap.wrap(f"{facts} Written by convcalc {__version__}{source}.", WIDTH, break_long_words=False)
    yield '"""'


def read_class_sources(file: Path) -> dict[str, str]:
    """Return the source of each class in a Python file, with its decorators, by name. The file is not imported."""
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    return {
        node.name: "\n".join(lines[_find_first_line(node) - 1 : node.end_lineno])
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef)
    }


def _find_first_line(node: ast.ClassDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
