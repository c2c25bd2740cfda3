"""Parses the expressions of a spec, such as `2 * width`, into Python functions that calculate their values.

Each of these functions takes a lookup (a function from a name to its value) and returns the value of the expression.
An expression can call only the functions in functions.py.

The grammar, from the lowest precedence to the highest (`a < b < c` means `a < b and b < c`, as in Python):

    conditional: or ("if" or "else" or)*
    or:          and ("or" and)*
    and:         not ("and" not)*
    not:         "not" not | chain
    chain:       sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)*
    sum:         term (("+" | "-") term)*
    term:        factor (("*" | "/" | "//" | "%") factor)*
    factor:      ("+" | "-")* item ["**" factor]
    item:        atom ("[" conditional "]")*
    atom:        number | name | text in quotes | function "(" conditional ("," conditional)* ")" | "(" conditional ")"
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from convcalc.arguments import MOST_DIGITS
from convcalc.problems import Flaw, did_you_mean, show
from convcalc.spec.functions import FUNCTIONS, OPERATORS, Number, get_item

_MOST_PARENTHESES = 32
_BOUND = 10**MOST_DIGITS

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:[0-9]+(?:_[0-9]+)*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<text>'[^']*'|"[^"]*")
    |(?P<sign>\*\*|//|<=|>=|==|!=|[-+*/%<>(),=\[\]]))""",
    re.ASCII | re.VERBOSE,
)
_WORDS = frozenset({"and", "or", "not", "if", "else", "true", "false"})

Lookup = Callable[[str], Any]
Evaluate = Callable[[Lookup], Any]


class WrongExpression(Flaw):
    """Raised for an expression that is malformed or cannot be calculated.

    The wrong part of the text is from index `start` to `end` - 1.
    """

    def __init__(self, message: str, start: int, end: int, hint: str = "") -> None:
        super().__init__(message, hint, within=(start, end), code="CV014")


class Undefined(WrongExpression):
    """Raised for an expression that has no result for its values, as in a division by zero."""


RESERVED = frozenset({*FUNCTIONS, *_WORDS, "index", "in_channels", "input", "previous"})


_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})


class _Token:
    __slots__ = ("end", "kind", "start", "value")

    def __init__(self, kind: str, value: str, start: int, end: int) -> None:
        self.kind = kind
        self.value = value
        self.start = start
        self.end = end


def _split_tokens(text: str, start: int, end: int) -> list[_Token]:
    """Return the tokens of an expression, and a last token of the kind "end"."""
    tokens, position = [], start
    while text[position:end].strip():
        match = _TOKEN.match(text, position, end)
        if match is None or match.lastgroup is None:
            position += len(text[position:end]) - len(text[position:end].lstrip())
            raise WrongExpression(f"unexpected {show(text[position])} in an expression", position, position + 1)
        kind = match.lastgroup
        tokens.append(_Token(kind, match[kind], match.start(kind), match.end(kind)))
        position = match.end()
    tokens.append(_Token("end", "the end of the expression", end, end + 1))
    return tokens


