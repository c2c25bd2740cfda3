"""Formulas: expressions in symbols that have values, and numbers that remember how they were made.

A `Quantity` is a whole number with the expression that gave it: a rule of a layer kind that is run on quantities
gives its result together with its own formula, so that what is shown is what is computed. An expression renders as
text or LaTeX, in symbols or with the numbers put in.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor, prod
from typing import Any, NamedTuple, TypeAlias


class Symbol(NamedTuple):
    """A named value. `plain` is its name where only one axis is spoken of; `exact`: as a divisor it leaves no rest."""

    name: str
    value: int | float
    meaning: str = ""
    plain: str = ""
    exact: bool = False

    def called(self, one_axis: bool) -> str:
        """Its name, the short one where only one axis is spoken of."""
        return self.plain if one_axis and self.plain else self.name


class Constant(NamedTuple):
    """A whole number."""

    value: int


class Sum(NamedTuple):
    """Terms with their coefficients, in the order in which they were added."""

    terms: tuple[tuple[int, "Expression"], ...]


class Product(NamedTuple):
    """Factors, in the order in which they were multiplied."""

    factors: tuple["Expression", ...]


class Quotient(NamedTuple):
    """A division: rounded down (`floor`), up (`ceil`), or without a remainder (`exact`)."""

    dividend: "Expression"
    divisor: "Expression"
    rounding: str


class Power(NamedTuple):
    """A base to a whole power."""

    base: "Expression"
    exponent: int


class Floor(NamedTuple):
    """A product that is not whole, rounded down; `product` is what it comes to as floating-point numbers."""

    value: "Expression"
    product: float


Expression: TypeAlias = Symbol | Constant | Sum | Product | Quotient | Power | Floor


# -- making expressions


def _add(one: Expression, other: Expression, sign: int = 1) -> Expression:
    """A sum (or, with sign -1, a difference), equal terms taken together and constants too."""
    found: dict[Expression | None, int] = {}  # by term; constants under None, where the first of them stood
    for factor, expression in ((1, one), (sign, other)):
        for coefficient, term in expression.terms if isinstance(expression, Sum) else ((1, expression),):
            value, key = (term.value, None) if isinstance(term, Constant) else (1, term)
            found[key] = found.get(key, 0) + factor * coefficient * value
    terms = tuple(
        (coefficient, term) if term is not None else (1 if coefficient > 0 else -1, Constant(abs(coefficient)))
        for term, coefficient in found.items()
        if coefficient
    )
    if not terms:
        return Constant(0)
    return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else Sum(terms)


def _multiply(one: Expression, other: Expression) -> Expression:
    """A product without factors of 1; nothing where a factor is 0; a minus stands before it."""
    factors: list[Expression] = []
    negative = False
    for side in (one, other):
        for factor in side.factors if isinstance(side, Product) else (side,):
            negative ^= _is_negative(factor)
            factors.append(_negate(factor) if _is_negative(factor) else factor)
    kept = tuple(factor for factor in factors if factor != Constant(1))
    if Constant(0) in kept:
        return Constant(0)
    product = Product(kept) if len(kept) > 1 else kept[0] if kept else Constant(1)
    return _negate(product) if negative else product


def _divide(dividend: Expression, divisor: Expression) -> Expression:
    """A quotient rounded down; of divisors that leave no rest an exact one."""
    if isinstance(dividend, Constant) and isinstance(divisor, Constant):
        return Constant(dividend.value // divisor.value)
    if divisor == Constant(1):
        return dividend
    if not _divides_exactly(dividend, divisor):
        return Quotient(dividend, divisor, "floor")
    if _is_negative(dividend):
        return _negate(Quotient(_negate(dividend), divisor, "exact"))
    return Quotient(dividend, divisor, "exact")


def _divides_exactly(dividend: Expression, divisor: Expression) -> bool:
    """Whether a division is without remainder, whatever the values."""
    if isinstance(divisor, Constant):
        if isinstance(dividend, Sum):
            return all(factor % divisor.value == 0 or _divides_exactly(term, divisor) for factor, term in dividend.terms)
        factors = dividend.factors if isinstance(dividend, Product) else (dividend,)
        return any(isinstance(factor, Constant) and factor.value % divisor.value == 0 for factor in factors)
    if isinstance(divisor, Product):
        return all(_divides_exactly(dividend, factor) for factor in divisor.factors if not isinstance(factor, Constant))
    base = divisor.base if isinstance(divisor, Power) else divisor
    return isinstance(base, Symbol) and base.exact


def _is_negative(value: Expression) -> bool:
    """Whether a minus stands before all that an expression has."""
    if isinstance(value, Constant):
        return value.value < 0
    return isinstance(value, Sum) and all(coefficient < 0 for coefficient, _ in value.terms)


def _negate(value: Expression) -> Expression:
    """The negative; of a quotient rounded down, the negative dividend's rounded up."""
    if isinstance(value, Quotient) and value.rounding == "floor":
        return Quotient(_negate(value.dividend), value.divisor, "ceil")
    return _add(Constant(0), value, -1)


