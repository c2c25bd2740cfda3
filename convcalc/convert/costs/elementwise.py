"""Counts elementwise operators, reductions and norms."""

from convcalc.convert.costs.cost import Attributes, Cost, CostRule, Shapes


def free(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count nothing: the operator moves or compares values."""
    return Cost()


def per_output(multiplications: int = 0, additions: int = 0) -> CostRule:
    """Return a rule with these operations per value of the first output."""

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        count = shapes.count_output()
        return Cost(multiplications * count, additions * count)

    return rule


def per_input(multiplications: int = 0, additions: int = 0) -> CostRule:
    """Return a rule with these operations per value of the first input."""

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        count = shapes.count_input()
        return Cost(multiplications * count, additions * count)

    return rule


def sum_inputs(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count the additions of all inputs."""
    return Cost(additions=shapes.count_output() * (len(shapes.inputs) - 1))


def average_inputs(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count the additions of all inputs, and a division per output value."""
    return Cost(shapes.count_output(), shapes.count_output() * (len(shapes.inputs) - 1))


def gate(products: int) -> CostRule:
    """Return a rule with `products` multiplications per value, and one more if the sigmoid has a factor `alpha`."""

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        scaled = attributes.get("alpha", 1.0) != 1
        return Cost(shapes.count_output() * (products + scaled))

    return rule


def reduce(per_value: int, per_output: int, sums: bool = True) -> CostRule:
    """Return a rule for a reduction with `per_value` multiplications per input value and `per_output` per output value.

    If `sums` is true, the reduction of n values to one also has n - 1 additions.
    """

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        values, results = shapes.count_input(), shapes.count_output()
        return Cost(per_value * values + per_output * results, values - results if sums else 0)

    return rule


def multiply_together(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a reduction to products: n values have n - 1 multiplications."""
    return Cost(shapes.count_input() - shapes.count_output())


def normalise(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a norm as convcalc's layers do: 2 products and 3 sums per value, and one each for a scale and a bias."""
    values = shapes.count_input()
    scale, bias = (shapes.count_input(place) > 0 for place in (1, 2))
    return Cost(values * (2 + scale), values * (3 + bias))


def normalise_by_square(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count an RMS norm: a square, a sum and a product per value, and one product more for a scale."""
    values = shapes.count_input()
    return Cost(values * (2 + (shapes.count_input(1) > 0)), values)


def normalise_response(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a local response norm as its layer does: size + 2 products and size sums per value."""
    values, size = shapes.count_input(), int(attributes["size"])
    return Cost(values * (size + 2), values * size)


def deviate(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a variance or standard deviation: the mean, the differences, their squares and the sum of these."""
    values, results = shapes.count_input(), shapes.count_output()
    return Cost(values + 2 * results, 3 * values - 2 * results)


def compare_pairs(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count distances between all pairs of vectors: per component, a difference, a square and a sum."""
    values = shapes.count_output() * shapes.input(0)[-1]
    return Cost(values, 2 * values - shapes.count_output())


def add_into(place: int) -> CostRule:
    """Return a rule with one addition per value of the input at position `place`, which is added to another input."""

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        return Cost(additions=shapes.count_input(place))

    return rule


def normalise_weights(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count g × v / |v|: a square and a product per value, a sum per value, a division per norm."""
    values, norms = shapes.count_input(0), shapes.count_input(1)
    return Cost(2 * values + norms, values - norms)


def unknown(attributes: Attributes, shapes: Shapes) -> Cost:
    """Raise ValueError: the cost depends on values, or on the operations inside the operator."""
    raise ValueError("the cost depends on values or on the parts of the operator")
