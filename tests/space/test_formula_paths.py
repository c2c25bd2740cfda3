"""Formulas that are calculated for many rows at once have the values and messages of those that are calculated singly.

The expressions are drawn at random, over columns of small and huge integers, floats, texts, truths and unknown values.
"""

import os
from random import Random
from typing import Any

import pytest

import convcalc
from convcalc.problems import Flaw
from convcalc.space import formula_paths, lists
from convcalc.space.formula_paths import _Calculation, calculate
from convcalc.space.formulas import Formula, read_formula

np: Any = pytest.importorskip("numpy", exc_type=ImportError)
from convcalc.space import arrays  # noqa: E402

ROWS = 40
FORMULAS = 3_000 if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else 250
NUMBERS = ("small", "big", "real", "huge", "gaps", "mixed", "truth")
FUNCTIONS = {
    "min": 2,
    "max": 2,
    "abs": 1,
    "round": 1,
    "floor": 1,
    "ceil": 1,
    "int": 1,
    "sqrt": 1,
    "log2": 1,
    "round8": 1,
}


@pytest.fixture(autouse=True)
def for_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formula_paths, "choose_backend", lambda rows: arrays)
    monkeypatch.setattr(formula_paths, "_FEWEST", 2)


def make_columns(random: Random) -> dict[str, Any]:
    def draw(*choices: Any) -> list[Any]:
        return [random.choice(choices) for _ in range(ROWS)]

    return {
        "small": np.array(draw(*range(-4, 9))),
        "big": np.array(draw(0, 2**53, 2**53 + 1, 2**61, -(2**61), 3 * 10**9)),
        "real": np.array([random.choice([0.0, 0.1, 1.5, -2.25, random.uniform(-9, 9)]) for _ in range(ROWS)]),
        "huge": draw(2**62, 2**70, -(2**63), 5, 7),
        "gaps": draw(None, 3, 4, 0.5),
        "mixed": draw(1, 1.0, 2, 2.5, True),
        "truth": np.array(draw(True, False)),
        "text": np.array(draw("relu", "gelu", "3×8"), dtype=object),
        "sizes": draw([1, 2], [3, 5]),
    }


def make_expression(random: Random, depth: int) -> str:
    def inner() -> str:
        return make_expression(random, depth - 1)

    if depth == 0:
        constant = random.choice(["0", "2", "0.5", "3M", "9007199254740993", "2**62"])
        return random.choice([*NUMBERS, *NUMBERS, constant, "(text == 'relu')", "sizes[1]", "len(sizes)"])
    kind = random.randrange(9)
    if kind < 3:
        return f"({inner()} {random.choice(['+', '-', '*', '/', '//', '%'])} {inner()})"
    if kind < 5:
        return f"({inner()} {random.choice(['<', '<=', '>', '>=', '==', '!='])} {inner()})"
    if kind == 5:
        return f"({inner()} {random.choice(['and', 'or'])} {inner()})"
    if kind == 6:
        return f"({inner()} if {inner()} else {inner()})"
    if kind == 7:
        name = random.choice(list(FUNCTIONS))
        return f"{name}({', '.join(inner() for _ in range(FUNCTIONS[name]))})"
    return random.choice([f"(not {inner()})", f"(-{inner()})", f"({inner()} ** 2)"])


def compare(formula: Formula, columns: dict[str, Any]) -> None:
    """Compare the values, their classes and the messages."""
    plain = {name: column.tolist() if hasattr(column, "tolist") else column for name, column in columns.items()}
    expected: Any = None
    try:
        expected = formula.evaluate_rows(plain, ROWS)
    except Flaw as flaw:
        said = flaw.message
    if expected is None:
        with pytest.raises(Flaw) as caught:
            calculate(formula, columns, ROWS)
        assert caught.value.message == said
        return
    values, failures = calculate(formula, columns, ROWS)
    found = values.tolist() if hasattr(values, "tolist") else values
    assert repr(found) == repr(expected[0]), formula.text
    assert (failures, list(failures)) == (expected[1], list(expected[1])), formula.text


def test_random_formulas_have_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(5)
    alone: list[int] = []
    usual = _Calculation._calculate_one_by_one

    def note(self: _Calculation, rows: list[int]) -> None:
        alone.extend(rows)
        usual(self, rows)

    monkeypatch.setattr(_Calculation, "_calculate_one_by_one", note)
    for _ in range(FORMULAS):
        columns = make_columns(random)
        text = make_expression(random, random.choice([1, 2, 2, 3]))
        formula = read_formula("--where", text, list(columns))
        compare(formula, columns)
        compare(formula, make_columns(random))  # with the paths that are known
    assert len(alone) < 0.6 * 2 * FORMULAS * ROWS  # many columns have numbers that are too large for numpy


@pytest.mark.parametrize("text", ["macs < 300M and peak_memory < 256KiB", "macs / params", "params // 1000 * 0.5"])
def test_formulas_of_figures_are_calculated_together(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Calculation, "_calculate_one_by_one", None)
    random = Random(1)
    columns = {
        name: np.array([random.randrange(0, 10**9) for _ in range(ROWS)]) for name in ("macs", "peak_memory", "params")
    }
    formula = read_formula("--where", text, list(columns))
    values, _ = calculate(formula, columns, ROWS)
    plain = {name: column.tolist() for name, column in columns.items()}
    assert values.tolist() == formula.evaluate_rows(plain, ROWS)[0]  # type: ignore[attr-defined]


def test_a_sweep_with_expressions_is_the_same_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {"params": {"n": 1, "kind": "relu"}, "input": [3], "layers": [{"linear": "$n"}, "$kind"]}
    asked: dict[str, Any] = {
        "params": {"n": "1:1200:1", "kind": ["relu", "silu"]},
        "columns": ["params", "flops", "output_shape"],
        "derive": ["ratio=flops/(n-7)", "few=params if kind == 'relu' else 2.0"],
        "where": ["ratio > 1.2 or few == 2", "params < 3K"],
    }
    fast = convcalc.sweep(spec, **asked)
    monkeypatch.setattr(formula_paths, "choose_backend", lambda rows: lists)
    slow = convcalc.sweep(spec, **asked)
    assert repr(fast.rows) == repr(slow.rows)
    assert 0 < fast.filtered == slow.filtered < 2400
