"""Records a calculation: `Traced` numbers behave like plain ones, and write down every operation in a `Trace`.

The code that calculates needs no change. Operations become steps; every decision that depends on a traced number (an
`if`, an index, a number in a name) becomes a guard, a condition on which the rest of the record relies:

>>> from convcalc.exact import whole
>>> trace = Trace()
>>> width = trace.add_input("width", 0.5)
>>> channels = whole(64 * width)
>>> "small" if channels < 48 else "large"
'small'
>>> [tuple(step) for step in trace.steps]
[('input', (Constant('width'),)), ('multiply', (0, Constant(64))), ('whole', (1,)), ('less', (2, Constant(48)))]
>>> trace.guards
{3: True}

For another width, the steps give the number of channels, and the guard says whether the answer is still `small`. This
is how PyTorch's `SymInt` works, too. An operation that is not in `OPERATIONS` uses the current value, with a guard that
the number has this value: the record is then correct, but of little use for other values.

Text that contains a traced number contains a mark in its place. `Trace.split_at_marks` finds them.
"""

import math
import operator
import os
import re
from collections.abc import Callable
from typing import Any

from convcalc.exact import Recorded
from convcalc.space.steps import OPERATIONS, Constant, Mark, Operand, Step

_DIVISIONS = ("divide", "floor_divide", "modulo")
_COMMUTATIVE = ("add", "multiply", "equal", "unequal", "gcd")
_SAME = {"equal": True, "less_equal": True, "greater_equal": True, "unequal": False, "less": False, "greater": False}
_NUMBERS = (int, float, bool)


