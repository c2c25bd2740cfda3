"""Evaluates the expressions and options of entries, and finds the layers that names refer to.

For example, inside a block with the parameter width = 64, the option `repeat: $(width // 32)` has the value 2, and
`from: [previous, stem.conv1]` refers to two tensors.
"""

from typing import Any

from convcalc.arguments import is_arithmetic, is_number, suggest_correction
from convcalc.problems import Path, Related, did_you_mean, shorten, show
from convcalc.spec.document import UNKNOWN
from convcalc.spec.entries import RESERVED_LAYERS, Compiled, Computed, Entry, make_default_name
from convcalc.spec.expressions import Lookup, WrongExpression
from convcalc.spec.problem_list import ExpansionReporter, TooMuch
from convcalc.spec.scopes import UNKNOWN_TENSOR, Expansion, Place, Scope, Tensor, Tensors, UnknownValue
from convcalc.spec.templates import Template, check_list_length

MOST_COLLECTED = 500_000  # the total number of inputs that names with `*` may stand for


class ChosenValues:  # not a Protocol, which takes longer to create than the other classes of this module together
    """The values of spec parameters with choices; `per_copy` are the parameters that have a value per copy of a repeat.

    `lookups` counts the values that have been looked up.
    """

    per_copy: frozenset[str]
    lookups: int

    def __contains__(self, name: str) -> bool:
        """Return whether this object has the value of a spec parameter."""
        raise NotImplementedError

    def find(self, name: str, copy: str) -> Any:
        """Return the value of a spec parameter in a copy of a repeat; UNKNOWN after a mistake."""
        raise NotImplementedError


