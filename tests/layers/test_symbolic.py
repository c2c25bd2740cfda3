"""Numbers that remember how they were calculated: the formula agrees with the value."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import floor, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcalc.symbolic import Factor, Latex, Notation, Quantity, Symbol, evaluate, expression_of, make_quantity
from tests.support.formulas import value_of, value_of_latex

NAMES = ("n", "k_h", "C_in", "p_before", "field")
Numbers = dict[str, int]


def quantity(name: str, value: int, exact: bool = False) -> Quantity:
    return make_quantity(Symbol(name, value, exact=exact))


def joined(one: st.SearchStrategy[int]) -> st.SearchStrategy[int]:
    """Combine two numbers as rules do; divisors are positive."""
    return st.one_of(
        st.builds(lambda a, b: a + b, one, one),
        st.builds(lambda a, b: a - b, one, one),
        st.builds(lambda a, b: a * b, one, one),
        st.builds(lambda a: -a, one),
        st.builds(lambda a, b: a // b, one, st.integers(1, 9)),
        st.builds(lambda a, name, b: a // quantity(name, b), one, st.sampled_from(NAMES), st.integers(1, 9)),
        st.builds(lambda a, b: -(-a // b), one, st.integers(1, 9)),
        st.builds(lambda a: a**2, one),
    )


LEAVES = st.one_of(
    st.integers(-3, 12),
    st.builds(quantity, st.sampled_from(NAMES), st.integers(0, 300)),
)
MADE = st.recursive(LEAVES, joined, max_leaves=12)


@given(MADE)
def test_a_formula_evaluates_to_its_number(number: int) -> None:
    expression = expression_of(number)
    assert evaluate(expression) == int(number)
    assert value_of(Notation(True).write(expression)) == int(number)
    assert value_of_latex(Latex(True).write(expression)) == int(number)


@given(MADE)
def test_arithmetic_is_that_of_integers(number: int) -> None:
    assert isinstance(number, int)
    assert value_of(Notation(True).write(expression_of(number))).denominator == 1


N, K, S, G = quantity("n", 224), quantity("k", 7), quantity("s", 2), quantity("g", 4, exact=True)
WRITTEN: dict[str, tuple[Callable[[], int], str]] = {
    "a sum in a product": (lambda: (N + K) * S, "(n + k) × s"),
    "a constant as it was met": (lambda: (K - 1) * S + 1, "(k - 1) × s + 1"),
    "constants together": (lambda: N + 3 - (K + 1), "n + 2 - k"),
    "equal terms together": (lambda: N + K + N - K, "2 × n"),
    "a factor of one": (lambda: prod((N, K)), "n × k"),
    "nothing": (lambda: N * 0, "0"),
    "rounded down": (lambda: (N - K) // S + 1, "floor((n - k) / s) + 1"),
    "rounded up": (lambda: -(-(N - K) // S), "ceil((n - k) / s)"),
    "without a rest": (lambda: N * K // G, "n × k / g"),
    "without a rest, a power": (lambda: N // G**2, "n / g^2"),
    "bits to bytes": (lambda: -(-N * 32 // 8), "n × 32 / 8"),
    "bits to bytes of a sum": (lambda: -(-(N + K) * 32 // 8), "(n + k) × 32 / 8"),
    "bits that fill no byte": (lambda: -(-N * 4 // 8), "ceil(n × 4 / 8)"),
    "divided by a quotient": (lambda: N // (K // G), "floor(n / (k / g))"),
    "a minus before a sum": (lambda: N - (K - S), "n - k + s"),
    "a minus first": (lambda: S * -1 + N, "-s + n"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_formulas_are_written_as_people_write_them(name: str) -> None:
    made, text = WRITTEN[name]
    assert Notation(False).write(expression_of(made())) == text


def test_a_fractional_factor_is_rounded_down() -> None:
    size = floor(N * Factor(1.5, Symbol("f", 1.5)))
    assert isinstance(size, Quantity)
    assert size == 336
    assert Notation(False).write(size.expression) == "floor(n × f)"
    assert Notation(True).write(size.expression) == "floor(224 × 1.5)"
    assert evaluate(size.expression) == Fraction(336)


def test_latex_writes_symbols_with_their_index() -> None:
    texts = [Latex(False).symbol(name) for name in ("n", "k_h", "C_in", "field", "num_parameters")]
    assert texts == ["n", "k_h", r"C_{\text{in}}", r"\text{field}", r"\text{num parameters}"]


def test_latex_of_a_window() -> None:
    text = Latex(False).write(expression_of((N - K) // S + 1))
    assert text == r"\left\lfloor \frac{n - k}{s} \right\rfloor + 1"