def evaluate(value: Expression) -> Fraction:
    """What an expression comes to."""
    if isinstance(value, Symbol | Constant):
        return Fraction(str(value.value))
    if isinstance(value, Sum):
        return sum((coefficient * evaluate(term) for coefficient, term in value.terms), Fraction(0))
    if isinstance(value, Product):
        return prod(map(evaluate, value.factors), start=Fraction(1))
    if isinstance(value, Power):
        return Fraction(evaluate(value.base) ** value.exponent)
    if isinstance(value, Floor):
        return Fraction(floor(value.product))
    quotient = evaluate(value.dividend) / evaluate(value.divisor)
    return {"floor": Fraction(floor(quotient)), "ceil": Fraction(ceil(quotient)), "exact": quotient}[value.rounding]


def _list_parts(value: Expression) -> tuple[Expression, ...]:
    """The expressions that an expression is made of."""
    if isinstance(value, Sum):
        return tuple(term for _, term in value.terms)
    if isinstance(value, Product):
        return value.factors
    if isinstance(value, Quotient):
        return value.dividend, value.divisor
    return (value.base,) if isinstance(value, Power) else (value.value,) if isinstance(value, Floor) else ()


def symbols(value: Expression) -> Iterator[Symbol]:
    """The symbols of an expression, from left to right."""
    if isinstance(value, Symbol):
        yield value
    for part in _list_parts(value):
        yield from symbols(part)


# -- numbers that remember