class Resolver:
    """Evaluates expressions and finds layers for entries that are being expanded.

    Methods raise UnknownValue after reporting a mistake. They also raise it, without a report, if an expression or a
    name depends on an entry or parameter whose mistake has been reported.
    """

    def __init__(
        self, reporter: ExpansionReporter, params: dict[str, Any], choices: "ChosenValues | None" = None
    ) -> None:
        self.reporter = reporter
        self.params = params
        self.choices = choices  # the values that replace those of `params`; None if there are none
        self.collected = 0  # the number of inputs found so far by names with `*`

    # -- values

    def evaluate(self, compiled: Compiled, path: Path, expansion: Expansion) -> Any:
        """Return a compiled value with its expressions evaluated; `path` is the path of the value in the spec.

        `expansion` is the entry that contains the value.
        """
        if isinstance(compiled, Template):
            try:
                return compiled.evaluate(self._make_lookup(expansion))
            except WrongExpression as flaw:
                self.reporter.report_flaw(expansion, path, flaw)
                raise UnknownValue from None
        if isinstance(compiled, Computed):
            items = [self.evaluate(item, (*path, index), expansion) for index, item in enumerate(compiled.items)]
            try:
                return check_list_length(items)
            except WrongExpression as flaw:  # this is about the whole list, not about characters of a text
                self.reporter.report(expansion, path, flaw.message, flaw.code)
                raise UnknownValue from None
        if compiled is UNKNOWN:
            raise UnknownValue
        return compiled

    def evaluate_option(self, expansion: Expansion, name: str) -> Any:
        """Return the value of the option `name`, which the entry must have."""
        return self.evaluate(expansion.entry.options[name], expansion.entry.option_path(name), expansion)

    def evaluate_flag(self, expansion: Expansion, name: str, default: bool) -> bool:
        """Return the value of the option `name`, or `default` if the entry does not have this option.

        Raises UnknownValue after reporting a value other than true or false.
        """
        if name not in expansion.entry.options:
            return default
        value = self.evaluate_option(expansion, name)
        if isinstance(value, bool) or (name == "when" and is_number(value)):
            return bool(value)
        message = f"{name} must be true or false; got {show(value)}"
        self.reporter.report_option(expansion, name, message, self._suggest_true_or_false(expansion, name, value))
        raise UnknownValue

    def find_variable(self, expansion: Expansion, name: str) -> Any:
        """Return the value of the block's parameter `name`, or else of the spec's; UNKNOWN if neither has it."""
        variables = expansion.scope.variables
        if name in variables:
            return variables[name]
        if self.choices is not None and name in self.choices:
            return self.choices.find(name, expansion.copy)
        return self.params.get(name, UNKNOWN)

    def find_word(self, entry: Entry, scope: Scope) -> str:
        """Return the name of an entry's layer kind or block; for `- $act`, return the value of act.

        If act has one value per copy of a repeat, return `act` itself, so that the entry has one name in all copies.
        """
        if not entry.dynamic:
            return entry.word
        name = entry.word[1:]
        if name not in scope.variables and self.choices is not None and name in self.choices.per_copy:
            return name
        value = self.find_variable(Expansion(entry, scope, scope.index), name)
        return value if isinstance(value, str) else name

    def _has_variable(self, scope: Scope, name: str) -> bool:
        """Return whether a parameter has this name, without looking up its value."""
        return scope.variables.get(name, self.params.get(name, UNKNOWN)) is not UNKNOWN

    def _make_lookup(self, expansion: Expansion) -> Lookup:
        """Return a function that returns the value of a name in the entry's expressions."""

        def find_value(name: str) -> Any:
            if name == "index":
                value: Any = expansion.index
            elif name == "in_channels":
                value = self._count_input_channels(expansion)
            else:
                value = self.find_variable(expansion, name)
                if value is UNKNOWN and name == expansion.entry.counter:
                    value = expansion.index
            if value is UNKNOWN or value is None:
                raise UnknownValue
            return value

        return find_value

    def suggest_expression(self, written: Compiled, expansion: Expansion) -> str:
        """Return a hint for a value that was probably meant as an expression, otherwise "".

        If width is a parameter, the hint for `width` is `write $width`, and the hint for `2 * $width` is
        `write $(2 * width)`.
        """
        if isinstance(written, str) and self._has_variable(expansion.scope, written):
            return f"write ${written}"
        if isinstance(written, Template) and written.whole is None:
            bare = written.text.replace("$", "")
            return f"write $({bare})" if is_arithmetic(bare) else ""
        return ""

    def _count_input_channels(self, expansion: Expansion) -> int:
        """Return the value of $in_channels: the channels of the entry's first input."""
        shape = self.find_inputs(expansion)[0].shape
        if shape is None:
            raise UnknownValue
        return shape.channels

    def _suggest_true_or_false(self, expansion: Expansion, name: str, value: Any) -> str:
        written = expansion.entry.options[name]
        if isinstance(written, Template):
            bare = written.text.replace("$", "")
            return suggest_correction(bare, "true or false") if bare != value else ""
        if isinstance(value, str) and self._has_variable(expansion.scope, value):
            return f"write $({value})"
        return suggest_correction(value, "true or false")

    # -- the inputs of an entry

    def find_inputs(self, expansion: Expansion) -> Tensors:
        """Return the inputs of an entry: the outputs of the layers under `from`, or else of the previous entry."""
        if expansion.tensors is None:
            if "from" in expansion.entry.options:
                expansion.tensors = (UNKNOWN_TENSOR,)  # $in_channels is not known inside `from`, which determines it
                expansion.tensors = self._find_named_inputs(expansion)
            else:
                expansion.tensors = self._find_default_input(expansion)
        return expansion.tensors

    def _find_default_input(self, expansion: Expansion) -> Tensors:
        entry, scope = expansion.entry, expansion.scope
        if expansion.previous_copy is None and scope.has_named_inputs and scope.previous is scope.inputs:
            inputs = ", ".join(scope.places)
            message = f"the first entry must name its input with from (inputs: {shorten(inputs)})"
            hint = f"add from: {next(iter(scope.places))}"
            self.reporter.report(expansion, entry.word_path, message, "CV012", hint, on_key=True)
            raise UnknownValue
        return expansion.previous_copy or scope.previous

    def _find_named_inputs(self, expansion: Expansion) -> Tensors:
        """Return the outputs of the layers under `from`.

        In a repeated entry, only the first copy reads the first of these layers; each other copy reads the previous
        copy.
        """
        names, path = self._evaluate_input_names(expansion)
        found: list[Tensor] = []
        known = True
        for index, name in enumerate(names):
            try:
                copied = expansion.previous_copy if index == 0 else None
                place = (*path, index) if len(names) > 1 else path
                found.extend(self._find_outputs(expansion, name, place) if copied is None else copied)
            except UnknownValue:
                known = False
        if not known:
            raise UnknownValue
        return tuple(found)

    def _evaluate_input_names(self, expansion: Expansion) -> tuple[list[str], Path]:
        """Return the layer names under `from`, and the path of the list or, if there is only one name, of that name.

        For all copies of a repeated entry except the first, the first name is "": these copies read the previous copy.
        The name is not evaluated, because with $index it may not exist for them.
        """
        path = expansion.entry.option_path("from")
        written = expansion.entry.options["from"]
        items = written.items if isinstance(written, Computed) else written if isinstance(written, list) else None
        is_later_copy = expansion.previous_copy is not None
        if items is None:
            names: list[Any] = ["" if is_later_copy else self.evaluate(written, path, expansion)]
        else:
            skip = 1 if is_later_copy else 0
            values = [
                self.evaluate(item, (*path, index), expansion) for index, item in enumerate(items) if index >= skip
            ]
            names = [""] * min(skip, len(items)) + values
            path = path if len(names) > 1 else (*path, 0)
        if not names or not all(isinstance(name, str) for name in names):
            message = f"from must be a name or a list of names; got {show(written)}"
            self.reporter.report_option(expansion, "from", message)
            raise UnknownValue
        return names, path

    def _find_outputs(self, expansion: Expansion, name: str, path: Path) -> Tensors:
        """Return the outputs of the layer `name`; `tcn.*.skip` names the layer `skip` in every copy of `tcn`."""
        if "*" not in name.split("."):
            return self.find_place(expansion, name, path).outputs
        tensors = self._collect_copies(expansion, name, path)
        self.collected += len(tensors)
        if self.collected > MOST_COLLECTED:
            message = f"more than {MOST_COLLECTED:,} inputs are collected with *"
            self.reporter.report(expansion, path, message, "CV004")
            raise TooMuch
        return tensors

    def _collect_copies(self, expansion: Expansion, name: str, path: Path) -> Tensors:
        """Return the outputs of all enabled layers that a name with `*` matches, in the order of the copies.

        For example, `tcn.*.skip` matches the layer skip in each copy of the repeat tcn.
        """
        parts = name.split(".")
        start = max(parts.index("*"), 1)
        walked = ".".join(parts[:start])
        places = [self.find_place(expansion, walked, path)]
        for part in parts[start:]:
            self._check_can_look_up(expansion, places, walked, part, path)
            inside = _find_enabled_children(places, part)
            if not inside:
                message = f"{shorten(name)} matches no layer: {shorten(walked)} contains no enabled {show(part)}"
                self.reporter.report(expansion, path, message, "CV015", _suggest_children(places[0]))
                raise UnknownValue
            walked, places = f"{walked}.{part}", inside
        return tuple([tensor for place in places for tensor in place.outputs])

    def _check_can_look_up(self, expansion: Expansion, places: list[Place], walked: str, part: str, path: Path) -> None:
        """Raise UnknownValue after reporting a `*` that does not refer to the copies of a repeat.

        In `tcn.*.skip`, `part` is `*`, `walked` is `tcn`, and `places` are the `Place`s that `walked` matches.
        UnknownValue is also raised, without a report, if one of these is unknown because of an earlier mistake.
        """
        if part == "*" and any(place.word != "repeat" and place.children is not None for place in places):
            message = f"{shorten(walked)} has no copies: * stands for the copies of a repeat"
            self.reporter.report(expansion, path, message, "CV015", _suggest_children(places[0]))
            raise UnknownValue
        if any(place.outputs == (UNKNOWN_TENSOR,) and not place.children for place in places):
            raise UnknownValue

    # -- names

    def find_place(self, expansion: Expansion, name: str, path: Path) -> Place:
        """Return the `Place` of the layer or scope with a name such as `stage1.conv2`; `path` is the path of the name.

        The first part of the name (`stage1`) is looked up in the innermost scope first, then in the scopes around it.
        """
        first, *rest = name.split(".")
        place = (
            self._find_reserved_place(expansion, first, path)
            if first in RESERVED_LAYERS
            else _find_in_scopes(expansion.scope, first)
        )
        walked = first
        for part in rest:
            if place is None or place.disabled_by or (place.outputs == (UNKNOWN_TENSOR,) and not place.children):
                break
            walked, place = f"{walked}.{part}", self._find_inside(expansion, place, walked, part, path)
        if place is None:
            self._report_unknown_name(expansion, name, path)
            raise UnknownValue
        if place.disabled_by:
            message = f"{shorten(walked)} is disabled by `{place.disabled_by[-1]}`"
            self.reporter.report(expansion, path, message, "CV015", related=Related(place.disabled_by, "disabled here"))
            raise UnknownValue
        return place

    def _find_inside(self, expansion: Expansion, place: Place, walked: str, part: str, path: Path) -> Place:
        """Return the child `part` of `place`, whose name `walked` is for the message."""
        children = place.children or {}
        if part not in children:
            hint = did_you_mean(part, children) or _suggest_children(place)
            message = f"{shorten(walked)} contains no layer {show(part)}"
            self.reporter.report(expansion, path, message, "CV015", hint)
            raise UnknownValue
        return children[part]

    def _find_reserved_place(self, expansion: Expansion, name: str, path: Path) -> Place:
        scope = expansion.scope
        if not scope.has_named_inputs or (name == "previous" and scope.previous is not scope.inputs):
            return Place(name, (), scope.inputs if name == "input" else scope.previous)
        owner = "the network" if scope.use_path is None else "the block"
        message = f"{name} is not available here: {owner} has named inputs"
        hint = f"available: {', '.join(list(scope.places)[:8])}"
        self.reporter.report(expansion, path, message, "CV015", hint)
        raise UnknownValue

    def _report_unknown_name(self, expansion: Expansion, name: str, path: Path) -> None:
        first = name.split(".")[0]
        visible: list[str] = ["input", "previous"]
        later: set[str] = set()
        scope: Scope | None = expansion.scope
        while scope is not None:
            visible += scope.places
            later |= {_guess_name(entry) for entry in scope.body.entries}
            scope = scope.outer
        message = f"no layer named {show(name)} above"
        if first in later:
            message = f"{shorten(first)} is not complete here; an entry can read only entries above it"
        self.reporter.report(expansion, path, message, "CV015", did_you_mean(first, visible))


def _suggest_children(place: Place) -> str:
    """Return the hint `available: conv1, conv2`, with the names of up to 8 layers in a scope."""
    children = place.children or {}
    return f"available: {', '.join(list(children)[:8])}" if children else "it is a single layer"


def _find_enabled_children(places: list[Place], part: str) -> list[Place]:
    """Return the enabled children with the name `part`, or all enabled children for `*`, of all `places`."""
    found: list[Place | None] = []
    for place in places:
        children = place.children or {}
        found += children.values() if part == "*" else [children.get(part)]
    return [place for place in found if place is not None and not place.disabled_by]


def _find_in_scopes(scope: Scope | None, name: str) -> Place | None:
    """Return the `Place` of a name in the innermost scope that has the name; None if no scope has it."""
    while scope is not None:
        place = scope.places.get(name)
        if place is not None:
            return place
        scope = scope.outer
    return None


def _guess_name(entry: Entry) -> str:
    """Return the name that an entry will probably get: the text of its option `name`, or its default name."""
    name = entry.options.get("name")
    return name if isinstance(name, str) else make_default_name(entry.word, entry.ordinal)