class Parser:
    """Parses the expression from index `start` to `end` - 1 of a text into a function that calculates its value.

    `names` maps each name in the expression to the start and end of its first occurrence. `parentheses` is the number
    of parentheses and brackets that are open. `suffixes` are factors that may follow a number: with `{"K": 1000}`, `2K`
    is 2000. The expressions of a spec have none.
    """

    def __init__(self, text: str, start: int, end: int, suffixes: Mapping[str, int | float] | None = None) -> None:
        self.tokens = _split_tokens(text, start, end)
        self.suffixes = suffixes or {}
        self.position = 0
        self.parentheses = 0
        self.names: dict[str, tuple[int, int]] = {}

    @property
    def token(self) -> _Token:
        """The next token, which has not been consumed."""
        return self.tokens[self.position]

    def take_token(self) -> _Token:
        """Consume and return the next token."""
        token = self.tokens[self.position]
        self.position += 1
        return token

    def accept(self, *values: str) -> _Token | None:
        """Consume and return the next token if it is one of `values`, such as "(" or "and"; otherwise, return None."""
        token = self.token
        if token.value in values and token.kind in ("sign", "word"):
            return self.take_token()
        return None

    def fail_expecting(self, what: str) -> NoReturn:
        """Raise WrongExpression with the message `expected <what>; got <the next token>`."""
        token = self.token
        found = token.value if token.kind == "end" else show(token.value)
        hint = "compare with ==" if token.value == "=" else ""
        raise WrongExpression(f"expected {what}; got {found}", token.start, token.end, hint)

    def parse(self) -> Evaluate:
        """Return the function that calculates the whole expression. Raises WrongExpression if it is malformed."""
        evaluate = self.parse_conditional()
        if self.token.kind != "end":
            self.fail_expecting("an operator")
        return evaluate

    def parse_conditional(self) -> Evaluate:
        """Parse `a if b else c`; c can be another conditional, as in `a if b else c if d else e`."""
        cases: list[tuple[Callable[[Lookup], bool], Evaluate]] = []
        value = self.parse_or()
        while self.accept("if"):
            cases.append((_require_truth(self.parse_or(), self.token), value))
            if not self.accept("else"):
                self.fail_expecting("else")
            value = self.parse_or()
        return _choose_case(cases, value) if cases else value

    def parse_or(self) -> Evaluate:
        """Parse `a or b`."""
        return self.join_sides("or", self.parse_and, any)

    def parse_and(self) -> Evaluate:
        """Parse `a and b`."""
        return self.join_sides("and", self.parse_not, all)

    def join_sides(self, word: str, side: Callable[[], Evaluate], join: Callable[[Any], bool]) -> Evaluate:
        """Parse one operand, or several joined by `word`: `a and b and c`.

        `word` is "and" or "or", `side` parses one operand, and `join` is the function all or any.
        """
        token, sides = self.token, [side()]
        while self.accept(word):
            sides.append(side())
        if len(sides) == 1:
            return sides[0]
        truths = [_require_truth(operand, token) for operand in sides]
        return lambda lookup: join(operand(lookup) for operand in truths)

    def parse_not(self) -> Evaluate:
        """Parse `not a`."""
        token, times = self.token, 0
        while self.accept("not"):
            times += 1
        value = self.parse_chain()
        if not times:
            return value
        condition, odd = _require_truth(value, token), times % 2 == 1
        return lambda lookup: condition(lookup) is not odd

    def parse_chain(self) -> Evaluate:
        """Parse `a < b <= c`."""
        first = self.parse_sum()
        links: list[tuple[_Token, Evaluate]] = []
        while token := self.accept(*_COMPARISONS):
            links.append((token, self.parse_sum()))
        return _chain_comparisons(first, links) if links else first

    def parse_sum(self) -> Evaluate:
        """Parse `a + b - c`."""
        return self.parse_operations(self.parse_term, "+", "-")

    def parse_term(self) -> Evaluate:
        """Parse `a * b / c`."""
        return self.parse_operations(self.parse_factor, "*", "/", "//", "%")

    def parse_operations(self, operand: Callable[[], Evaluate], *signs: str) -> Evaluate:
        """Parse operands joined by the operators `signs`, which are applied from left to right.

        `operand` parses one operand.
        """
        first, steps = operand(), []
        while token := self.accept(*signs):
            steps.append((token, _require_number(operand(), token)))
        return _chain_operators(first, steps) if steps else first

    def parse_factor(self) -> Evaluate:
        """Parse `-a ** -b`; as in Python, `-a ** b` is `-(a ** b)`, and `a ** b ** c` is `a ** (b ** c)`."""
        tokens, signs, bases = [self.token], [self.parse_signs()], [self.parse_item()]
        while power := self.accept("**"):
            tokens.append(power)
            signs.append(self.parse_signs())
            bases.append(self.parse_item())
        if len(bases) == 1 and signs[0] is None:
            return bases[0]
        return _raise_powers(tokens, signs, list(map(_require_number, bases, tokens)))

    def parse_signs(self) -> int | None:
        """Consume any + and - before a value; return 1, -1 after an odd number of -, or None if there are none."""
        product = None
        while sign := self.accept("+", "-"):
            product = (product or 1) * (-1 if sign.value == "-" else 1)
        return product

    def parse_item(self) -> Evaluate:
        """Parse `a`, `a[b]`, `a[b][c]` and so on, where a is an atom."""
        value = self.parse_atom()
        while bracket := self.accept("["):
            index = self.parse_inside(bracket)
            if not self.accept("]"):
                self.fail_expecting("']'")
            self.parentheses -= 1
            value = _get_item_of_list(bracket, value, index)
        return value

    def parse_atom(self) -> Evaluate:
        """Parse a number, a name, a text, a call, or an expression in parentheses."""
        token = self.token
        if token.kind == "number":
            return self.make_constant(self.read_quantity(self.take_token()))
        if token.kind == "text":
            return self.make_constant(self.take_token().value[1:-1])
        if token.kind == "word" and (token.value not in _WORDS or token.value in ("true", "false")):
            return self.parse_word(self.take_token())
        if self.accept("("):
            value = self.parse_inside(token)
            if not self.accept(")"):
                self.fail_expecting("')'")
            self.parentheses -= 1
            return value
        return self.fail_expecting("a value")

    def read_quantity(self, number: _Token) -> Number:
        """Return the value of a number, and consume the suffix after it; `256KiB` is 262144.

        Raises WrongExpression if the number is malformed or too large.
        """
        value = _read_number(number)
        factor = self.suffixes.get(self.token.value) if self.token.kind == "word" else None
        if factor is None:
            return value
        end = self.take_token().end
        if isinstance(value, float) or isinstance(factor, float):
            from fractions import Fraction  # imported only here: it costs start-up time

            exact = Fraction(number.value.replace("_", "")) * Fraction(str(factor))
            value = int(exact) if exact.denominator == 1 else float(exact)
        else:
            value *= factor
        if abs(value) >= _BOUND:
            raise WrongExpression(f"the number has more than {MOST_DIGITS} digits", number.start, end)
        return value

    def parse_inside(self, token: _Token) -> Evaluate:
        """Parse the expression after an opening parenthesis or bracket or, in a call, after a comma.

        `token` is the opening parenthesis or bracket, at which too deep nesting is reported. The caller must decrease
        `parentheses` afterwards.
        """
        self.parentheses += 1
        if self.parentheses > _MOST_PARENTHESES:
            raise WrongExpression(
                f"parentheses nested more than {_MOST_PARENTHESES} levels deep", token.start, token.end
            )
        return self.parse_conditional()

    @staticmethod
    def make_constant(value: Any) -> Evaluate:
        """Return a function that ignores its argument and returns `value`."""
        return lambda lookup: value

    def parse_word(self, token: _Token) -> Evaluate:
        """Parse a name, true, false or a call, whose first token, `token`, has been consumed."""
        name = token.value
        if name in ("true", "false"):
            return self.make_constant(name == "true")
        if self.token.value == "(" and self.token.kind == "sign":
            return self.parse_call(token)
        if name in FUNCTIONS:
            self.fail_expecting(f"'(' after the function {name}")
        self.names.setdefault(name, (token.start, token.end))
        return lambda lookup: lookup(name)

    def parse_call(self, token: _Token) -> Evaluate:
        """Parse a call such as `max(a, b)`; `token` is the name of the function, which has been consumed."""
        if token.value not in FUNCTIONS:
            hint = did_you_mean(token.value, FUNCTIONS) or f"available: {', '.join(FUNCTIONS)}"
            raise WrongExpression(f"unknown function {token.value}", token.start, token.end, hint)
        arguments = []
        opening = self.take_token()
        if self.token.value != ")":
            arguments.append(self.parse_argument(opening, token))
            while self.accept(","):
                arguments.append(self.parse_argument(opening, token))
        if not self.accept(")"):
            self.fail_expecting("',' or ')'")
        return _call_function(token, arguments)

    def parse_argument(self, opening: _Token, function: _Token) -> Evaluate:
        """Parse one argument of the function `function`, which must be a number unless the function is len."""
        value = self.parse_inside(opening)
        self.parentheses -= 1
        return value if function.value == "len" else _require_number(value, function)


