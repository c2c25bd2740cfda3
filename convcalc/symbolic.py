"""Defines integers that record the formula from which they were computed.

A `Quantity` is an integer with an expression. If a method of a layer kind computes with quantities, the result records
the formula of that computation. A formula shown to users is therefore always the one that was computed. `Notation` and
`Latex` write an expression with symbols or with their values:

>>> n = make_quantity(Symbol("n", 28))
>>> size = (n - 3) // 2 + 1
>>> size, Notation(numbers=False).write(size.expression), Notation(numbers=True).write(size.expression)
(13, 'floor((n - 3) / 2) + 1', 'floor((28 - 3) / 2) + 1')
"""

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor, prod
from typing import Any, NamedTuple, TypeAlias


class Symbol(NamedTuple):
    """A named value with its meaning.

    `plain` is the symbol's name in a formula about one axis (`k` instead of `k_h`). `exact` is true if a division by
    the symbol never leaves a remainder, as for the number of groups.
    """

    name: str
    value: int | float
    meaning: str = ""
    plain: str = ""
    exact: bool = False

    def called(self, one_axis: bool) -> str:
        """Return the symbol's name in a formula: `plain` if it is set and the formula is about one axis."""
        return self.plain if one_axis and self.plain else self.name


class Constant(NamedTuple):
    """An integer constant."""

    value: int


class Sum(NamedTuple):
    """A sum of terms, each with its coefficient, in the order in which they were added."""

    terms: tuple[tuple[int, "Expression"], ...]


class Product(NamedTuple):
    """A product of factors, in the order in which they were multiplied."""

    factors: tuple["Expression", ...]


class Quotient(NamedTuple):
    """A division. `rounding` is `floor`, `ceil`, or `exact` for a division without a remainder."""

    dividend: "Expression"
    divisor: "Expression"
    rounding: str


class Power(NamedTuple):
    """A base raised to an integer exponent."""

    base: "Expression"
    exponent: int


class Floor(NamedTuple):
    """A product with a factor that is not an integer, rounded down: floor(28 × 1.5).

    `value` is the expression of the product. `product` is its value in floating point, as frameworks compute it.
    """

    value: "Expression"
    product: float


Expression: TypeAlias = Symbol | Constant | Sum | Product | Quotient | Power | Floor


# -- building expressions


def _add(one: Expression, other: Expression, sign: int = 1) -> Expression:
    """Return a sum in which equal terms and all constants are combined; with sign -1, return the difference."""
    found: dict[Expression | None, int] = {}  # coefficients by term; constants add up under None
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
    """Return a product without factors of 1; a minus sign is moved to its front."""
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
    """Return a quotient, rounded down unless the division is certain to leave no remainder."""
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
    """Return whether a division leaves no remainder for any values of the symbols."""
    if isinstance(divisor, Constant):
        if isinstance(dividend, Sum):
            return all(
                factor % divisor.value == 0 or _divides_exactly(term, divisor) for factor, term in dividend.terms
            )
        factors = dividend.factors if isinstance(dividend, Product) else (dividend,)
        return any(isinstance(factor, Constant) and factor.value % divisor.value == 0 for factor in factors)
    if isinstance(divisor, Product):
        return all(_divides_exactly(dividend, factor) for factor in divisor.factors if not isinstance(factor, Constant))
    base = divisor.base if isinstance(divisor, Power) else divisor
    return isinstance(base, Symbol) and base.exact


def _is_negative(value: Expression) -> bool:
    """Return whether an expression is a negative constant, or a sum whose terms all have negative coefficients."""
    if isinstance(value, Constant):
        return value.value < 0
    return isinstance(value, Sum) and all(coefficient < 0 for coefficient, _ in value.terms)


def _negate(value: Expression) -> Expression:
    """Return the negated expression, in which -floor(a / b) is written as ceil(-a / b)."""
    if isinstance(value, Quotient) and value.rounding == "floor":
        return Quotient(_negate(value.dividend), value.divisor, "ceil")
    return _add(Constant(0), value, -1)


def evaluate(value: Expression) -> Fraction:
    """Return the exact value of an expression."""
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


def _list_operands(value: Expression) -> tuple[Expression, ...]:
    if isinstance(value, Sum):
        return tuple(term for _, term in value.terms)
    if isinstance(value, Product):
        return value.factors
    if isinstance(value, Quotient):
        return value.dividend, value.divisor
    return (value.base,) if isinstance(value, Power) else (value.value,) if isinstance(value, Floor) else ()


def iterate_symbols(value: Expression) -> Iterator[Symbol]:
    """Yield the symbols of an expression from left to right."""
    if isinstance(value, Symbol):
        yield value
    for part in _list_operands(value):
        yield from iterate_symbols(part)


# -- numbers with their formulas


