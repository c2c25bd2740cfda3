"""Looks up what entries refer to: the values of their expressions and options, and the layers that names refer to."""

from typing import Any

from convcalc.arguments import is_number, suggest_correction
from convcalc.problems import Path, Related, did_you_mean, shorten, show
from convcalc.spec.document import UNKNOWN
from convcalc.spec.entries import Compiled, Computed, Entry, Problems
from convcalc.spec.expressions import WrongExpression
from convcalc.spec.scopes import UNKNOWN_TENSOR, Expansion, Place, Scope, Tensor, Tensors, UnknownValue
from convcalc.spec.templates import Template, check_list_length

RESERVED_LAYERS = ("input", "previous")


class Resolver:
    """Looks up values and names while an entry is expanded; reports unknown ones and raises UnknownValue."""

    def __init__(self, problems: Problems, params: dict[str, Any]) -> None:
        self.problems = problems
        self.params = params

    # -- values

    def lookup(self, expansion: Expansion) -> Any:
        """Return the function that looks up the names in an entry's expressions."""

        def value_of(name: str) -> Any:
            if name == "index":
                value: Any = expansion.index
            elif name == "in_channels":
                value = self.in_channels(expansion)
            else:
                value = self.variable(expansion.scope, name)
            if value is UNKNOWN or value is None:
                raise UnknownValue
            return value

        return value_of

    def variable(self, scope: Scope, name: str) -> Any:
        """Return the value of a parameter, of the block or else of the spec."""
        return scope.variables[name] if name in scope.variables else self.params.get(name, UNKNOWN)

    def in_channels(self, expansion: Expansion) -> int:
        """Return the channels of an entry's input; of its first one if it has several."""
        shape = self.reads(expansion)[0].shape
        if shape is None:
            raise UnknownValue
        return shape.channels

    def value(self, compiled: Compiled, path: Path, expansion: Expansion) -> Any:
        """Return the value of something compiled. Raises UnknownValue after reporting why it has none."""
        if isinstance(compiled, Template):
            try:
                return compiled.value(self.lookup(expansion))
            except WrongExpression as flaw:
                self.problems.add_flaw(path, flaw, **self.context(expansion))
                raise UnknownValue from None
        if isinstance(compiled, Computed):
            items = [self.value(item, (*path, index), expansion) for index, item in enumerate(compiled.items)]
            try:
                return check_list_length(items)
            except WrongExpression as flaw:
                self.problems.add(path, flaw.message, flaw.code, **self.context(expansion))
                raise UnknownValue from None
        if compiled is UNKNOWN:
            raise UnknownValue
        return compiled

    def context(self, expansion: Expansion) -> dict[str, Any]:
        """Return what every problem of this expansion refers to: the expansion, and the use of the block it is in."""
        use = expansion.scope.use
        related = [] if use is None else [Related(use, "in this use of the block")]
        return {
            "expansion": expansion.scope if expansion.index == expansion.scope.index else expansion,
            "related": related,
        }

    def option(self, expansion: Expansion, name: str) -> Any:
        """Return the value of an option that is given."""
        return self.value(expansion.entry.options[name], expansion.entry.option_path(name), expansion)

    def report_wrong_option(
        self, expansion: Expansion, name: str, message: str, hint: str = "", code: str = "CV013"
    ) -> None:
        """Report a wrong value of an option."""
        path = expansion.entry.option_path(name)
        self.problems.add(path, message, code, hint, **self.context(expansion))

    def flag(self, expansion: Expansion, name: str, default: bool) -> bool:
        """Return the value of an option that is true or false."""
        if name not in expansion.entry.options:
            return default
        value = self.option(expansion, name)
        if isinstance(value, bool) or (name == "when" and is_number(value)):
            return bool(value)
        written = expansion.entry.options[name]
        text = written.text.replace("$", "") if isinstance(written, Template) else value
        hint = suggest_correction(text, "true or false") if text != value or not isinstance(written, Template) else ""
        if isinstance(text, str) and text is value and self.variable(expansion.scope, text) is not UNKNOWN:
            hint = f"write an expression as $({text})"
        self.report_wrong_option(expansion, name, f"{name} must be true or false; got {show(value)}", hint)
        raise UnknownValue

    # -- names

    def reads(self, expansion: Expansion) -> Tensors:
        """Return the inputs of an entry: those that `from` names, or the output of the entry before."""
        if expansion.tensors is None:
            expansion.tensors = self.find_sources(expansion)
        return expansion.tensors

    def find_sources(self, expansion: Expansion) -> Tensors:
        """Look up `from`. In later copies of a repeat, the output of the copy before replaces the first name."""
        entry, scope = expansion.entry, expansion.scope
        if "from" not in entry.options:
            if expansion.first is None and not scope.unnamed and scope.previous is scope.given:
                there = ", ".join(scope.places)
                message = f"the first entry must name its input with from (inputs: {shorten(there)})"
                hint = f"write from: {next(iter(scope.places))}"
                self.problems.add(entry.word_path, message, "CV012", hint, on_key=True, **self.context(expansion))
                raise UnknownValue
            return expansion.first or scope.previous
        expansion.tensors = (UNKNOWN_TENSOR,)  # $in_channels is not known inside `from`, which determines it
        names, path = self.from_names(expansion)
        found: list[Tensor] = []
        known = True
        for index, name in enumerate(names):
            try:
                given = expansion.first if index == 0 else None
                place = (*path, index) if len(names) > 1 else path
                found.extend(self.find(expansion, name, place).outputs if given is None else given)
            except UnknownValue:
                known = False
        if not known:
            raise UnknownValue
        return tuple(found)

    def from_names(self, expansion: Expansion) -> tuple[list[str], Path]:
        """Return the names in `from`, and their path."""
        path = expansion.entry.option_path("from")
        written = expansion.entry.options["from"]
        items = written.items if isinstance(written, Computed) else written if isinstance(written, list) else None
        if items is None:
            names: list[Any] = ["" if expansion.first is not None else self.value(written, path, expansion)]
        else:
            # the first name is ignored in later copies: with an $index, it may not exist
            skip = 1 if expansion.first is not None else 0
            values = [self.value(item, (*path, index), expansion) for index, item in enumerate(items) if index >= skip]
            names = [""] * min(skip, len(items)) + values
            path = path if len(names) > 1 else (*path, 0)
        if not names or not all(isinstance(name, str) for name in names):
            self.report_wrong_option(expansion, "from", f"from must be a name or a list of names; got {show(written)}")
            raise UnknownValue
        return names, path

    def find(self, expansion: Expansion, name: str, path: Path) -> Place:
        """Return what a name refers to, searched from the innermost scope outwards; an unknown name is reported."""
        first, *rest = name.split(".")
        place = (
            self.find_input(expansion, first, path)
            if first in RESERVED_LAYERS
            else self.find_place(expansion.scope, first)
        )
        walked = first
        for part in rest:
            if place is None or place.left_out or (place.outputs == (UNKNOWN_TENSOR,) and not place.children):
                break
            inner = (place.children or {}).get(part)
            if inner is None:
                there = list(place.children or {})
                hint = did_you_mean(part, there) or (
                    f"available: {', '.join(there[:8])}" if there else "it is a single layer"
                )
                self.report_missing(expansion, path, f"{shorten(walked)} contains no layer {show(part)}", hint)
            walked, place = f"{walked}.{part}", inner
        if place is None:
            self.report_unknown_name(expansion, name, path)
        elif place.left_out:
            related = [Related(place.left_out, "disabled here")]
            message = f"{shorten(walked)} is disabled by `{place.left_out[-1]}`"
            self.problems.add(path, message, "CV015", expansion=self.context(expansion)["expansion"], related=related)
            raise UnknownValue
        assert place is not None
        return place

    def report_missing(self, expansion: Expansion, path: Path, message: str, hint: str) -> None:
        """Report an unknown name. Raises UnknownValue."""
        self.problems.add(path, message, "CV015", hint, **self.context(expansion))
        raise UnknownValue

    def find_input(self, expansion: Expansion, name: str, path: Path) -> Place:
        """Return what `input` or `previous` refers to."""
        scope = expansion.scope
        if scope.unnamed or (name == "previous" and scope.previous is not scope.given):
            return Place(name, (), scope.given if name == "input" else scope.previous)
        names = ", ".join(list(scope.places)[:8])
        self.report_missing(
            expansion, path, f"{name} is not available here: the inputs have names", f"available: {names}"
        )
        raise UnknownValue

    @staticmethod
    def find_place(scope: Scope | None, name: str) -> Place | None:
        """Return the place with this name in the innermost scope that has it, None if none has."""
        while scope is not None:
            place = scope.places.get(name)
            if place is not None:
                return place
            scope = scope.outer
        return None

    def report_unknown_name(self, expansion: Expansion, name: str, path: Path) -> None:
        """Report a name that no entry above has."""
        first = name.split(".")[0]
        visible: list[str] = ["input", "previous"]
        later: set[str] = set()
        scope: Scope | None = expansion.scope
        while scope is not None:
            visible += scope.places
            later |= {_guess_name(entry) for entry in scope.body.entries}
            scope = scope.outer
        message, hint = f"no layer named {show(name)} above", did_you_mean(first, visible)
        if first in later:
            message = f"{shorten(first)} is not complete here; an entry can read only entries above it"
        self.report_missing(expansion, path, message, hint)


def _guess_name(entry: Entry) -> str:
    """Return the name of an entry as far as it is known without expanding it."""
    name = entry.options.get("name")
    return name if isinstance(name, str) else f"{entry.word}{entry.ordinal}"