class Trace:
    """The record of a calculation.

    `steps` are in the order of their execution. `values` has the value of each step in this execution, and `guards` the
    values of the steps on which the execution relied: true or false. `fixes` counts the operations that were not
    recorded, but used the current value.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.values: list[Any] = []
        self.guards: dict[int, bool] = {}
        self.fixes = 0
        self._numbers: dict[tuple[str, tuple[Operand, ...]], int] = {}
        self._marks: list[Mark] = []
        # text of a spec cannot contain a mark by chance or on purpose, because it does not know this
        self._secret = os.urandom(6).hex()

    def add_input(self, name: str, value: int | float) -> "Traced":
        """Return a new traced number with this value; `name` is the name of its column."""
        return self.add_step("input", (Constant(name),), value)

    def add_step(self, operation: str, operands: tuple[Operand, ...], value: Any) -> "Traced":
        """Return the number with this value that a step computes; equal steps are recorded once."""
        key = Step(operation, operands)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.steps)
            self.steps.append(key)
            self.values.append(value)
        return Traced(self, number, value)

    def rely_on(self, step: int) -> bool:
        """Return the value of a step that is true or false, and record that the calculation relies on it."""
        return self.guards.setdefault(step, self.values[step])

    def forget_steps(self) -> None:
        """Free the record, once a program has been made of it."""
        self.steps, self.values, self.guards, self._numbers = [], [], {}, {}

    # -- text

    def mark(self, step: int, format: str) -> str:
        """Return the mark for a number in a text."""
        self._marks.append(Mark(step, format))
        return f"\u27e6{self._secret}.{len(self._marks) - 1}\u27e7"

    def has_marks(self, text: str) -> bool:
        """Return whether a text contains marks."""
        return self._secret in text

    def split_at_marks(self, text: str) -> list[str | Mark]:
        """Return the parts of a text: plain text and marks in turn."""
        parts = re.split(f"\u27e6{self._secret}\\.([0-9]+)\u27e7", text)
        return [self._marks[int(part)] if index % 2 else part for index, part in enumerate(parts)]


def _get_operand(number: Any) -> Operand:
    return number.step if type(number) is Traced else Constant(number)


def _get_value(number: Any) -> Any:
    return number.value if type(number) is Traced else number


class Traced(Recorded):
    """A number that records what is done to it: the result of step number `step` of a trace, with its current value."""

    __slots__ = ("step", "trace", "value")

    def __init__(self, trace: Trace, step: int, value: Any) -> None:
        self.trace = trace
        self.step = step
        self.value = value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return self.value.__class__  # type: ignore[no-any-return]

    def record(self, operation: str, operands: tuple[Any, ...]) -> Any:
        """Return the result of an operation: a traced number, or a plain one if it is certain."""
        found = _simplify(operation, operands)
        if found is not None:
            return found
        if operation in ("largest", "least"):
            if len({operand.__class__ for operand in operands}) > 1:
                # the class of the result depends on the values
                return OPERATIONS[operation](*operands)
            operands = _drop_repetitions(operands)
            if len(operands) == 1:
                return operands[0]
        if operation in _DIVISIONS:
            _check_divisor(operands[1])
        elif operation in ("square_root", "log2"):
            _check_domain(operation, operands[0])
        value = OPERATIONS[operation](*map(_get_value, operands))
        found_operands = tuple(map(_get_operand, operands))
        if operation in _COMMUTATIVE:
            found_operands = _order(*found_operands)
        return self.trace.add_step(operation, found_operands, value)

    def fix(self) -> Any:
        """Return the current value, with a guard that the number has this value."""
        same = self.record("equal", (self, self.value))
        if type(same) is Traced and same.step not in self.trace.guards:
            self.trace.fixes += 1
            bool(same)
        return self.value

    def __bool__(self) -> bool:
        if self.value.__class__ is bool:
            return self.trace.rely_on(self.step)
        return bool(self.record("unequal", (self, 0)))

    # -- uses that need the value

    def __index__(self) -> int:
        return operator.index(self.fix())

    def __int__(self) -> int:
        return int(self.fix())

    def __float__(self) -> float:
        return float(self.fix())

    def __hash__(self) -> int:
        return hash(self.fix())

    # -- text

    def __str__(self) -> str:
        return self.trace.mark(self.step, "")

    def __repr__(self) -> str:
        return self.trace.mark(self.step, "!r")

    def __format__(self, format: str) -> str:
        return self.trace.mark(self.step, format)

    # -- operations

    def __trunc__(self) -> Any:
        return self.record("whole", (self,))

    def __floor__(self) -> Any:
        return self.record("floor", (self,))

    def __ceil__(self) -> Any:
        return self.record("ceil", (self,))

    def __round__(self, digits: int | None = None) -> Any:
        return self.record("round", (self,)) if digits is None else round(self.fix(), digits)

    def __neg__(self) -> Any:
        return self.record("negate", (self,))

    def __pos__(self) -> Any:
        return self.record("add", (self, 0)) if self.value.__class__ is bool else self

    def __abs__(self) -> Any:
        return self.record("absolute", (self,))

    def __invert__(self) -> Any:
        return ~self.fix()

    def __pow__(self, exponent: Any, modulus: Any = None) -> Any:
        is_short = type(exponent) is int and 0 <= exponent <= 8
        if modulus is None and is_short and self.value.__class__ is int:
            return math.prod([self] * exponent)
        return pow(self.fix(), _fix(exponent), _fix(modulus))

    def __rpow__(self, base: Any) -> Any:
        return base ** self.fix()

    def is_integer(self) -> Any:
        """Return whether a float has no fraction."""
        return self.record("is_integer", (self,))


def _fix(value: Any) -> Any:
    return value.fix() if type(value) is Traced else value


def _make_operator(name: str) -> Callable[[Traced, Any], Any]:
    def operate(self: Traced, other: Any) -> Any:
        return self.record(name, (self, other)) if other.__class__ in _NUMBERS else NotImplemented

    return operate


def _make_reflected_operator(name: str) -> Callable[[Traced, Any], Any]:
    def operate(self: Traced, other: Any) -> Any:
        return self.record(name, (other, self)) if other.__class__ in _NUMBERS else NotImplemented

    return operate


def _make_fixing_operator(apply: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return lambda self, other: apply(self.fix(), _fix(other)), lambda self, other: apply(_fix(other), self.fix())


_OPERATOR_METHODS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "modulo",
}
_COMPARISON_METHODS = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "unequal",
}
for _name, _operation in _OPERATOR_METHODS.items():
    setattr(Traced, f"__{_name}__", _make_operator(_operation))
    setattr(Traced, f"__r{_name}__", _make_reflected_operator(_operation))
for _name, _operation in _COMPARISON_METHODS.items():
    setattr(Traced, f"__{_name}__", _make_operator(_operation))
for _name in ("lshift", "rshift", "and_", "or_", "xor"):
    _forward, _backward = _make_fixing_operator(getattr(operator, _name))
    setattr(Traced, f"__{_name.rstrip('_')}__", _forward)
    setattr(Traced, f"__r{_name.rstrip('_')}__", _backward)
setattr(Traced, "__divmod__", lambda self, other: (self // other, self % other))  # noqa: B010 (as the others above)
setattr(Traced, "__rdivmod__", lambda self, other: (other // self, other % self))  # noqa: B010


# -- simple steps that need not be recorded


def _simplify(operation: str, operands: tuple[Any, ...]) -> Any:
    """Return the result of an operation that does nothing or whose result is certain; otherwise None."""
    first = operands[0]
    if len(operands) == 1:
        if operation in ("whole", "floor", "ceil", "round") and first.value.__class__ is int:
            return first
        return None
    other = operands[1]
    if type(first) is Traced and type(other) is Traced:
        return _SAME.get(operation) if first.step == other.step else None
    if type(first) is Traced and other.__class__ is int:
        return _simplify_with_constant(operation, first, other)
    if type(other) is Traced and first.__class__ is int and operation in ("add", "multiply"):
        return _simplify_with_constant(operation, other, first)
    return None


def _simplify_with_constant(operation: str, number: Any, constant: int) -> Any:
    if number.value.__class__ is not int:
        return None
    if constant == 0:
        if operation in ("add", "subtract"):
            return number
        return 0 if operation == "multiply" else None
    if constant == 1:
        if operation in ("multiply", "floor_divide"):
            return number
        return 0 if operation == "modulo" else None
    return None


def _drop_repetitions(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple({_get_operand(operand): operand for operand in operands}.values())


def _order(one: Operand, other: Operand) -> tuple[Operand, Operand]:
    """Return the operands of a commutative operation in the order in which it is recorded: constants last."""
    if isinstance(one, Constant) or (isinstance(other, int) and other < one):
        return other, one
    return one, other


# -- conditions on which the result of an operation relies


def _check_divisor(divisor: Any) -> None:
    if type(divisor) is Traced:
        bool(divisor.record("unequal", (divisor, 0)))


def _check_domain(operation: str, number: Any) -> None:
    if type(number) is Traced:
        bool(number.record("greater_equal" if operation == "square_root" else "greater", (number, 0)))