def _get_item_of_list(bracket: _Token, items: Evaluate, index: Evaluate) -> Evaluate:
    def evaluate(lookup: Lookup) -> Any:
        try:
            return get_item(items(lookup), index(lookup))
        except ArithmeticError as error:
            raise Undefined(str(error), bracket.start, bracket.end) from None

    return evaluate


def _read_number(token: _Token) -> Number:
    """Return the value of a number. Raises WrongExpression if it is too large or begins with zeros."""
    digits = token.value.replace("_", "")
    value: Number = int(digits) if digits.isdigit() else float(digits)
    if abs(value) >= _BOUND:
        raise WrongExpression(f"the number has more than {MOST_DIGITS} digits", token.start, token.end)
    if digits.isdigit() and digits != str(value):
        raise WrongExpression("a number must not begin with zeros", token.start, token.end, f"write {value}")
    return value


def _require_number(evaluate: Evaluate, token: _Token) -> Evaluate:
    """Return `evaluate`, wrapped to raise WrongExpression if the value is not a number or boolean."""

    def checked(lookup: Lookup) -> Any:
        value = evaluate(lookup)
        if value.__class__ is int or value.__class__ is float or value.__class__ is bool:
            return value
        message = f"arithmetic needs numbers; got {show(value)}"
        hint = "text can only be compared, with == or !=" if isinstance(value, str) else ""
        raise WrongExpression(message, token.start, token.end, hint)

    return checked


