"""Classes as Python text, lines broken as formatters do."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from convcalc.convert.pytorch.calls import REQUIRED, Call
from convcalc.convert.pytorch.classes import NAMED, Class, Parameter, Slot, same
from convcalc.convert.pytorch.drafts import Alias, Container, Frozen
from convcalc.convert.pytorch.forward import Forward

WIDTH = 100
INDENT = "    "


def class_lines(made: Class) -> Iterator[str]:
    """The lines of a class."""
    base = "nn.Sequential" if made.forward is None else "nn.Module"
    yield f"class {made.name}({base}):"
    yield f'{INDENT}"""{said_of(made)}"""'
    yield ""
    parameters = [parameter_text(parameter) for parameter in made.parameters]
    yield from wrapped(f"{INDENT}def __init__(", ["self", *parameters], ") -> None:", 1)
    yield f"{INDENT * 2}super().__init__()"
    for name, item in made.items:
        yield from rendered(item, 2, f"self.{name} = ")
    for target, source in made.ties:
        yield f"{INDENT * 2}{target} = {source}"
    if made.forward is not None:
        yield ""
        yield from forward_lines(made.forward)


def said_of(made: Class) -> str:
    """The docstring: what the class is in the network."""
    if made.uses == ("",):
        return "The network."
    first, others = made.uses[0], len(made.uses) - 1
    said = f"{made.word}: {first} and {others} more." if others else f"{made.word}: {first}."
    return said if len(said) < WIDTH - 10 else f"{made.word}."


def parameter_text(parameter: Parameter) -> str:
    """`stride: int = 1`."""
    types = dict.fromkeys(type(value).__name__ for value in parameter.values)
    default = "" if parameter.default is NAMED else f" = {literal(parameter.default)}"
    return f"{parameter.name}: {' | '.join(types)}{default}"


def forward_lines(forward: Forward) -> Iterator[str]:
    """The lines of a forward."""
    given = [f"{name}: Tensor" for name in forward.given]
    yield from wrapped(f"{INDENT}def forward(", ["self", *given], f") -> {forward.returns}:", 1)
    for statement in [*forward.statements, f"return {forward.returned}"]:
        yield from broken(f"{INDENT * 2}{statement}")


def broken(line: str) -> Iterator[str]:
    """A statement, at its outermost brackets on several lines where it is long."""
    opening = min((line.find(bracket) for bracket in ("([", "{") if bracket in line), default=-1)
    if len(line) <= WIDTH or opening < 0:
        yield line
        return
    start = opening + 1 + (line[opening] == "(")
    stop = line.rindex("]" if line[opening] == "(" else "}")
    yield from wrapped(line[:start], line[start:stop].split(", "), line[stop:], 2)


def wrapped(before: str, items: Iterable[str], after: str, depth: int) -> Iterator[str]:
    """Items between brackets: on a line where they fit, else each on its own."""
    items = list(items)
    line = f"{before}{', '.join(items)}{after}"
    if len(line) <= WIDTH:
        yield line
        return
    yield before
    for item in items:
        yield f"{INDENT * (depth + 1)}{item},"
    yield f"{INDENT * depth}{after}"


def rendered(expression: Any, depth: int, before: str = "", after: str = "") -> Iterator[str]:
    """The lines of an expression, indented, with what stands before and behind it."""
    if isinstance(expression, Frozen):
        yield from rendered(expression.module, depth, before, f".requires_grad_(False){after}")
        return
    if isinstance(expression, Copies):
        yield from rendered(expression.module, depth, f"{before}*(", f" for _ in range({expression.count})){after}")
        return
    line = f"{INDENT * depth}{before}{inline(expression)}{after}"
    parts = list(arguments(expression))
    if len(line) <= WIDTH or not parts:
        yield line
        return
    opening, closing = brackets(expression)
    yield f"{INDENT * depth}{before}{opening}"
    for name, value in parts:
        yield from rendered(value, depth + 1, name, ",")
    yield f"{INDENT * depth}{closing}{after}"


def inline(expression: Any) -> str:
    """An expression on one line."""
    if isinstance(expression, Frozen):
        return f"{inline(expression.module)}.requires_grad_(False)"
    if isinstance(expression, Copies):
        return f"*({inline(expression.module)} for _ in range({expression.count}))"
    if not isinstance(expression, Call | Container):
        return literal(expression)
    opening, closing = brackets(expression)
    return opening + ", ".join(f"{name}{inline(value)}" for name, value in arguments(expression)) + closing


def brackets(expression: Any) -> tuple[str, str]:
    """What stands around the arguments of an expression."""
    if isinstance(expression, Call):
        return f"{expression.target}(", ")"
    if expression.target == "nn.ModuleList":
        return "nn.ModuleList([", "])"
    return ("nn.Sequential(", ")") if is_numbered(expression) else ("nn.Sequential(OrderedDict(", "))")


class Copies:
    """Equal modules one after the other."""

    def __init__(self, module: Any, count: int) -> None:
        self.module = module
        self.count = count


def arguments(expression: Any) -> Iterator[tuple[str, Any]]:
    """What stands between the brackets of an expression, each with the `name=` before it."""
    if isinstance(expression, Call):
        for argument in expression.arguments:
            if argument.default in (REQUIRED, NAMED) or not same(argument.value, argument.default):
                yield "" if argument.default is REQUIRED else f"{argument.name}=", argument.value
    elif isinstance(expression, Container) and not is_numbered(expression):
        for key, item in expression.items:
            yield f"{key}=", item
    elif isinstance(expression, Container):
        for module, run in groupby(item for _, item in expression.items):
            count = len(list(run))
            yield "", Copies(module, count) if count > 2 else module
            if count == 2:
                yield "", module


def is_numbered(container: Container) -> bool:
    """Whether the modules of a container are known by their places."""
    return all(key.isdigit() for key, _ in container.items)


def literal(value: Any) -> str:
    """A plain value, a parameter, or a module that stands elsewhere."""
    if isinstance(value, Slot):
        return value.name
    if isinstance(value, Alias):
        return value.path
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    return f'"{value}"' if isinstance(value, str) else repr(value)
