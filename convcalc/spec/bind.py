"""Binds the inputs and parameters of a block to their values in one use of it.

For example, the use `basic: {width: 64}` of a block with the parameters width and stride (default 1) has the values
`{"width": 64, "stride": 1}`.
"""

from typing import Any

from convcalc.problems import show
from convcalc.spec.document import UNKNOWN
from convcalc.spec.entries import Block, Computed
from convcalc.spec.problem_list import ExpansionReporter
from convcalc.spec.resolve import Resolver
from convcalc.spec.scopes import Expansion, Place, Scope, UnknownValue, Use
from convcalc.spec.templates import Template
from convcalc.spec.values import holds_only_values


class BlockBinder:
    """Checks the uses of blocks, and sets the values of the names that the entries of a block can use."""

    def __init__(self, resolver: Resolver, reporter: ExpansionReporter) -> None:
        self.resolver = resolver
        self.reporter = reporter

    def bind_block(self, expansion: Expansion, block: Block, scope: Scope) -> Use:
        """Set the parameters and inputs of a block in `scope`, the scope of one use, and return them as a `Use`.

        The entries of the block cannot refer to names outside the block. Raises UnknownValue after reporting a mistake.
        """
        if block.broken:
            raise UnknownValue
        scope.outer = None
        scope.index = None
        scope.use_path = expansion.entry.word_path
        scope.variables = self._evaluate_parameters(expansion, block)
        self._bind_inputs(expansion, block, scope)
        return Use(block, scope.variables, scope.inputs)

    def _bind_inputs(self, expansion: Expansion, block: Block, scope: Scope) -> None:
        """Add the names of the block's inputs, if it has any, to the scope.

        Raises UnknownValue after reporting that the use has the wrong number of inputs.
        """
        names = block.input_names
        due = 1 if names is None else len(names)
        if len(scope.inputs) != due:
            what = "one input" if names is None else f"{due} inputs ({', '.join(names)})"
            message = f"{block.name} needs {what}; got {len(scope.inputs)}"
            self.reporter.report(expansion, expansion.entry.word_path, message, "CV016", on_key=True)
            raise UnknownValue
        if names is not None:
            scope.has_named_inputs = True
            for index, name in enumerate(names):
                scope.places[name] = Place("input", (*block.path, "inputs", index), (scope.inputs[index],))

    def _evaluate_parameters(self, expansion: Expansion, block: Block) -> dict[str, Any]:
        """Return the values of the block's parameters by name; a value that cannot be evaluated is UNKNOWN."""
        if expansion.entry.dynamic:
            self._check_argument_names(expansion, block)
        variables: dict[str, Any] = {}
        for name in block.parameters:
            try:
                variables[name] = self._evaluate_parameter(expansion, block, name, variables)
            except UnknownValue:
                variables[name] = UNKNOWN
        return variables

    def _evaluate_parameter(self, expansion: Expansion, block: Block, name: str, above: dict[str, Any]) -> Any:
        """Return the value of the parameter `name`: the argument in this use of the block, or else the default.

        `above` has the values of the parameters declared before this one; the default can use them.
        """
        entry, default = expansion.entry, block.parameters[name]
        if name in entry.arguments:
            value = entry.arguments[name]
            if value.__class__ is not int:
                value = self.resolver.evaluate(value, (*entry.arguments_path, name), expansion)
                self._check_value(expansion, name, value)
            return value
        if isinstance(default, Template | Computed):
            inside = _make_default_context(expansion, above)
            return self.resolver.evaluate(default, (*block.path, "params", name), inside)
        return UNKNOWN if default is None else default

    def _check_argument_names(self, expansion: Expansion, block: Block) -> None:
        """Report missing and unknown arguments of an entry such as `- $block: {width: 64}`.

        Other entries are checked when they are compiled; here, the value of the parameter decides which block is used.
        """
        entry = expansion.entry
        for name, default in block.parameters.items():
            if default is None and name not in entry.arguments:
                message = f"{entry.word} is {block.name} here; {block.name} needs {name}"
                self.reporter.report(expansion, entry.word_path, message, "CV012", on_key=True)
        for name in entry.arguments:
            if name not in block.parameters:
                message = f"{block.name} has no parameter {show(name)}"
                self.reporter.report(expansion, (*entry.arguments_path, name), message, "CV010", on_key=True)

    def _check_value(self, expansion: Expansion, name: str, value: Any) -> None:
        if not holds_only_values(value):
            path = (*expansion.entry.arguments_path, name)
            message = f"a parameter must be a number, true, false, text or a list; got {show(value)}"
            self.reporter.report(expansion, path, message, "CV013")
            raise UnknownValue


def _make_default_context(expansion: Expansion, variables: dict[str, Any]) -> Expansion:
    """Return the context in which the default of a block's parameter is evaluated.

    The default can use `$in_channels` and the parameters declared before it, whose values are in `variables`.
    """
    scope = Scope("", None, (), variables, 0, False)
    scope.use_path = expansion.entry.word_path
    scope.copy = expansion.copy
    inside = Expansion(expansion.entry, scope, None)
    inside.tensors = expansion.tensors
    return inside
