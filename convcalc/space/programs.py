"""Turns the steps of a trace into a short program: few operations that depend on several inputs at once.

A program is evaluated for many rows. Its inputs have few different values each (a sweep over 1,000 widths and 1,000
sizes has 1,000,000 rows), so an operation on one input is calculated once per different value; only operations on
several inputs are calculated once per row. A program therefore collects terms: for the MACs of two layers at the same
size, w1 × s + w2 × s becomes (w1 + w2) × s, which is one operation per row in place of three. This is exact, because
only integers are rearranged; operations on floats keep their order.

>>> trace = Trace()
>>> width, size = trace.add_input("width", 8), trace.add_input("size", 32)
>>> macs = 3 * width * size + width * size
>>> program = Program(trace, [macs.step])
>>> program.find(macs.step)
3
>>> [(node.operation, node.operands) for node in program.nodes[2:]]
[('sum', (Constant(0), Constant(4), 1)), ('product', (2, 0))]
"""

import operator
from collections.abc import Callable, Iterable
from itertools import count
from math import prod
from typing import Any, NamedTuple

from convcalc.space.forms import CONSTANT_TERM, Factors, Form, add_forms, copy_form, scale_form
from convcalc.space.steps import COMPARISONS, OPERATIONS, Constant, Operand
from convcalc.space.tracing import Trace

_INTEGERS = ("add", "subtract", "multiply", "negate", "floor_divide", "modulo")
_numbers = count()


class Node(NamedTuple):
    """An operation of a program. Its operands are numbers of earlier nodes, and constants.

    Besides the operations of a trace, there are `sum` (the operands are a constant, and then a coefficient and a node
    in turn), `product`, and `text` (the operands are joined to a text). `inputs` are the names of the inputs on which
    the result depends.
    """

    operation: str
    operands: tuple[Operand, ...]
    inputs: frozenset[str]


class Schedule(NamedTuple):
    """The numbers of nodes in the order of their execution (`order`), and which can be freed after a node (`freed`)."""

    order: list[int]
    freed: dict[int, list[int]]


