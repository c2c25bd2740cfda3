"""Keeps account of learnt tensors: which step has them as weights, which are counted, and what computing them costs."""

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from convcalc.convert.graph import Step
from convcalc.convert.operators import Operation, Program, Sizes, UnsupportedOperation
from convcalc.layers.base import Layer

_MULTIPLYING_KINDS = frozenset({"conv", "conv_transpose", "depthwise_conv", "linear", "pointwise_conv"})


class RootCounts(NamedTuple):
    """Numbers of elements: `params` of all learnt tensors, `frozen` of the frozen ones, `buffers` of statistics."""

    params: int
    frozen: int
    buffers: int


class Weights:
    """Records which steps have which learnt tensors of a program.

    `owners` maps a layer kind and the names of learnt tensors to the first step with these weights. `counted` are the
    learnt tensors that are already counted in the params of a step.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.owners: dict[tuple[str, tuple[str, ...]], Step] = {}
        self.before: list[tuple[tuple[str, tuple[str, ...]], Step | None]] = []  # changes by the current operation
        self.counted: set[str] = set()
        self.added: set[str] = set()  # those of `counted` that the current operation added
        self.preparing = {
            name: operation
            for operation in program.operations
            if program.macs and all(program.values[name].constant for name in operation.outputs if name)
            for name in operation.outputs
        }

    def begin_operation(self) -> None:
        """Begin to record what `take_back` undoes."""
        self.before, self.added = [], set()

    def count(self, roots: Iterable[str]) -> None:
        """Record that these learnt tensors are counted in the params of a step."""
        self.added.update(root for root in roots if root not in self.counted)
        self.counted.update(roots)

    def take_back(self) -> None:
        """Restore what was recorded before the current operation."""
        self.counted -= self.added
        self.added = set()
        for key, owner in reversed(self.before):
            if owner is None:
                del self.owners[key]
            else:
                self.owners[key] = owner
        self.before = []

    def add_owner(self, step: Step, roots: tuple[str, ...]) -> None:
        """Record that the weights of a step are the learnt tensors `roots`."""
        key = (step.kind, roots)
        self.before.append((key, self.owners.get(key)))
        self.owners[key] = step

    def find_owner(self, kind: str, roots: tuple[str, ...], layer: Layer) -> Step | None:
        """Return the earlier step of kind `kind` with the learnt tensors `roots`, whose weights the layer shares.

        None if there is no such step, or if the layer uses only a part of one of these tensors. Raises
        UnsupportedOperation if an earlier step of another kind or with another bias uses the same weight.
        """
        own = sum(layer.weight_tensors()) + sum(layer.bias_tensors())
        owner = self.owners.get((kind, roots))
        if not roots or max(self.program.weights.get(root, 0) for root in roots) > own:
            owner = None
            if not self.program.exact:
                return None
        # exporters may merge equal norm scales into one tensor, but hardly equal weight matrices
        counted = (
            not self.counted.isdisjoint(roots)
            if self.program.exact
            else kind in _MULTIPLYING_KINDS and roots[0] in self.counted
        )
        if owner is None and counted:
            raise UnsupportedOperation("it shares its weights with another layer that differs in kind or bias")
        return owner

    def count_roots(self, roots: set[str]) -> RootCounts:
        """Return the number of elements of learnt tensors and running statistics, each counted once."""
        weights, statistics = self.program.weights, self.program.statistics
        return RootCounts(
            sum(weights.get(root, 0) for root in roots),
            sum(weights.get(root, 0) for root in roots & self.program.frozen),
            sum(statistics.get(root, 0) for root in roots),
        )

    def holds_all(self, roots: Iterable[str], dims: Sizes) -> bool:
        """Whether the stored tensors `roots` have the elements of a tensor of the sizes `dims` that is made of them.

        A tensor with more elements, such as the positions of the anchors of a detector, is computed from numbers and is
        not learnt. Always true if the format says which tensors are learnt (`Program.exact`).
        """
        return self.program.exact or sum(self.program.weights.get(root, 0) for root in roots) >= prod(dims)

    def find_statistics(self, operation: Operation) -> set[str]:
        """Return the names of the running statistics that an operation reads; empty if the format does not name any."""
        roots = {root for name in operation.inputs if name for root in self.program.values[name].roots}
        return roots & set(self.program.statistics)

    def count_learnt(self, roots: set[str]) -> RootCounts:
        """Return the number of elements of the tensors of an opaque operation, learnt or running statistics.

        Unless the format says which tensors are learnt (`Program.exact`), tensors with one element do not count.
        """
        if self.program.exact:
            return self.count_roots(roots)
        return self.count_roots({root for root in roots if self.program.weights[root] > 1})

    def count_preparation(self, operation: Operation) -> int:
        """Return the MACs of the operations that compute the constants of `operation`, such as a product of weights.

        Each of them runs once per batch, and is counted only for the first operation that uses its result.
        """
        macs, pending = 0, list(operation.inputs)
        while pending:
            maker = self.preparing.pop(pending.pop(), None)
            if maker is not None:
                macs += self.program.macs.get(maker.name, 0)
                pending += maker.inputs
                for name in maker.outputs:
                    self.preparing.pop(name, None)
        return macs