class Quantity(int):
    """An integer with the expression it was computed from; its sums, products and `//` quotients are quantities too."""

    expression: Expression

    def __new__(cls, value: int, expression: Expression) -> "Quantity":
        """Return `value` with the expression it was computed from."""
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
        if modulus is not None:  # modular powers have no formula
            return pow(int(self), int(exponent), int(modulus))
        return Quantity(int(self) ** int(exponent), Power(self.expression, int(exponent)))

    def __neg__(self) -> "Quantity":
        return Quantity(-int(self), _negate(self.expression))

    def __floor__(self) -> "Quantity":
        return self


class Factor(float):
    """A number that is not an integer, such as a scale of 1.5, with its expression.

    An integer times a `Factor` is a `Factor`. `math.floor` of a `Factor` is a `Quantity`.
    """

    expression: Expression

    def __new__(cls, value: float, expression: Expression) -> "Factor":
        """Return `value` with the expression it was computed from."""
        factor = super().__new__(cls, value)
        factor.expression = expression
        return factor

    def __rmul__(self, other: int) -> "Factor":  # type: ignore[override]
        return Factor(int(other) * float(self), _multiply(expression_of(other), self.expression))

    def __floor__(self) -> Quantity:
        return Quantity(floor(float(self)), Floor(self.expression, float(self)))


def expression_of(value: int) -> Expression:
    """Return the expression of a `Quantity` or `Factor`; for a plain integer, a constant."""
    return value.expression if isinstance(value, Quantity | Factor) else Constant(int(value))


def make_quantity(symbol: Symbol) -> Quantity:
    """Return the value of a symbol as a `Quantity`."""
    return Quantity(int(symbol.value), symbol)


# -- text and LaTeX


class Notation:
    """Writes expressions as text: `floor((n - k) / s) + 1`, or with values instead of symbols if `numbers` is true.

    If `one_axis` is true, a symbol has its short name, such as `k` instead of `k_h`.
    """

    times = " × "

    def __init__(self, numbers: bool, one_axis: bool = False) -> None:
        self.numbers = numbers
        self.one_axis = one_axis

    def write(self, value: Expression, place: int = 0) -> str:
        """Return an expression as text, in parentheses if it needs them at its place in the formula.

        `place` is 0 for a whole formula or a term of a sum, 1 for a factor or dividend, and 2 for a divisor or the base
        of a power.
        """
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
        """Return the factors joined by the multiplication sign."""
        return self.times.join(self.write(factor, 1) for factor in value.factors)

    def sum(self, value: Sum) -> str:
        """Return the terms joined by their signs."""
        text = ""
        for coefficient, term in value.terms:
            sign = ("-" if coefficient < 0 else "") if not text else " - " if coefficient < 0 else " + "
            times = "" if abs(coefficient) == 1 else f"{abs(coefficient)}{self.times}"
            text += sign + times + self.write(term, 1 if times or coefficient < 0 else 0)
        return text

    def quotient(self, value: Quotient, place: int) -> str:
        """Return a quotient as text: `a / b`, or `floor(a / b)` if it is rounded."""
        text = f"{self.write(value.dividend, 1)} / {self.write(value.divisor, 2)}"
        if value.rounding == "exact":
            return self.grouped(text) if place > 1 else text
        return self.rounded(value.rounding, text)

    def rounded(self, rounding: str, text: str) -> str:
        """Return `floor(text)` or `ceil(text)`; `rounding` is the name of the function."""
        return f"{rounding}({text})"

    def grouped(self, text: str) -> str:
        """Return the text in parentheses."""
        return f"({text})"

    def symbol(self, name: str) -> str:
        """Return the name of a symbol."""
        return name

    def number(self, value: int | float) -> str:
        """Return a number as it appears in a formula."""
        return str(value)


class Latex(Notation):
    """Writes expressions as LaTeX that Markdown renderers do not mistake for Markdown syntax."""

    times = r" \cdot "

    def quotient(self, value: Quotient, place: int) -> str:
        r"""Return a `\frac`, with floor or ceiling brackets if it is rounded."""
        text = rf"\frac{{{self.write(value.dividend)}}}{{{self.write(value.divisor)}}}"
        return text if value.rounding == "exact" else self.rounded(value.rounding, text)

    def rounded(self, rounding: str, text: str) -> str:
        """Return the text in floor or ceiling brackets."""
        return rf"\left\l{rounding} {text} \right\r{rounding}"

    def grouped(self, text: str) -> str:
        """Return the text in parentheses that are as tall as the text."""
        return rf"\left( {text} \right)"

    def symbol(self, name: str) -> str:
        """Return the LaTeX of a symbol: a letter with its subscript, or a longer name in upright type."""
        base, _, index = name.partition("_")
        if len(base) > 1:
            return rf"\text{{{name.replace('_', ' ')}}}"
        return base if not index else f"{base}_{index}" if len(index) == 1 else rf"{base}_{{\text{{{index}}}}}"
