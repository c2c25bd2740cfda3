"""Writes integers as sums of products, in which equal terms are added up and cancel each other.

If node 0 is a width and node 1 a size, 3 × width × size + 5 is `Form({(0, 1): 3, (): 5})`.
"""

from typing import NamedTuple

Factors = tuple[int, ...]  # the numbers of nodes in ascending order
CONSTANT_TERM: Factors = ()


class Form(NamedTuple):
    """An integer as a sum of products: the coefficient of each product of nodes. The empty product is the constant."""

    terms: dict[Factors, int]

    def is_constant(self) -> bool:
        """Whether the integer does not depend on any node."""
        return not self.terms or list(self.terms) == [CONSTANT_TERM]

    def get_constant(self) -> int:
        """Return the constant term."""
        return self.terms.get(CONSTANT_TERM, 0)

    def is_divisible(self, divisor: int) -> bool:
        """Whether a division leaves no remainder, whatever the values of the nodes."""
        return all(coefficient % divisor == 0 for coefficient in self.terms.values())


def add_forms(one: Form, other: Form, sign: int) -> Form:
    """Add `other`, multiplied by `sign`, to the form `one`, and return that form."""
    terms = one.terms
    for factors, coefficient in other.terms.items():
        total = terms.get(factors, 0) + sign * coefficient
        if total:
            terms[factors] = total
        else:
            terms.pop(factors, None)
    return one


def scale_form(form: Form, factor: int) -> Form:
    """Return a form multiplied by an integer."""
    return Form({factors: factor * coefficient for factors, coefficient in form.terms.items()} if factor else {})


def copy_form(form: Form) -> Form:
    """Return a copy, which may be changed."""
    return Form(dict(form.terms))
