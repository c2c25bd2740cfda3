"""What entries say, looked up: the values of expressions and options, and what names stand for."""

from typing import Any

from convcalc.keys import is_number, mistaken_value
from convcalc.problems import Path, Related, did_you_mean, shortened, shown
from convcalc.spec.document import UNKNOWN
from convcalc.spec.entries import Compiled, Computed, Entry, Problems
from convcalc.spec.expressions import WrongExpression
from convcalc.spec.scopes import MYSTERY, Laying, Place, Scope, Tensor, Tensors, UnknownValue
from convcalc.spec.templates import Template, bounded_list

RESERVED_LAYERS = ("input", "previous")


class Resolver:
    """Looks up what the laying of an entry asks for; reports what is not there and raises UnknownValue."""

    def __init__(self, problems: Problems, params: dict[str, Any]) -> None:
        self.problems = problems
        self.params = params

    # -- values

    def lookup(self, laying: Laying) -> Any:
        """What the names in an entry's expressions stand for."""

        def value_of(name: str) -> Any:
            if name == "index":
                value: Any = laying.index
            elif name == "in_channels":
                value = self.in_channels(laying)
            else:
                value = self.variable(laying.scope, name)
            if value is UNKNOWN or value is None:
                raise UnknownValue
            return value

        return value_of

    def variable(self, scope: Scope, name: str) -> Any:
        """The value of a parameter: of the block's own, or a top-level one."""
        return scope.variables[name] if name in scope.variables else self.params.get(name, UNKNOWN)

    def in_channels(self, laying: Laying) -> int:
        """The channels that an entry reads, of the first input of several."""
        shape = self.reads(laying)[0].shape
        if shape is None:
            raise UnknownValue
        return shape.channels

    def value(self, compiled: Compiled, path: Path, laying: Laying) -> Any:
        """A compiled value. Raises UnknownValue where it has none; why is then reported."""
        if isinstance(compiled, Template):
            try:
                return compiled.value(self.lookup(laying))
            except WrongExpression as flaw:
                self.problems.add_flaw(path, flaw, **self.context(laying))
                raise UnknownValue from None
        if isinstance(compiled, Computed):
            items = [self.value(item, (*path, index), laying) for index, item in enumerate(compiled.items)]
            try:
                return bounded_list(items)
            except WrongExpression as flaw:
                self.problems.add(path, flaw.message, flaw.code, **self.context(laying))
                raise UnknownValue from None
        if compiled is UNKNOWN:
            raise UnknownValue
        return compiled

    def context(self, laying: Laying) -> dict[str, Any]:
        """What a problem says of the laying it came up in: the use of the block, and which laying it was."""
        use = laying.scope.use
        related = [] if use is None else [Related(use, "in this use of the block")]
        return {"laying": laying.scope if laying.index == laying.scope.index else laying, "related": related}

    def option(self, laying: Laying, name: str) -> Any:
        """The value of an option that is given."""
        return self.value(laying.entry.options[name], laying.entry.option_path(name), laying)

    def wrong_option(self, laying: Laying, name: str, message: str, hint: str = "", code: str = "CV013") -> None:
        """Report an option's value."""
        path = laying.entry.option_path(name)
        self.problems.add(path, message, code, hint, **self.context(laying))

    def flag(self, laying: Laying, name: str, default: bool) -> bool:
        """An option that is true or false."""
        if name not in laying.entry.options:
            return default
        value = self.option(laying, name)
        if isinstance(value, bool) or (name == "when" and is_number(value)):
            return bool(value)
        written = laying.entry.options[name]
        text = written.text.replace("$", "") if isinstance(written, Template) else value
        hint = mistaken_value(text, "true or false") if text != value or not isinstance(written, Template) else ""
        if isinstance(text, str) and text is value and self.variable(laying.scope, text) is not UNKNOWN:
            hint = f"write an expression as $({text})"
        self.wrong_option(laying, name, f"{name} must be true or false; got {shown(value)}", hint)
        raise UnknownValue

    # -- names

    def reads(self, laying: Laying) -> Tensors:
        """What an entry reads: what `from` names, or the entry before."""
        if laying.tensors is None:
            laying.tensors = self.sources(laying)
        return laying.tensors

    def sources(self, laying: Laying) -> Tensors:
        """Look up `from`. In later copies of a repeat the copy before stands for its first name."""
        entry, scope = laying.entry, laying.scope
        if "from" not in entry.options:
            if laying.first is None and not scope.unnamed and scope.previous is scope.given:
                there = ", ".join(scope.places)
                message = f"the first entry must name its input with from (inputs: {shortened(there)})"
                hint = f"write from: {next(iter(scope.places))}"
                self.problems.add(entry.word_path, message, "CV012", hint, on_key=True, **self.context(laying))
                raise UnknownValue
            return laying.first or scope.previous
        laying.tensors = (MYSTERY,)  # a name of `from` that asks for $in_channels gets no answer
        names, path = self.from_names(laying)
        found: list[Tensor] = []
        known = True
        for index, name in enumerate(names):
            try:
                given = laying.first if index == 0 else None
                place = (*path, index) if len(names) > 1 else path
                found.extend(self.find(laying, name, place).outputs if given is None else given)
            except UnknownValue:
                known = False
        if not known:
            raise UnknownValue
        return tuple(found)

    def from_names(self, laying: Laying) -> tuple[list[str], Path]:
        """The names in `from`, as text."""
        path = laying.entry.option_path("from")
        written = laying.entry.options["from"]
        items = written.items if isinstance(written, Computed) else written if isinstance(written, list) else None
        if items is None:
            names: list[Any] = ["" if laying.first is not None else self.value(written, path, laying)]
        else:
            # the first name of a later copy is not looked at: it may hold an $index that names nothing
            skip = 1 if laying.first is not None else 0
            values = [self.value(item, (*path, index), laying) for index, item in enumerate(items) if index >= skip]
            names = [""] * min(skip, len(items)) + values
            path = path if len(names) > 1 else (*path, 0)
        if not names or not all(isinstance(name, str) for name in names):
            self.wrong_option(laying, "from", f"from must be a name or a list of names; got {shown(written)}")
            raise UnknownValue
        return names, path

    def find(self, laying: Laying, name: str, path: Path) -> Place:
        """What a name stands for, sought from the innermost scope outwards; reports where there is nothing."""
        first, *rest = name.split(".")
        place = self.given_place(laying, first, path) if first in RESERVED_LAYERS else self.seek(laying.scope, first)
        walked = first
        for part in rest:
            if place is None or place.left_out or (place.outputs == (MYSTERY,) and not place.children):
                break
            inner = (place.children or {}).get(part)
            if inner is None:
                there = list(place.children or {})
                hint = did_you_mean(part, there) or (f"available: {', '.join(there[:8])}" if there else "it is a single layer")
                self.missing(laying, path, f"{shortened(walked)} contains no layer {shown(part)}", hint)
            walked, place = f"{walked}.{part}", inner
        if place is None:
            self.not_found(laying, name, path)
        elif place.left_out:
            related = [Related(place.left_out, "disabled here")]
            message = f"{shortened(walked)} is disabled by `{place.left_out[-1]}`"
            self.problems.add(path, message, "CV015", laying=self.context(laying)["laying"], related=related)
            raise UnknownValue
        assert place is not None
        return place

    def missing(self, laying: Laying, path: Path, message: str, hint: str) -> None:
        """Report a name that stands for nothing."""
        self.problems.add(path, message, "CV015", hint, **self.context(laying))
        raise UnknownValue

    def given_place(self, laying: Laying, name: str, path: Path) -> Place:
        """`input` and `previous`."""
        scope = laying.scope
        if scope.unnamed or (name == "previous" and scope.previous is not scope.given):
            return Place(name, (), scope.given if name == "input" else scope.previous)
        names = ", ".join(list(scope.places)[:8])
        self.missing(laying, path, f"{name} is not available here: the inputs have names", f"available: {names}")
        raise UnknownValue

    @staticmethod
    def seek(scope: Scope | None, name: str) -> Place | None:
        """The first hit from the innermost scope outwards."""
        while scope is not None:
            place = scope.places.get(name)
            if place is not None:
                return place
            scope = scope.outer
        return None

    def not_found(self, laying: Laying, name: str, path: Path) -> None:
        """Report a name that nothing above bears."""
        first = name.split(".")[0]
        visible: list[str] = ["input", "previous"]
        later: set[str] = set()
        scope: Scope | None = laying.scope
        while scope is not None:
            visible += scope.places
            later |= {written_name(entry) for entry in scope.body.entries}
            scope = scope.outer
        message, hint = f"no layer named {shown(name)} above", did_you_mean(first, visible)
        if first in later:
            message = f"{shortened(first)} is not complete here; an entry can read only entries above it"
        self.missing(laying, path, message, hint)


def written_name(entry: Entry) -> str:
    """The name of an entry as far as it is known without laying it."""
    name = entry.options.get("name")
    return name if isinstance(name, str) else f"{entry.word}{entry.ordinal}"