class Quantity(int):
    """A whole number with the expression that gave it; sums, products and quotients of it are quantities too."""

    expression: Expression

    def __new__(cls, value: int, expression: Expression) -> "Quantity":
        """A number and what gave it."""
        quantity = super().__new__(cls, value)
        quantity.expression = expression
        return quantity

    def __add__(self, other: int) -> "Quantity":
        return Quantity(int(self) + int(other), _add(self.expression, expression_of(other)))

    def __radd__(self, other: int) -> "Quantity":
        return Quantity(int(other) + int(self), _add(expression_of(other), self.expression))

    def __sub__(self, other: int) -> "Quantity":
        return Quantity(int(self) - int(other), _add(self.expression, expression_of(other), -1))

    def __rsub__(self, other: int) -> "Quantity":
        return Quantity(int(other) - int(self), _add(expression_of(other), self.expression, -1))

    def __mul__(self, other: int) -> "Quantity":
        if isinstance(other, float):
            return NotImplemented
        return Quantity(int(self) * int(other), _multiply(self.expression, expression_of(other)))

    def __rmul__(self, other: int) -> "Quantity":
        return Quantity(int(other) * int(self), _multiply(expression_of(other), self.expression))

    def __floordiv__(self, other: int) -> "Quantity":
        return Quantity(int(self) // int(other), _divide(self.expression, expression_of(other)))

    def __rfloordiv__(self, other: int) -> "Quantity":
        return Quantity(int(other) // int(self), _divide(expression_of(other), self.expression))

    def __pow__(self, exponent: int, modulus: int | None = None) -> Any:
        if modulus is not None:  # a number in a ring has no formula here
            return pow(int(self), int(exponent), int(modulus))
        return Quantity(int(self) ** int(exponent), Power(self.expression, int(exponent)))

    def __neg__(self) -> "Quantity":
        return Quantity(-int(self), _negate(self.expression))

    def __floor__(self) -> "Quantity":
        return self


class Factor(float):
    """A number that is not whole, with its expression; what it multiplies is rounded down before it is used."""

    expression: Expression

    def __new__(cls, value: float, expression: Expression) -> "Factor":
        """A number and what gave it."""
        factor = super().__new__(cls, value)
        factor.expression = expression
        return factor

    def __rmul__(self, other: int) -> "Factor":  # type: ignore[override]
        return Factor(int(other) * float(self), _multiply(expression_of(other), self.expression))

    def __floor__(self) -> Quantity:
        return Quantity(floor(float(self)), Floor(self.expression, float(self)))


def expression_of(value: int) -> Expression:
    """The expression of a number: that which gave it, or the number itself."""
    return value.expression if isinstance(value, Quantity | Factor) else Constant(int(value))


def named(symbol: Symbol) -> Quantity:
    """A symbol's value, which remembers the symbol."""
    return Quantity(int(symbol.value), symbol)


# -- as text and as LaTeX


class Notation:
    """How expressions are written as text: `floor((n - k) / s) + 1`, in symbols or with the numbers put in."""

    times = " × "

    def __init__(self, numbers: bool, one_axis: bool = False) -> None:
        self.numbers = numbers
        self.one_axis = one_axis

    def write(self, value: Expression, place: int = 0) -> str:
        """An expression, in parentheses where its place asks for more than it binds (1 a factor, 2 a divisor)."""
        if isinstance(value, Symbol):
            return self.number(value.value) if self.numbers else self.symbol(value.called(self.one_axis))
        if isinstance(value, Constant):
            return self.number(value.value)
        if isinstance(value, Floor):
            as_on_paper = floor(evaluate(value.value)) == floor(value.product)
            shown = self.write(value.value) if as_on_paper or not self.numbers else self.number(value.product)
            return self.rounded("floor", shown)
        if isinstance(value, Power):
            return f"{self.write(value.base, 2)}^{value.exponent}"
        if isinstance(value, Quotient):
            return self.quotient(value, place)
        text, binding = (self.sum(value), 0) if isinstance(value, Sum) else (self.product(value), 1)
        return self.grouped(text) if binding < place else text

    def product(self, value: Product) -> str:
        """Factors with a sign between."""
        return self.times.join(self.write(factor, 1) for factor in value.factors)

    def sum(self, value: Sum) -> str:
        """Terms with their signs between."""
        text = ""
        for coefficient, term in value.terms:
            sign = ("-" if coefficient < 0 else "") if not text else " - " if coefficient < 0 else " + "
            times = "" if abs(coefficient) == 1 else f"{abs(coefficient)}{self.times}"
            text += sign + times + self.write(term, 1 if times or coefficient < 0 else 0)
        return text

    def quotient(self, value: Quotient, place: int) -> str:
        """`a / b`, rounded where it is."""
        text = f"{self.write(value.dividend, 1)} / {self.write(value.divisor, 2)}"
        if value.rounding == "exact":
            return self.grouped(text) if place > 1 else text
        return self.rounded(value.rounding, text)

    def rounded(self, rounding: str, text: str) -> str:
        """`floor(…)`, `ceil(…)`."""
        return f"{rounding}({text})"

    def grouped(self, text: str) -> str:
        """In parentheses."""
        return f"({text})"

    def symbol(self, name: str) -> str:
        """A symbol's name."""
        return name

    def number(self, value: int | float) -> str:
        """A number as it is put into a formula."""
        return str(value)


class Latex(Notation):
    """How expressions are written as LaTeX, without what Markdown would take for its own."""

    times = r" \cdot "

    def quotient(self, value: Quotient, place: int) -> str:
        """A fraction."""
        text = rf"\frac{{{self.write(value.dividend)}}}{{{self.write(value.divisor)}}}"
        return text if value.rounding == "exact" else self.rounded(value.rounding, text)

    def rounded(self, rounding: str, text: str) -> str:
        """In the brackets of floor and ceiling."""
        return rf"\left\l{rounding} {text} \right\r{rounding}"

    def grouped(self, text: str) -> str:
        """In parentheses that grow."""
        return rf"\left( {text} \right)"

    def symbol(self, name: str) -> str:
        """A letter with its index; longer names upright."""
        base, _, index = name.partition("_")
        if len(base) > 1:
            return rf"\text{{{name.replace('_', ' ')}}}"
        return base if not index else f"{base}_{index}" if len(index) == 1 else rf"{base}_{{\text{{{index}}}}}"
