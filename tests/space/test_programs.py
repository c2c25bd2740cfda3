"""A traced calculation, replayed for other values, gives what Python gives for these values.

Random calculations of integers and floats are traced for one row and replayed for others, with lists and with numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcalc.exact import all_equal, fixed, gcd, largest, least, log2, real, square_root, whole
from convcalc.space import lists
from convcalc.space.programs import Program
from convcalc.space.sheets import make_sheet
from convcalc.space.steps import Constant
from convcalc.space.tracing import Trace, Traced

try:
    from convcalc.space import arrays
except ImportError:
    BACKENDS: list[ModuleType] = [lists]
else:
    BACKENDS = [lists, arrays]

Calculation = Callable[[Any, Any, Any], Any]
UNARY: dict[str, Callable[[Any], Any]] = {
    "negate": lambda a: -a,
    "absolute": abs,
    "whole": whole,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
    "real": real,
    "double": lambda a: 2 * a,
    "square": lambda a: a**2,
    "half": lambda a: a // 2,
    "share": lambda a: a / 8,
    "bytes": lambda a: -(-a * 32 // 8),
    "root": lambda a: square_root(abs(a)),
    "log2": lambda a: log2(abs(a) + 1),
    "branch": lambda a: a + 1 if a > 5 else 3 * a,
    "truth": lambda a: (a < 7) * a,
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "floor_divide": lambda a, b: a // b,
    "modulo": lambda a, b: a % b,
    "divmod": lambda a, b: sum(divmod(a, b)),
    "divide": lambda a, b: a / b,
    "largest": lambda a, b: largest(a, b, 3),
    "least": lambda a, b: least(a, b),
    "gcd": lambda a, b: gcd(whole(a), whole(b)),
    "equal": lambda a, b: a if all_equal([a, b]) else b,
    "select": lambda a, b: [a, b, 1][whole(a) % 3],
    "sum": lambda a, b: sum([a, b, a]) - b,
}


@st.composite
def calculations(draw: st.DrawFn) -> Calculation:
    """Draw a calculation with three numbers: steps that are applied to the results of earlier steps."""
    unary, binary = st.sampled_from(sorted(UNARY)), st.sampled_from(sorted(BINARY))
    step = st.tuples(unary, st.integers(0, 99)) | st.tuples(binary, st.integers(0, 99), st.integers(0, 99))
    steps = draw(st.lists(step, min_size=1, max_size=12))

    def calculate(*numbers: Any) -> Any:
        found = list(numbers)
        for name, *places in steps:
            operands = [found[place % len(found)] for place in places]
            found.append(UNARY[name](*operands) if name in UNARY else BINARY[name](*operands))
        return found[-1]

    return calculate


NUMBERS = st.integers(-40, 40) | st.sampled_from([0, 1, 7, 64, 1000, 2**31, 10**17])
FLOATS = st.sampled_from([0.5, 0.75, 1.0, 1.3, 2.5, 3.0, -1.7, 1e6])
Rows = list[tuple[Any, Any, Any]]


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.__name__)
@settings(max_examples=300)
@given(calculations(), st.lists(st.tuples(NUMBERS, NUMBERS, FLOATS), min_size=1, max_size=8))
def test_a_replayed_calculation_is_exact(backend: ModuleType, calculate: Calculation, rows: Rows) -> None:
    trace = Trace()
    try:
        result = calculate(*[trace.add_input(name, value) for name, value in zip("abc", rows[0], strict=True)])
    except (ArithmeticError, ValueError) as error:
        with pytest.raises(type(error)):
            calculate(*rows[0])
        return
    if type(result) is not Traced:
        assert result == calculate(*rows[0])
        return
    program = Program(trace, [result.step])
    guards = [(program.find(step), expected) for step, expected in trace.guards.items()]
    node = program.find(result.step)
    sheet = make_sheet(lists, dict(zip("abc", zip(*rows, strict=True), strict=True)), len(rows))
    columns = sheet.calculate(program, [found for found, _ in guards])
    for index, row in enumerate(rows):
        if all(get_at(columns.get_result(found), index) == expected for found, expected in guards):
            assert_equal(replay(backend, program, node, row), calculate(*row))
        else:
            assert index > 0


def replay(backend: ModuleType, program: Program, node: Any, row: tuple[Any, ...]) -> Any:
    """Return the result for a row, or with lists if it is too large for arrays."""
    if backend is not lists:
        try:
            sheet = make_sheet(backend, {name: [value] for name, value in zip("abc", row, strict=True)}, 1)
            return get_at(sheet.calculate(program, [node]).get_result(node), 0)
        except backend.TooLarge:
            pass
    sheet = make_sheet(lists, {name: [value] for name, value in zip("abc", row, strict=True)}, 1)
    return get_at(sheet.calculate(program, [node]).get_result(node), 0)


def get_at(values: Any, index: int) -> Any:
    if isinstance(values, Constant):
        return values.value
    return values.tolist()[index] if hasattr(values, "tolist") else values[index]


def assert_equal(found: Any, expected: Any) -> None:
    assert found == expected
    assert type(found) is type(expected)


# -- what is recorded


def traced(value: Any = 8) -> tuple[Trace, Any]:
    trace = Trace()
    return trace, trace.add_input("x", value)


def test_equal_steps_are_recorded_once_and_steps_without_effect_not_at_all() -> None:
    trace, x = traced()
    results = [x + 3, 3 + x, x * 1, x + 0, x // 1, largest(x, x), math.floor(x), +x]
    assert len(trace.steps) == 2
    assert [result.step for result in results] == [1, 1, 0, 0, 0, 0, 0, 0]
    assert (x * 0, x % 1, x == x, x < x) == (0, 0, True, False)
    assert not trace.guards


def test_terms_are_collected_and_cancelled() -> None:
    trace = Trace()
    w: Any = trace.add_input("w", 3)
    s: Any = trace.add_input("s", 5)
    live = 4 * w * s + 2 * s * w - w * s
    same = (w + s) * 8 // 8 - s
    program = Program(trace, [live.step, same.step])
    assert program.find(same.step) == program.find(w.step)
    program.find(live.step)
    mixed = [node for node in program.nodes if len(node.inputs) > 1]
    assert [node.operation for node in mixed] == ["product"]


@pytest.mark.parametrize(
    "use",
    [
        int,
        float,
        hash,
        bool,
        range,
        lambda x: [0] * x,
        lambda x: {x, 3},
        lambda x: 1 << x,
        lambda x: x & 3,
        lambda x: 2**x,
    ],
)
def test_an_unrecorded_operation_adds_a_guard_for_the_value(use: Callable[[Any], Any]) -> None:
    trace, x = traced()
    use(x)
    assert len(trace.guards) == 1


def test_text_contains_marks_that_a_spec_cannot_write() -> None:
    trace, x = traced(1234)
    text = f"{x} of {x:,} and {x!r}"
    assert trace.has_marks(text)
    assert text.isprintable()
    assert not Trace().has_marks(text)
    assert [part if isinstance(part, str) else part.format for part in trace.split_at_marks(text)] == [
        "", "", " of ", ",", " and ", "!r", "",
    ]  # fmt: skip


def test_fixed_replaces_recorded_numbers_in_lists() -> None:
    trace, x = traced()
    assert fixed([1, (x, "x"), None]) == [1, (8, "x"), None]
    assert type(fixed([x])[0]) is int
    assert trace.fixes == 1


def test_all_equal_compares_values() -> None:
    trace = Trace()
    one, other = trace.add_input("a", 8), trace.add_input("b", 8)
    assert all_equal([one, other, 8])
    assert not all_equal([one, 3])
    assert all_equal([])
    assert [trace.steps[step].operation for step in trace.guards] == ["unequal"] * 3
    assert list(trace.guards.values()) == [False, False, True]
