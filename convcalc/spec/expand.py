"""Expands the entries of a spec into layers: parameters, blocks, repeats, conditions, branches, names and shapes.

One pass in the order of the file is enough: an entry reads only entries above it, so each layer's input shapes are
known (or known to be unknown, after a mistake) when it is made.
"""

from typing import Any

from convcalc.arguments import suggest_correction
from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.network import Group
from convcalc.problems import Flaw, Path, Related, shorten, show
from convcalc.shape import Shape
from convcalc.spec.blocks import holds_only_values
from convcalc.spec.dialects import kind_hint
from convcalc.spec.document import UNKNOWN
from convcalc.spec.entries import LAYER_NAME, MERGES, MOST_NAME, Block, Body, Computed, Entry, Problems
from convcalc.spec.making import MOST_LAYERS, LayerMaker, make_layer
from convcalc.spec.replay import Recording, make_replay_key
from convcalc.spec.resolve import RESERVED_LAYERS
from convcalc.spec.scopes import UNKNOWN_TENSOR, Expansion, Place, Scope, Tensor, Tensors, UnknownValue, Use
from convcalc.spec.templates import Template

MOST_ENTRIES = 500_000
MOST_SCOPES = 64


class Expander(LayerMaker):
    """Expands entries; the results are in `nodes` and `groups`."""

    def __init__(self, problems: Problems, params: dict[str, Any], inputs: dict[str, Shape | None]) -> None:
        super().__init__(problems, params, inputs)
        self.groups: list[Group] = []
        self.recordings: dict[object, Recording] = {}
        self.entries = 0

    def count(self, entries: int, path: Path) -> None:
        """Count entries before they are expanded, and stop if they are too many."""
        self.entries += entries
        if self.entries > MOST_ENTRIES:
            self.stop(path, f"more than {MOST_ENTRIES:,} entries")

    def expand_body(self, body: Body, scope: Scope, path: Path) -> None:
        """Expand the entries of a scope in order."""
        if self.entries + body.least > MOST_ENTRIES:
            self.count(body.least, path)
        self.count(len(body.entries), path)
        scope.body = body
        if not body.dynamic:
            for entry in body.entries:
                self.expand_entry(entry, scope, f"{entry.word}{entry.ordinal}")
            return
        ordinals: dict[str, int] = {}
        for entry in body.entries:
            word = self.word(entry, scope)
            ordinals[word] = ordinals.get(word, 0) + 1
            self.expand_entry(entry, scope, f"{word}{ordinals[word]}")

    def word(self, entry: Entry, scope: Scope) -> str:
        """Return the layer kind, block or list of an entry, with a parameter replaced by its value."""
        if not entry.dynamic:
            return entry.word
        value = self.variable(scope, entry.word[1:])
        return value if isinstance(value, str) else entry.word[1:]

    def expand_entry(self, entry: Entry, scope: Scope, default_name: str) -> None:
        """Expand one written entry: once, or as often as it repeats."""
        name = default_name
        expansion = Expansion(entry, scope, scope.index)
        if entry.options:
            try:
                name = self.name(expansion, default_name)
                if "repeat" in entry.options:
                    self.expand_repeat(expansion, name)
                    return
            except UnknownValue:
                scope.previous = self.register(
                    scope, name, Place(entry.word, entry.path, (UNKNOWN_TENSOR,)), entry
                ).outputs
                return
        place = self.expand_once(expansion, scope, name)
        self.register(scope, name, place, entry)
        if not place.left_out:
            scope.previous = place.outputs

    def name(self, expansion: Expansion, default: str) -> str:
        """Return the name of an entry; an invalid one is reported."""
        if "name" not in expansion.entry.options:
            return default
        value = self.option(expansion, "name")
        if not isinstance(value, str) or not LAYER_NAME.fullmatch(value) or len(value) > MOST_NAME:
            too_long = isinstance(value, str) and len(value) > MOST_NAME
            hint = f"use at most {MOST_NAME} characters" if too_long else "use a letter, then letters, digits, _ and -"
            message = f"{show(value)} is not a valid layer name"
            self.report_wrong_option(expansion, "name", message, hint, "CV015")
            return value if isinstance(value, str) else default
        if value in RESERVED_LAYERS:
            self.report_wrong_option(
                expansion, "name", f"{value} is reserved and cannot be the name of a layer", code="CV015"
            )
        return value

    def register(self, scope: Scope, name: str, place: Place, entry: Entry) -> Place:
        """Register the name of an expanded entry and report it if the scope already has that name."""
        place.path = entry.option_path("name") if "name" in entry.options else entry.word_path
        other = scope.places.get(name)
        if other is not None and not place.left_out:
            if not other.left_out:
                related = [Related(other.path, "first used here")]
                message = f"two entries are named {shorten(name)}"
                hint = "an entry without name is named after its kind and number: relu1, relu2"
                at_word = "name" not in entry.options
                self.problems.add(place.path, message, "CV015", hint, on_key=at_word, expansion=scope, related=related)
            scope.places[name] = place
        elif other is None:
            scope.places[name] = place
        return place

    def make_disabled_place(self, entry: Entry, option: str) -> Place:
        """Return the place of a disabled entry."""
        place = Place(entry.word, entry.path, ())
        place.left_out = entry.option_path(option)
        return place

    def expand_repeat(self, expansion: Expansion, name: str) -> None:
        """Expand the copies of a repeated entry, each with the output of the one before as its input."""
        entry, scope = expansion.entry, expansion.scope
        copies = self.option(expansion, "repeat")
        if not isinstance(copies, int) or isinstance(copies, bool) or copies < 0:
            hint = suggest_correction(copies, "an integer")
            self.report_wrong_option(
                expansion, "repeat", f"repeat must be a non-negative integer; got {show(copies)}", hint
            )
            raise UnknownValue
        self.count(copies, entry.option_path("repeat"))
        if self.entries + copies * entry.least_inside() > MOST_ENTRIES:
            self.count(copies * entry.least_inside(), entry.option_path("repeat"))
        home = self.inner_scope(expansion, scope, name, scope.given)
        first: Tensors | None = None
        start = len(self.nodes)
        for index in range(copies):
            place = self.expand_once(Expansion(entry, scope, index, first), home, str(index))
            home.places[str(index)] = place
            if not place.left_out:
                first = place.outputs
        if first is None:
            option = "when" if copies else "repeat"
            self.register(scope, name, self.make_disabled_place(entry, option), entry)
            return
        self.register(scope, name, Place("repeat", entry.path, first, home.places), entry)
        laid = sum(not place.left_out for place in home.places.values())
        self.group(scope.prefix + name, self.word(entry, scope), start, first, entry.line, laid)
        scope.previous = first

    def expand_once(self, expansion: Expansion, home: Scope, name: str) -> Place:
        """Expand one copy of an entry under a name in the scope `home`."""
        entry = expansion.entry
        try:
            if "when" in entry.options and not self.flag(expansion, "when", True):
                return self.make_disabled_place(entry, "when")
            tensors = self.reads(expansion)
            frozen = self.flag(expansion, "frozen", False) or home.frozen
            twin = self.find_twin(expansion, home, name)
            kind, block = self.kind_and_block(expansion)
            if entry.broken and kind is None:
                raise UnknownValue
            if kind is not None:
                return self.expand_layer(expansion, kind, tensors, home.prefix + name, frozen, twin)
            return self.expand_scope(expansion, block, tensors, home, name, frozen, twin)
        except UnknownValue:
            return Place(entry.word, entry.path, (UNKNOWN_TENSOR,))

    def kind_and_block(self, expansion: Expansion) -> tuple[type[Layer] | None, Block | None]:
        """Return the layer kind or the block of an entry, also if a parameter names it; the other is None."""
        entry = expansion.entry
        if not entry.dynamic or entry.broken:
            return entry.kind, entry.block
        word = self.variable(expansion.scope, entry.word[1:])
        if word is UNKNOWN or word is None:
            raise UnknownValue
        block = entry.block_above(word)
        if block is not None:
            return None, block
        if isinstance(word, str) and word in KINDS:
            return KINDS[word], None
        message = f"{entry.word} is {show(word)}, which is neither a layer kind nor a block defined above"
        hint = kind_hint(word, KINDS)[1] if isinstance(word, str) else ""
        self.problems.add(entry.word_path, message, "CV011", hint, on_key=True, **self.context(expansion))
        raise UnknownValue

    # -- scopes

    def inner_scope(self, expansion: Expansion, home: Scope, name: str, given: Tensors) -> Scope:
        """Return a new scope inside `home`, from which the names of the outer scopes are visible."""
        if home.depth == MOST_SCOPES:
            self.stop(expansion.entry.path, f"entries nested more than {MOST_SCOPES} levels deep")
        outer = expansion.scope
        scope = Scope(f"{home.prefix}{name}.", outer, given, outer.variables, home.depth + 1, home.frozen)
        scope.index = expansion.index
        scope.use = outer.use
        scope.twin = None if home.twin is None else (home.twin.children or {}).get(name)
        return scope

    def expand_scope(
        self,
        expansion: Expansion,
        block: Block | None,
        tensors: Tensors,
        home: Scope,
        name: str,
        frozen: bool,
        twin: Place | None,
    ) -> Place:
        """Expand the use of a block, a sequence, or branches."""
        entry = expansion.entry
        scope = self.inner_scope(expansion, home, name, tensors)
        scope.frozen = frozen
        scope.twin = twin
        start = len(self.nodes)
        if block is not None:
            place = self.expand_block(expansion, block, scope)
        elif entry.word == "branches":
            place = Place(entry.word, entry.path, self.expand_branches(expansion, scope), scope.places)
        else:
            self.expand_body(entry.bodies[0], scope, entry.path)
            place = Place(entry.word, entry.path, self.outcome(expansion, scope), scope.places)
        self.group(scope.prefix[:-1], place.word, start, place.outputs, entry.line, use=place.signature)
        return place

    def expand_block(self, expansion: Expansion, block: Block, scope: Scope) -> Place:
        """Expand one use of a block, or copy the layers of an equal use."""
        entry, use = expansion.entry, self.enter_block(expansion, block, scope)
        if scope.twin is not None and not (scope.twin.signature and use.equals(scope.twin.signature)):
            self.report_unshareable(expansion, "uses of one block with equal arguments and input channels")
        key = make_replay_key(use, scope)
        found = self.recordings.get(key)
        if found is not None and len(self.nodes) + len(found.nodes) <= MOST_LAYERS:
            self.count(found.entries, entry.path)
            place = Place(block.name, entry.path, *found.replay(scope))
        else:
            recording, problems = Recording(self, scope), len(self.problems.found)
            self.expand_body(block.body, scope, entry.path)
            place = Place(block.name, entry.path, self.outcome(expansion, scope), scope.places)
            if key is not None and len(self.problems.found) == problems:
                recording.finish(place.outputs)
                self.recordings[key] = recording
        place.signature = use
        return place

    def group(
        self,
        name: str,
        word: str,
        start: int,
        outputs: Tensors,
        line: int | None,
        copies: int | None = None,
        use: Use | None = None,
    ) -> None:
        """Record which layers belong to a scope, if it has any."""
        if start < len(self.nodes) and len(outputs) == 1:
            block, parameters = (None, {}) if use is None else (use.block.name, use.variables)
            output = outputs[0].number
            self.groups.append(Group(name, word, start, len(self.nodes), output, line, copies, block, parameters))

    def outcome(self, expansion: Expansion, scope: Scope) -> Tensors:
        """Return the output of a finished scope: that of its last entry, or its only input if it has no layers."""
        if scope.previous is scope.given and len(scope.given) > 1:
            message = (
                f"{expansion.entry.word} has no layers and cannot pass on its {len(scope.given)} inputs as one output"
            )
            path = expansion.entry.word_path
            self.problems.add(path, message, "CV016", on_key=True, **self.context(expansion))
            raise UnknownValue
        return scope.previous

    def enter_block(self, expansion: Expansion, block: Block, scope: Scope) -> "Use":
        """Set up a scope for a block, with its inputs and parameters.

        The scopes around the use of the block are not visible inside it.
        """
        if block.broken:
            raise UnknownValue
        scope.outer = None
        scope.index = None
        scope.use = expansion.entry.word_path
        scope.variables = self.block_variables(expansion, block)
        due = len(block.input_names or "1")
        if len(scope.given) != due:
            what = f"{due} inputs ({', '.join(block.input_names)})" if block.input_names else "one input"
            message = f"{block.name} needs {what}; got {len(scope.given)}"
            path = expansion.entry.word_path
            self.problems.add(path, message, "CV016", on_key=True, **self.context(expansion))
            raise UnknownValue
        if block.input_names is not None:
            scope.unnamed = False
            for index, name in enumerate(block.input_names):
                scope.places[name] = Place("input", (*block.path, "inputs", index), (scope.given[index],))
        return Use(block, scope.variables, scope.given)

    def block_variables(self, expansion: Expansion, block: Block) -> dict[str, Any]:
        """Return the parameters of a block with their values; they hide those of the spec."""
        entry = expansion.entry
        if entry.dynamic:
            self.check_dynamic_use(expansion, block)
        variables: dict[str, Any] = {}
        for name, default in block.parameters.items():
            try:
                if name in entry.arguments:
                    value = entry.arguments[name]
                    if value.__class__ is not int:
                        value = self.value(value, (*entry.arguments_path, name), expansion)
                        self.check_parameter(expansion, name, value)
                elif isinstance(default, Template | Computed):
                    value = self.value(
                        default, (*block.path, "params", name), self.make_default_context(expansion, variables)
                    )
                else:
                    value = UNKNOWN if default is None else default
            except UnknownValue:
                value = UNKNOWN
            variables[name] = value
        return variables

    @staticmethod
    def make_default_context(expansion: Expansion, variables: dict[str, Any]) -> Expansion:
        """Return the context for a block's defaults: they can use its input and the parameters above them."""
        scope = Scope("", None, (), variables, 0, False)
        scope.use = expansion.entry.word_path
        inside = Expansion(expansion.entry, scope, None)
        inside.tensors = expansion.tensors
        return inside

    def check_dynamic_use(self, expansion: Expansion, block: Block) -> None:
        """Check the arguments of a block that a parameter names, which could not be checked before."""
        entry = expansion.entry
        for name, default in block.parameters.items():
            if default is None and name not in entry.arguments:
                message = f"{entry.word} is {block.name} here, which needs {name}"
                self.problems.add(entry.word_path, message, "CV012", on_key=True, **self.context(expansion))
        for name in entry.arguments:
            if name not in block.parameters:
                message = f"{block.name} has no parameter {show(name)}"
                path = (*entry.arguments_path, name)
                self.problems.add(path, message, "CV010", on_key=True, **self.context(expansion))

    def check_parameter(self, expansion: Expansion, name: str, value: Any) -> None:
        """Report a parameter that is not a number, true, false, text or a list."""
        if not holds_only_values(value):
            path = (*expansion.entry.arguments_path, name)
            message = f"a parameter must be a number, true, false, text or a list; got {show(value)}"
            self.problems.add(path, message, "CV013", **self.context(expansion))
            raise UnknownValue

    def expand_branches(self, expansion: Expansion, scope: Scope) -> Tensors:
        """Expand all branches, each on the same input, and merge their outputs."""
        entry = expansion.entry
        outputs: list[Tensor] = []
        for index, body in enumerate(entry.bodies):
            branch = Expansion(entry, scope, expansion.index)
            inner = self.inner_scope(branch, scope, str(index), scope.given)
            start = len(self.nodes)
            self.expand_body(body, inner, (*entry.path, "branches", index))
            given = self.outcome(expansion, inner)
            scope.places[str(index)] = Place("branch", (*entry.path, "branches", index), given, inner.places)
            self.group(inner.prefix[:-1], "branch", start, given, entry.line)
            outputs.extend(given)
        merge = self.value(entry.merge, (*entry.path, "merge"), expansion)
        if merge not in MERGES:
            message = f"merge must be add, multiply or concat; got {show(merge)}"
            self.problems.add((*entry.path, "merge"), message, "CV013", **self.context(expansion))
            raise UnknownValue
        scope.places[merge] = self.expand_merge(expansion, KINDS[merge], tuple(outputs), scope)
        return scope.places[merge].outputs

    def expand_merge(self, expansion: Expansion, kind: type[Layer], tensors: Tensors, scope: Scope) -> Place:
        """Add the layer that merges the branches."""
        path = (*expansion.entry.path, "merge")
        shapes = tuple(tensor.shape for tensor in tensors if tensor.shape is not None)
        if len(shapes) < len(tensors):
            raise UnknownValue
        try:
            layer = make_layer(kind, shapes, ())
        except Flaw as flaw:
            self.problems.add(path, flaw.message, flaw.code, flaw.hint, **self.context(expansion))
            raise UnknownValue from None
        return self.add_node(expansion, layer, tensors, scope.prefix + kind.kind, scope.frozen, None, path)
