"""Counts matrix products, convolutions and recurrent layers: their products are MACs."""

from collections.abc import Mapping
from math import prod

from convcalc.convert.costs.cost import Attributes, Cost, CostRule, Shapes, make_macs


def multiply_matrices(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count the product of two matrices."""
    return make_macs(shapes.count_output() * shapes.input(0)[-1], sums=shapes.count_output())


def multiply_matrices_with_bias(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a MatMul, which has a third input if `fusions` merged the sum with a bias into it."""
    cost = multiply_matrices(attributes, shapes)
    return cost._replace(additions=cost.additions + shapes.count_output()) if shapes.count_input(2) else cost


def multiply_and_add(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a Gemm, with its bias and its factors alpha and beta."""
    inner = shapes.input(0)[0 if attributes.get("transA") else -1]
    biased = shapes.count_output() if shapes.count_input(2) else 0
    scaled = shapes.count_output() if attributes.get("alpha", 1.0) != 1 else 0
    scaled += shapes.count_input(2) if attributes.get("beta", 1.0) != 1 else 0
    return make_macs(shapes.count_output() * inner, scaled, biased, sums=shapes.count_output())


def contract(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count an Einsum of one or two operands. With more operands, the cost depends on the order of the products.

    As in PyTorch, an index that only one operand and not the result has is summed first. The product of the operands
    then has one multiplication per combination of indices; these are MACs if an index is summed.
    """
    terms, result = _read_equation(str(attributes["equation"]), shapes)
    sizes: dict[str, int] = {}
    for place, term in enumerate(terms):
        for letter, size in zip(term, shapes.input(place), strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    added = 0
    kept: list[set[str]] = []
    for place, term in enumerate(terms):
        others = set(result).union(*terms[:place], *terms[place + 1 :])
        kept.append(set(term) & others)
        added += _count_combinations(sizes, set(term)) - _count_combinations(sizes, kept[-1])
    if len(terms) == 1:
        return Cost(additions=added)
    combinations = _count_combinations(sizes, set.union(*kept))
    if set.union(*kept) <= set(result):
        return Cost(combinations, added)
    return make_macs(combinations, further_additions=added, sums=shapes.count_output())


def _count_combinations(sizes: Mapping[str, int], letters: set[str]) -> int:
    return prod(sizes[letter] for letter in letters)


def _read_equation(equation: str, shapes: Shapes) -> tuple[list[str], str]:
    """Return the terms of an Einsum's operands and its result, such as (["ij", "jk"], "ik").

    There is one letter per axis; axes that the equation writes as `...` are digits.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes.inputs) or len(terms) > 2 or any(letter.isdigit() for letter in left):
        raise ValueError("unsupported equation")
    widest = ""
    for place, term in enumerate(terms):
        axes = len(shapes.input(place)) - len(term.replace("...", ""))
        digits = "9876543210"[10 - axes :] if "..." in term else ""
        terms[place] = term.replace("...", digits)
        widest = max(widest, digits, key=len)
    letters = "".join(terms)
    implied = widest + "".join(letter for letter in letters if letters.count(letter) == 1 and letter.isalpha())
    return terms, right.replace("...", widest) if arrow else implied


def convolve(weights: int, biases: int) -> CostRule:
    """Return a rule for a convolution whose weights and biases are the inputs at these positions."""

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        values = shapes.count_output()
        biased = values if shapes.count_input(biases) else 0
        return make_macs(values * prod(shapes.input(weights)[1:]), further_additions=biased, sums=values)

    return rule


def convolve_transposed(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count one addition per product, as `conv_transpose` does: products are added where windows overlap."""
    weights = shapes.input(1)
    biased = shapes.count_output() if shapes.count_input(2) else 0
    return make_macs(shapes.count_input() * prod(weights[1:]), further_additions=biased, sums=0)


def deform(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count the convolution as MACs, and a bilinear interpolation per sampled value: 4 products and 3 sums."""
    weights, data = shapes.input(1), shapes.input(0)
    values = shapes.count_output()
    sampled = data[0] * data[1] * (values // (data[0] * weights[0])) * prod(weights[2:])
    masked = sampled if shapes.count_input(4) else 0
    biased = values if shapes.count_input(3) else 0
    return make_macs(values * prod(weights[1:]), 4 * sampled + masked, 3 * sampled + biased, sums=values)


def convolve_causally(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count a depthwise convolution with its bias and activation."""
    values = shapes.count_output()
    activated = values if attributes.get("activation", "none") in ("silu", "swish") else 0
    biased = values if shapes.count_input(2) else 0
    return make_macs(values * shapes.input(1)[-1], activated, biased, sums=values)


def recur(gates: int, products: int, sums: int, peepholes: int | None = None) -> CostRule:
    """Return a rule for a recurrent layer with this number of gates.

    `products` and `sums` are the elementwise operations per hidden value and step, without the two biases per gate.
    `peepholes` is the position of the input with the peephole weights, by which the cell state is multiplied.
    """

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        first, second, _ = shapes.input(0)  # length and batch, in the order of the attribute `layout`
        directions, rows, features = shapes.input(1)
        hidden = rows // gates
        steps = first * second * directions
        biased = 2 * rows if shapes.count_input(3) else 0
        seen = 0 if peepholes is None or not shapes.count_input(peepholes) else 3 * hidden
        return make_macs(
            steps * rows * (features + hidden),
            steps * (products * hidden + seen),
            steps * (sums * hidden + biased + seen),
            sums=steps * rows,
        )

    return rule


def recur_in_steps(gates: int, products: int, sums: int) -> CostRule:
    """Return a rule for a recurrent layer of PyTorch. For the parameters, see `recur`.

    The attribute `matrices` has the sizes of the weight matrices: for each layer and direction, the matrix for the
    inputs, the matrix for the state and, for an LSTM with projections, the matrix for the output.
    """

    def rule(attributes: Attributes, shapes: Shapes) -> Cost:
        matrices = attributes["matrices"]
        steps = prod(shapes.input(0)) // matrices[0][1]
        macs = steps * sum(rows * columns for rows, columns in matrices)
        first = matrices[0][0] // gates
        projects = len(matrices) > 2 and matrices[2][0] < first  # the projection makes a state smaller
        hidden = [rows // gates for rows, _ in matrices[:: 3 if projects else 2]]
        biases = 2 if attributes["biased"] else 0
        return make_macs(
            macs,
            steps * products * sum(hidden),
            steps * sum((gates * (1 + biases) + sums) * size for size in hidden),
            sums=steps * sum(rows for rows, _ in matrices),
        )

    return rule
