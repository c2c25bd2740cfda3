"""Writes the classes of an exported module as Python code, with line breaks like those of common formatters."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from convcalc.convert.pytorch.calls import REQUIRED, ModuleCall
from convcalc.convert.pytorch.classes import (
    ALWAYS_NAMED,
    ClassParameter,
    ModuleClass,
    ParameterReference,
    is_same_value,
)
from convcalc.convert.pytorch.drafts import FrozenModule, ModuleAlias, ModuleContainer
from convcalc.convert.pytorch.forward import Forward

WIDTH = 100
INDENT = "    "


def class_lines(module_class: ModuleClass) -> Iterator[str]:
    """Yield the lines of a class, without line ends."""
    base = "nn.Sequential" if module_class.forward is None else "nn.Module"
    yield f"class {module_class.name}({base}):"
    yield f'{INDENT}"""{_write_class_docstring(module_class)}"""'
    yield ""
    parameters = [_write_parameter(parameter) for parameter in module_class.parameters]
    yield from wrap_items(f"{INDENT}def __init__(", ["self", *parameters], ") -> None:", 1)
    yield f"{INDENT * 2}super().__init__()"
    for name, item in module_class.items:
        yield from expression_lines(item, 2, f"self.{name} = ")
    for target, source in module_class.ties:
        yield f"{INDENT * 2}{target} = {source}"
    if module_class.forward is not None:
        yield ""
        yield from _forward_lines(module_class.forward)


def _write_class_docstring(module_class: ModuleClass) -> str:
    return "The network." if module_class.uses == ("",) else describe_uses(module_class.word, module_class.uses)


def describe_uses(word: str, uses: Sequence[str]) -> str:
    """Return a docstring that names a block and where it is used, such as `basic: stage1 and 3 more.`."""
    first, others = uses[0], len(uses) - 1
    text = f"{word}: {first} and {others} more." if others else f"{word}: {first}."
    return text if len(text) < WIDTH - 10 else f"{word}."


def _write_parameter(parameter: ClassParameter) -> str:
    """Return the declaration of a parameter, such as `stride: int = 1`."""
    types = dict.fromkeys(type(value).__name__ for value in parameter.values)
    default = "" if parameter.default is ALWAYS_NAMED else f" = {write_value(parameter.default)}"
    return f"{parameter.name}: {' | '.join(types)}{default}"


def _forward_lines(forward: Forward) -> Iterator[str]:
    inputs = [f"{name}: Tensor" for name in forward.inputs]
    yield from wrap_items(f"{INDENT}def forward(", ["self", *inputs], f") -> {forward.returns}:", 1)
    for statement in [*forward.statements, f"return {forward.returned}"]:
        yield from _break_statement(f"{INDENT * 2}{statement}")


def _break_statement(line: str) -> Iterator[str]:
    """Yield a statement, with one line per item if it is too long and has a list or dict."""
    opening = min((line.find(bracket) for bracket in ("([", "{") if bracket in line), default=-1)
    if len(line) <= WIDTH or opening < 0:
        yield line
        return
    start = opening + 1 + (line[opening] == "(")
    stop = line.rindex("]" if line[opening] == "(" else "}")
    yield from wrap_items(line[:start], line[start:stop].split(", "), line[stop:], 2)


def wrap_items(before: str, items: Iterable[str], after: str, depth: int) -> Iterator[str]:
    """Yield items between brackets: on a single line if they fit, else on one line for each item.

    `before` ends with the opening bracket, `after` begins with the closing one. `depth` is the indentation level.
    """
    items = list(items)
    line = f"{before}{', '.join(items)}{after}"
    if len(line) <= WIDTH:
        yield line
        return
    yield before
    for item in items:
        yield f"{INDENT * (depth + 1)}{item},"
    yield f"{INDENT * depth}{after}"


def expression_lines(expression: Any, depth: int, before: str = "", after: str = "") -> Iterator[str]:
    """Yield the lines of `before`, an expression and `after`, indented `depth` levels."""
    if isinstance(expression, FrozenModule):
        yield from expression_lines(expression.module, depth, before, f".requires_grad_(False){after}")
        return
    if isinstance(expression, _Copies):
        yield from expression_lines(
            expression.module, depth, f"{before}*(", f" for _ in range({expression.count})){after}"
        )
        return
    line = f"{INDENT * depth}{before}{_write_on_one_line(expression)}{after}"
    parts = list(_list_items(expression))
    if len(line) <= WIDTH or not parts:
        yield line
        return
    opening, closing = _find_brackets(expression)
    yield f"{INDENT * depth}{before}{opening}"
    for name, value in parts:
        yield from expression_lines(value, depth + 1, name, ",")
    yield f"{INDENT * depth}{closing}{after}"


def _write_on_one_line(expression: Any) -> str:
    if isinstance(expression, FrozenModule):
        return f"{_write_on_one_line(expression.module)}.requires_grad_(False)"
    if isinstance(expression, _Copies):
        return f"*({_write_on_one_line(expression.module)} for _ in range({expression.count}))"
    if not isinstance(expression, ModuleCall | ModuleContainer):
        return write_value(expression)
    opening, closing = _find_brackets(expression)
    return (
        opening + ", ".join(f"{name}{_write_on_one_line(value)}" for name, value in _list_items(expression)) + closing
    )


def _find_brackets(expression: Any) -> tuple[str, str]:
    """Return the opening and closing text of a call or container, such as `nn.ReLU(` and `)`."""
    if isinstance(expression, ModuleCall):
        return f"{expression.target}(", ")"
    if expression.target == "nn.ModuleList":
        return "nn.ModuleList([", "])"
    return ("nn.Sequential(", ")") if _is_numbered(expression) else ("nn.Sequential(OrderedDict(", "))")


class _Copies:
    """Consecutive equal modules, written as `*(nn.ReLU() for _ in range(3))`."""

    def __init__(self, module: Any, count: int) -> None:
        self.module = module
        self.count = count


def _list_items(expression: Any) -> Iterator[tuple[str, Any]]:
    """Yield each argument or element of an expression after its prefix, such as `stride=`, or "" if it has none.

    Arguments with their default values are left out. Three or more equal elements in a row become `_Copies`.
    """
    if isinstance(expression, ModuleCall):
        for argument in expression.arguments:
            if argument.default in (REQUIRED, ALWAYS_NAMED) or not is_same_value(argument.value, argument.default):
                yield "" if argument.default is REQUIRED else f"{argument.name}=", argument.value
    elif isinstance(expression, ModuleContainer) and not _is_numbered(expression):
        for key, item in expression.items:
            yield f"{key}=", item
    elif isinstance(expression, ModuleContainer):
        for module, run in groupby(item for _, item in expression.items):
            count = len(list(run))
            yield "", _Copies(module, count) if count > 2 else module
            if count == 2:
                yield "", module


def _is_numbered(container: ModuleContainer) -> bool:
    return all(key.isdigit() for key, _ in container.items)


def write_value(value: Any) -> str:
    """Return the text of a plain value, a class parameter, or a reference to another module."""
    if isinstance(value, ParameterReference):
        return value.name
    if isinstance(value, ModuleAlias):
        return value.path
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    return f'"{value}"' if isinstance(value, str) else repr(value)