class Program:
    """The operations that calculate some steps of a trace, each once, in an order in which they can be executed.

    `steps` are the numbers of these steps. The guards of the trace can be calculated in any case.
    """

    def __init__(self, trace: Trace, steps: Iterable[int]) -> None:
        self.trace = trace
        self.number = next(_numbers)  # unlike its id, it is never used again
        self.nodes: list[Node] = []
        self._schedules: dict[frozenset[int], Schedule] = {}
        self._numbers: dict[tuple[str, tuple[Operand, ...]], int] = {}
        self._lowered: dict[int, Form | Operand] = {}
        self._uses = _count_uses(trace, steps)

    def find(self, step: int) -> Operand:
        """Return the number of the node that calculates a step, after adding all nodes that it needs; or a constant."""
        return self._get_operand(step)

    def add_text(self, parts: Iterable[Operand]) -> Operand:
        """Add the operation that joins constants, and the values of nodes, to a text."""
        return self._add_node("text", tuple(parts))

    # -- from steps to nodes

    def _get_operand(self, step: int) -> Operand:
        self._lower(step)
        lowered = self._lowered[step]
        if isinstance(lowered, Form):
            lowered = self._lowered[step] = self._add_form(lowered.terms)
        return lowered

    def _lower(self, step: int) -> None:
        """Find the nodes of a step and of all steps that it depends on; not recursive, because traces can be long."""
        pending = [step]
        while pending:
            number = pending[-1]
            if number in self._lowered:
                pending.pop()
                continue
            operation, operands = self.trace.steps[number]
            missing = [operand for operand in operands if isinstance(operand, int) and operand not in self._lowered]
            if missing:
                pending += missing
                continue
            pending.pop()
            self._lowered[number] = self._lower_step(number, operation, operands)

    def _lower_step(self, step: int, operation: str, operands: tuple[Operand, ...]) -> Form | Operand:
        if operation in _INTEGERS and self.trace.values[step].__class__ is int:
            found = self._lower_integers(operation, operands)
            if found is not None:
                return found
        if operation in COMPARISONS and all(map(self._is_integer, operands)):
            difference = add_forms(copy_form(self._get_form(operands[0])), self._get_form(operands[1]), -1)
            if difference.is_constant():
                return Constant(OPERATIONS[operation](difference.get_constant(), 0))
        found_operands = tuple(
            operand if isinstance(operand, Constant) else self._get_operand(operand) for operand in operands
        )
        return self._add_node(operation, found_operands)

    def _lower_integers(self, operation: str, operands: tuple[Operand, ...]) -> Form | None:
        """Return the form of an operation on integers; None if it has none, such as a division with a remainder."""
        if operation == "negate":
            return scale_form(self._get_form(operands[0]), -1)
        one, other = operands
        if operation in ("add", "subtract"):
            return add_forms(self._take_form(one), self._get_form(other), 1 if operation == "add" else -1)
        if operation == "multiply":
            return self._multiply_forms(one, other)
        divisor = self._get_form(other)
        if not divisor.is_constant() or not divisor.get_constant():
            return None
        dividend = self._get_form(one)
        if not dividend.is_divisible(divisor.get_constant()):
            return None
        if operation == "modulo":
            return Form({})
        return Form({factors: value // divisor.get_constant() for factors, value in dividend.terms.items()})

    def _is_integer(self, operand: Operand) -> bool:
        value = operand.value if isinstance(operand, Constant) else self.trace.values[operand]
        return value.__class__ is int

    def _get_form(self, operand: Operand) -> Form:
        """Return the form of an operand, which must not be changed."""
        if isinstance(operand, Constant):
            return Form({CONSTANT_TERM: int(operand.value)} if operand.value else {})
        lowered = self._lowered[operand]
        if isinstance(lowered, Form):
            return lowered
        return self._get_form_of_node(lowered)

    def _get_form_of_node(self, node: Operand) -> Form:
        return Form({(node,): 1}) if isinstance(node, int) else self._get_form(node)

    def _take_form(self, operand: Operand) -> Form:
        """Return the form of an operand, which may be changed: a copy, unless nothing else uses the operand.

        Without this, a sum over thousands of layers would copy thousands of partial sums.
        """
        form = self._get_form(operand)
        if isinstance(operand, int) and self._uses[operand] == 1:
            return form
        return copy_form(form)

    def _multiply_forms(self, one: Operand, other: Operand) -> Form:
        left, right = self._get_form(one), self._get_form(other)
        if right.is_constant():
            return scale_form(left, right.get_constant())
        if left.is_constant():
            return scale_form(right, left.get_constant())
        left, right = self._contract(left), self._contract(right)
        [(factors, coefficient)], [(others, other_coefficient)] = left.terms.items(), right.terms.items()
        return Form({tuple(sorted(factors + others)): coefficient * other_coefficient})

    def _contract(self, form: Form) -> Form:
        """Return a form with a single term: a sum becomes a node of its own."""
        return form if len(form.terms) == 1 else self._get_form_of_node(self._add_form(form.terms))

    # -- from forms to nodes

    def _add_form(self, terms: dict[Factors, int]) -> Operand:
        """Add the nodes for a sum of products, with as few operations on several inputs as possible."""
        constant = terms.get(CONSTANT_TERM, 0)
        simple: dict[Factors, int] = {}  # products whose factors all depend on the same inputs
        mixed: list[tuple[dict[frozenset[str], Factors], int]] = []
        for factors, coefficient in terms.items():
            if not coefficient or factors == CONSTANT_TERM:
                continue
            parts = self._split_factors(factors)
            if len(parts) == 1:
                simple[factors] = coefficient
            else:
                mixed.append((parts, coefficient))
        summands = self._add_simple_sums(simple) + (self._collect_terms(mixed) if mixed else [])
        return self._add_sum(constant, summands)

    def _split_factors(self, factors: Factors) -> dict[frozenset[str], Factors]:
        """Return the factors of a product, by the inputs on which they depend."""
        parts: dict[frozenset[str], Factors] = {}
        for factor in factors:
            inputs = self.nodes[factor].inputs
            parts[inputs] = (*parts.get(inputs, ()), factor)
        return parts

    def _add_simple_sums(self, terms: dict[Factors, int]) -> list[tuple[int, Operand]]:
        """Return one summand for each set of inputs, with its coefficient."""
        by_inputs: dict[frozenset[str], list[tuple[int, Operand]]] = {}
        for factors, coefficient in terms.items():
            inputs = self.nodes[factors[0]].inputs
            by_inputs.setdefault(inputs, []).append((coefficient, self._add_product(factors)))
        if len(by_inputs) == 1:
            return next(iter(by_inputs.values()))
        return [(1, self._add_sum(0, summands)) for summands in by_inputs.values()]

    def _collect_terms(self, terms: list[tuple[dict[frozenset[str], Factors], int]]) -> list[tuple[int, Operand]]:
        """Return summands for products whose factors depend on different inputs, with common factors collected.

        Of all parts of the products, those with the fewest different values are put outside the brackets.
        """
        values: dict[frozenset[str], set[Factors]] = {}
        for parts, _ in terms:
            for inputs, factors in parts.items():
                values.setdefault(inputs, set()).add(factors)
        outside = min(values, key=lambda inputs: (len(values[inputs]), sorted(inputs)))
        brackets: dict[Factors, dict[Factors, int]] = {}
        for parts, coefficient in terms:
            rest = tuple(sorted(factor for inputs, part in parts.items() if inputs != outside for factor in part))
            inside = brackets.setdefault(parts.get(outside, CONSTANT_TERM), {})
            inside[rest] = inside.get(rest, 0) + coefficient
        summands: list[tuple[int, Operand]] = []
        for common, inside in brackets.items():
            bracket = self._add_form(inside)
            product = self._add_node("product", (bracket, self._add_product(common))) if common else bracket
            summands.append((1, product))
        return summands

    def _add_product(self, factors: Factors) -> Operand:
        return factors[0] if len(factors) == 1 else self._add_node("product", factors)

    def _add_sum(self, constant: int, summands: list[tuple[int, Operand]]) -> Operand:
        constant += sum(coefficient * node.value for coefficient, node in summands if isinstance(node, Constant))
        kept = [(coefficient, node) for coefficient, node in summands if isinstance(node, int) and coefficient]
        if not kept:
            return Constant(constant)
        if not constant and len(kept) == 1 and kept[0][0] == 1 and not self._is_truth(kept[0][1]):
            return kept[0][1]
        operands = [operand for coefficient, node in kept for operand in (Constant(coefficient), node)]
        return self._add_node("sum", (Constant(constant), *operands))

    def _is_truth(self, node: int) -> bool:
        return self.nodes[node].operation in (*COMPARISONS, "is_integer")

    def _add_node(self, operation: str, operands: tuple[Operand, ...]) -> Operand:
        numbers = [operand for operand in operands if isinstance(operand, int)]
        if not numbers and operation != "input":
            return Constant(calculate(operation, [operand.value for operand in operands]))  # type: ignore[union-attr]
        key = (operation, operands)
        found = self._numbers.get(key)
        if found is None:
            inputs = frozenset().union(*(self.nodes[number].inputs for number in numbers))
            if operation == "input":
                inputs = frozenset({operands[0].value})  # type: ignore[union-attr]
            found = self._numbers[key] = len(self.nodes)
            self.nodes.append(Node(operation, operands, inputs))
        return found

    def forget_trace(self) -> None:
        """Free what only `find` needs, once all steps have been found."""
        self.trace.forget_steps()
        self._numbers, self._lowered, self._uses = {}, {}, []

    def schedule(self, results: Iterable[Operand]) -> "Schedule":
        """Return the order in which to calculate some results, and when to free each node."""
        wanted = frozenset(result for result in results if isinstance(result, int))
        found = self._schedules.get(wanted)
        if found is None:
            found = self._schedules[wanted] = self._make_schedule(wanted)
        return found

    def _make_schedule(self, wanted: frozenset[int]) -> "Schedule":
        needed: set[int] = set()
        pending = list(wanted)
        while pending:
            number = pending.pop()
            if number not in needed:
                needed.add(number)
                pending += self._list_operands(number)
        order = sorted(needed)
        last_uses = {operand: number for number in order for operand in self._list_operands(number)}
        freed: dict[int, list[int]] = {}
        for operand, number in last_uses.items():
            if operand not in wanted:
                freed.setdefault(number, []).append(operand)
        return Schedule(order, freed)

    def _list_operands(self, number: int) -> list[int]:
        return [operand for operand in self.nodes[number].operands if isinstance(operand, int)]


def calculate(operation: str, values: list[Any]) -> Any:
    """Return the result of the operation of a node for plain numbers."""
    if operation == "product":
        return prod(values)
    if operation == "sum":
        return sum(map(operator.mul, values[1::2], values[2::2]), values[0])
    if operation == "text":
        return "".join(map(str, values))
    function: Callable[..., Any] = OPERATIONS[operation]
    return function(*values)


def _count_uses(trace: Trace, results: Iterable[int]) -> list[int]:
    """Return how often each step is used, by step number; steps that are results are used once more."""
    uses = [0] * len(trace.steps)
    for step in trace.steps:
        for operand in step.operands:
            if isinstance(operand, int):
                uses[operand] += 1
    for number in (*trace.guards, *results):
        uses[number] += 2  # never 1
    return uses