def _require_truth(evaluate: Evaluate, token: _Token) -> Callable[[Lookup], bool]:
    """Return `evaluate`, wrapped to convert its value, a number or boolean, to true or false as Python does."""
    checked = _require_number(evaluate, token)
    return lambda lookup: bool(checked(lookup))


def _calculate_bounded(token: _Token, calculate: Callable[..., Any], *operands: Any) -> Any:
    """Return the result of a calculation. Raises Undefined if it fails or the result is too large."""
    start, end = token.start, token.end
    try:
        value = calculate(*operands)
    except OverflowError:
        raise Undefined(f"the result has more than {MOST_DIGITS} digits", start, end) from None
    except ZeroDivisionError:
        raise Undefined("division by zero", start, end) from None
    except (ArithmeticError, ValueError) as error:
        said = str(error).replace("math domain error", f"{token.value} is not defined for this value")
        raise Undefined(said, start, end) from None
    if not -_BOUND < value < _BOUND:
        raise Undefined(f"the result has more than {MOST_DIGITS} digits", start, end)
    return value


def _chain_operators(first: Evaluate, steps: list[tuple[_Token, Evaluate]]) -> Evaluate:
    """Return a function for `a + b - c`: it applies each step, an operator and operand, to the value so far."""
    start = _require_number(first, steps[0][0])

    def evaluate(lookup: Lookup) -> Any:
        value = start(lookup)
        for token, operand in steps:
            value = _calculate_bounded(token, OPERATORS[token.value], value, operand(lookup))
        return value

    return evaluate


def _choose_case(cases: list[tuple[Callable[[Lookup], bool], Evaluate]], otherwise: Evaluate) -> Evaluate:
    """Return a function that evaluates the first case whose condition is true, or `otherwise` if there is none."""

    def evaluate(lookup: Lookup) -> Any:
        for condition, value in cases:
            if condition(lookup):
                return value(lookup)
        return otherwise(lookup)

    return evaluate


def _raise_powers(tokens: list[_Token], signs: list[int | None], bases: list[Evaluate]) -> Evaluate:
    """Return a function for `-a ** b ** c`, which is evaluated as `-(a ** (b ** c))`.

    `bases` are a, b and c. `signs` has the sign of each base: 1, -1, or None if it has no sign. `tokens` are the first
    token of the expression and then each `**`, for error messages.
    """

    def evaluate(lookup: Lookup) -> Any:
        value: Any = None
        for place in range(len(bases) - 1, -1, -1):
            operand, sign = bases[place](lookup), signs[place]
            value = operand if value is None else _calculate_bounded(tokens[place + 1], OPERATORS["**"], operand, value)
            value = value if sign is None else sign * value
        return value

    return evaluate


def _call_function(token: _Token, arguments: list[Evaluate]) -> Evaluate:
    """Return a function that evaluates a call; raise WrongExpression for a wrong number of arguments."""
    function, fewest, most = FUNCTIONS[token.value]
    if not fewest <= len(arguments) <= most:
        wanted = f"{fewest} argument{'s' if fewest > 1 else ''}"
        message = f"{token.value} needs {'' if fewest == most else 'at least '}{wanted}; got {len(arguments)}"
        raise WrongExpression(message, token.start, token.end)
    return lambda lookup: _calculate_bounded(token, function, *[argument(lookup) for argument in arguments])


def _chain_comparisons(first: Evaluate, links: list[tuple[_Token, Evaluate]]) -> Evaluate:
    """Return a function for `a < b <= c`, which is true if a < b and b <= c.

    Text can be compared only with == and !=.
    """

    def evaluate(lookup: Lookup) -> bool:
        left = first(lookup)
        for token, operand in links:
            right = operand(lookup)
            for value in (left, right):
                comparable = value.__class__ is not str or token.value in ("==", "!=")
                if not comparable or not isinstance(value, int | float | str):
                    raise WrongExpression(
                        f"{show(value)} cannot be compared with {token.value}", token.start, token.end
                    )
            if not OPERATORS[token.value](left, right):
                return False
            left = right
        return True

    return evaluate
