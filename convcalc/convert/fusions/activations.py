"""Merges chains of elementwise operators that compute the values of an activation: `Sigmoid` and `Mul` are a `silu`."""

from convcalc.convert import activation_values
from convcalc.convert.fusions.merger import PatternMerger
from convcalc.convert.operators import Operation


def merge_activation(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a chain of elementwise operators that computes the same values as an activation."""
    chain = _list_possible_chain_inputs(merger, place)
    for root in chain:
        used: dict[int, None] = {}
        values = _evaluate_chain(merger, operation.outputs[0], root, used, {})
        kind = None if values is None else activation_values.match_activation(values)
        inside = set(used)
        if kind is None or not merger.has_no_outside_readers(inside, place):
            continue
        made = operation._replace(operator=kind, attributes={}, inputs=(root,))
        others = inside - {place}
        named = [merger.operations[other] for other in sorted(others)]
        name = next((found.name for found in named if found is not None), operation.name)
        return merger.replace(place, made._replace(name=name), *others)
    return False


def _list_possible_chain_inputs(merger: PatternMerger, place: int) -> list[str]:
    """Return the tensors that the operation at `place` depends on through elementwise operators only, nearest first.

    Constants are omitted. If the operators form an activation, its input is one of these tensors.
    """
    found: dict[str, None] = {}
    pending = [place]
    for current in pending:
        operation = merger.operations[current]
        assert operation is not None
        for name in operation.inputs:
            if not name or merger.is_constant(name) or name in found:
                continue
            found[name] = None
            maker = merger.find_producer(name)
            if (
                maker is not None
                and maker[1].operator in activation_values.COMPUTED
                and len(found) < activation_values.MOST_CHAIN
            ):
                pending.append(maker[0])
    return list(found)


def _evaluate_chain(
    merger: PatternMerger, name: str, root: str, used: dict[int, None], known: dict[str, list[float] | None]
) -> list[float] | None:
    """Return the values of the tensor `name` if the tensor `root` has the values in POINTS.

    None if `name` depends on tensors other than `root` and constants, or if it cannot be computed. The positions of the
    evaluated operations are added to `used`; `known` caches the result for each tensor.
    """
    if name == root:
        return list(activation_values.POINTS)
    if name in known:
        return known[name]
    known[name] = None
    if merger.is_constant(name):
        value = merger.read_scalar(name)
        known[name] = None if value is None else [value] * len(activation_values.POINTS)
        return known[name]
    maker = merger.find_producer(name)
    if (
        maker is None
        or maker[1].operator not in activation_values.COMPUTED
        or len(used) == activation_values.MOST_CHAIN
    ):
        return None
    used[maker[0]] = None
    columns = [_evaluate_chain(merger, source, root, used, known) for source in maker[1].inputs if source]
    whole = [column for column in columns if column is not None]
    if len(whole) == len(columns):
        known[name] = activation_values.evaluate_operator(maker[1].operator, maker[1].attributes, whole)
    return known[name]
