"""Compiles texts that contain expressions, in the form `$name` or `$(expression)`.

A text such as "conv$index" is compiled to a `Template`; its value is "conv3" if index is 3.
"""

import re
from functools import lru_cache
from typing import Any

from convcalc.arguments import is_number
from convcalc.exact import fixed, whole
from convcalc.problems import shorten, show
from convcalc.spec.expressions import Evaluate, Lookup, Parser, WrongExpression
from convcalc.spec.functions import is_whole
from convcalc.spec.scalars import walk_outside_quotes

_MOST_CHARACTERS = 1000
_MOST_TEXT = 10_000  # characters of a text after the values of its expressions are inserted
_MOST_ITEMS = 10_000  # items of an evaluated list, including those of nested lists
_NAME = re.compile(r"\$([A-Za-z]\w*)", re.ASCII)


class _Expression:
    """One `$name` or `$(expression)` in a text; `names` maps the names in it to their start and end in the text."""

    __slots__ = ("evaluate", "names")

    def __init__(self, evaluate: Evaluate, names: dict[str, tuple[int, int]]) -> None:
        self.evaluate = evaluate
        self.names = names


class Template:
    """A text with at least one expression.

    If the text is only one expression, such as `$width`, `whole` is that expression, and its value can be of any type.
    Otherwise, `whole` is None, and the values of the expressions are inserted into the text. `names` maps the names in
    the expressions to their start and end in the text.
    """

    __slots__ = ("names", "parts", "text", "whole")

    def __init__(self, text: str, parts: list[str | _Expression]) -> None:
        self.text = text
        self.parts = parts
        self.whole = parts[0] if len(parts) == 1 and isinstance(parts[0], _Expression) else None
        self.names = {
            name: place for part in parts if isinstance(part, _Expression) for name, place in part.names.items()
        }

    def evaluate(self, lookup: Lookup) -> Any:
        """Return the value of the text; `lookup` returns the value for a name.

        A float without a fraction becomes an integer. Raises WrongExpression for a calculation that fails, such as
        `1 / 0`.
        """
        if self.whole is not None:
            value = self.whole.evaluate(lookup)
            return whole(value) if value.__class__ is float and value.is_integer() else value
        text = "".join(
            part if isinstance(part, str) else self._format_value(part.evaluate(lookup)) for part in self.parts
        )
        if len(text) > _MOST_TEXT:
            raise WrongExpression(f"the text has more than {_MOST_TEXT:,} characters", 0, len(self.text))
        return text

    def _format_value(self, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if is_number(value):
            value = fixed(value)
            return str(int(value)) if is_whole(value) else repr(value)
        if isinstance(value, str):
            return value
        raise WrongExpression(f"text cannot contain {show(value)}", 0, len(self.text))


@lru_cache(maxsize=10_000)
def compile_text(text: str) -> Template | str:
    """Return the `Template` of a text with expressions; return a text without expressions as a string.

    In both cases, `$$` becomes a literal `$`. Raises WrongExpression if an expression is malformed.
    """
    parts: list[str | _Expression] = []
    position, literal_text = 0, ""
    while (dollar := text.find("$", position)) >= 0:
        literal_text += text[position:dollar]
        if text.startswith("$$", dollar):
            literal_text += "$"
            position = dollar + 2
            continue
        if literal_text:
            parts.append(literal_text)
            literal_text = ""
        expression, position = _compile_expression(text, dollar)
        parts.append(expression)
    literal_text += text[position:]
    if literal_text:
        parts.append(literal_text)
    if any(isinstance(part, _Expression) for part in parts):
        return Template(text, parts)
    return literal_text


def _compile_expression(text: str, dollar: int) -> tuple[_Expression, int]:
    """Return the expression that begins at the index `dollar`, and the index after its end."""
    if text.startswith("$(", dollar):
        end = _find_closing_parenthesis(text, dollar + 1)
        if end - dollar - 2 > _MOST_CHARACTERS:
            raise WrongExpression(f"the expression has more than {_MOST_CHARACTERS:,} characters", dollar, dollar + 2)
        parser = Parser(text, dollar + 2, end)
        return _Expression(parser.parse(), parser.names), end + 1
    match = _NAME.match(text, dollar)
    if match is None:
        braces = re.match(r"\$\{([^{}$]{1,60})\}", text[dollar:])
        if braces is not None:
            hint = f"write {replace_braces(braces[1])}"
            raise WrongExpression("an expression has no braces", dollar, dollar + braces.end(), hint)
        raise WrongExpression(
            "$ must be followed by a name or by (expression)", dollar, dollar + 1, "a literal dollar sign is $$"
        )
    name = match[1]
    return _Expression(lambda lookup: lookup(name), {name: match.span(1)}), match.end()


def replace_braces(inner: str) -> str:
    """Return the correct form of `${inner}`, in which other languages write expressions; convcalc does not.

    >>> replace_braces("width"), replace_braces("2 * width")
    ('$width', '$(2 * width)')
    """
    inner = inner.strip()
    return f"${inner}" if _NAME.fullmatch(f"${inner}") else f"$({inner})"


def _find_closing_parenthesis(text: str, opening: int) -> int:
    """Return the index of the closing parenthesis. Raises WrongExpression if it is missing."""
    depth, character = 0, ""
    for index, character in walk_outside_quotes(text, opening, len(text)):
        if character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return index
    what = "$(" if character not in ("'", '"') else "a quote"
    raise WrongExpression(f"{what} is never closed in {shorten(text)}", opening - 1, opening + 1)


def check_list_length(items: list[Any]) -> list[Any]:
    """Return the list unchanged. Raises WrongExpression if it has too many items in total, with those of nested lists.

    Without a limit, a short spec could have a huge list: `b: [$a, $a]`, `c: [$b, $b]` and so on.
    """
    if _count_items(items, _MOST_ITEMS) > _MOST_ITEMS:
        raise WrongExpression(f"the list has more than {_MOST_ITEMS:,} items", 0, 1)
    return items


def _count_items(value: Any, most: int) -> int:
    """Return the number of items, also in nested lists; counting stops when it exceeds `most`."""
    if not isinstance(value, list):
        return 1
    total = len(value)
    for item in value:
        if total > most:
            break
        total += _count_items(item, most - total) if isinstance(item, list) else 0
    return total
