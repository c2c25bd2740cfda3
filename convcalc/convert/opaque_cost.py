"""Counts the operations of an opaque step per sample, by the rule of its operator or by the framework."""

from convcalc.convert.costs.cost import Cost
from convcalc.convert.operator_costs import count_operation
from convcalc.convert.operators import Operation, Program


def count_cost(program: Program, operation: Operation, batch: int) -> dict[str, int]:
    """Return the multiplications, additions and MACs of an operation per sample, as arguments of an opaque layer.

    Empty if no rule counts the operator, or if the file declares an output shape that the operator does not
    produce.
    """
    values = program.values
    inputs, outputs = (
        [values[name].dims if name in values else None for name in names]
        for names in (operation.inputs, operation.outputs)
    )
    cost = program.costs.get(operation.name) or count_operation(
        operation.operator, operation.attributes, inputs, outputs
    )
    macs = program.macs.get(operation.name)
    disputed = any(program.disputed.get(name) for name in operation.outputs)
    if cost is None and macs is not None and not macs % batch:
        return {"macs": macs // batch}
    if cost is not None and macs is not None:  # the framework's count replaces that of the rule
        other = macs - cost.macs
        cost = Cost(cost.multiplications + other, cost.additions + other, macs)
    if cost is None or disputed:
        return {}
    # a sum over the samples of a batch has no count per sample
    return {name: count // batch for name, count in cost._asdict().items() if count % batch == 0}
