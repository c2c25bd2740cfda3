"""Expands the entries of a spec into named layers: it applies blocks, repeats, conditions and branches.

One pass in the order of the file is enough, because an entry can use only outputs of entries above it. The input shapes
of a layer are therefore known when it is made, unless there was a mistake above. For example, the entry
`conv: {…, repeat: 3}` expands to the layers conv1.0, conv1.1 and conv1.2.

The expander decides which layers the network has and how they are connected. Other classes look up values and names
(`Resolver`), make single layers (`LayerMaker`), set the parameters of blocks (`BlockBinder`), check shared weights
(`WeightSharing`) and hold the result (`Draft`).
"""

from collections.abc import Callable
from typing import Any

from convcalc.arguments import suggest_correction
from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.problems import Path, Related, shorten, show
from convcalc.spec.bind import BlockBinder
from convcalc.spec.document import UNKNOWN
from convcalc.spec.draft import Draft
from convcalc.spec.entries import (
    MERGES,
    MOST_NAME,
    RESERVED_LAYERS,
    Block,
    Body,
    Entry,
    is_layer_name,
    make_default_name,
)
from convcalc.spec.layer_maker import LayerMaker
from convcalc.spec.problem_list import ExpansionReporter, Problems
from convcalc.spec.replay import Recording, make_replay_key
from convcalc.spec.resolve import ChosenValues, Resolver
from convcalc.spec.scopes import UNKNOWN_TENSOR, Expansion, Frame, Place, Scope, Tensor, Tensors, UnknownValue
from convcalc.spec.sharing import WeightSharing

MOST_SCOPES = 64
OnStep = Callable[[list[Frame], Draft], None]


class Expander:
    """Expands entries, and adds the resulting layers and groups to a draft, the unfinished network.

    `choices` has values that replace those in `params`. Before each entry, copy and branch, `on_step` is called with
    the open frames, outermost first, and the draft. Before the first copy of a repeat, it may add copies to the draft
    itself, and then advances the position of the innermost frame.
    """

    def __init__(
        self,
        problems: Problems,
        params: dict[str, Any],
        draft: Draft,
        choices: ChosenValues | None = None,
        on_step: OnStep | None = None,
    ) -> None:
        self.problems = problems
        self.draft = draft
        self.reporter = ExpansionReporter(problems)
        self.resolver = Resolver(self.reporter, params, choices)
        self.layer_maker = LayerMaker(self.resolver, self.reporter)
        self.binder = BlockBinder(self.resolver, self.reporter)
        self.sharing = WeightSharing(self.resolver, self.reporter, draft.nodes)
        self.frames: list[Frame] = []
        self.on_step = on_step

    def expand_body(self, body: Body, scope: Scope, path: Path) -> None:
        """Expand the entries of a list, in order, in the scope `scope`; `path` is the path of the list in the spec."""
        self.draft.check_coming_entries(body.least, path)
        self.draft.count_entries(len(body.entries), path)
        scope.body = body
        frame = self._open_frame(scope, body, None, len(body.entries))
        ordinals = frame.ordinals
        for position, entry in enumerate(body.entries):
            self._step(frame, position)
            word, ordinal = entry.word, entry.ordinal
            if body.dynamic:
                word = self.resolver.find_word(entry, scope)
                ordinals[word] = ordinal = ordinals.get(word, 0) + 1
            self._expand_entry(entry, scope, make_default_name(word, ordinal))
        self.frames.pop()

    def _open_frame(
        self, scope: Scope, body: Body | None, entry: Entry | None, stop: int, is_repeat: bool = False
    ) -> Frame:
        frame = Frame(scope, body, entry, stop, is_repeat)
        self.frames.append(frame)
        return frame

    def _step(self, frame: Frame, position: int) -> None:
        frame.position = position
        if self.on_step is not None:
            self.on_step(self.frames, self.draft)

    # -- one entry

    def _expand_entry(self, entry: Entry, scope: Scope, default_name: str) -> None:
        name = default_name
        expansion = Expansion(entry, scope, scope.index)
        if entry.options:
            try:
                name = self._evaluate_name(expansion, default_name)
                if "repeat" in entry.options:
                    self._expand_repeat(expansion, name)
                    return
            except UnknownValue:
                place = Place(entry.word, entry.path, (UNKNOWN_TENSOR,))
                self._register_name(scope, name, place, entry)
                scope.previous = place.outputs
                return
        place = self._expand_once(expansion, scope, name)
        self._register_name(scope, name, place, entry)
        if not place.disabled_by:
            scope.previous = place.outputs

    def _expand_repeat(self, expansion: Expansion, name: str) -> None:
        """Expand the copies of a repeated entry; the output of each copy is the input of the next."""
        entry, scope = expansion.entry, expansion.scope
        copies = self._count_copies(expansion)
        home = self._make_inner_scope(expansion, scope, name, scope.inputs)
        first: Tensors | None = None
        start = len(self.draft.nodes)
        frame = self._open_frame(home, None, entry, copies, is_repeat=True)
        index = 0
        while index < copies:
            frame.previous_copy = first
            self._step(frame, index)
            index, first = frame.position, frame.previous_copy
            copy = Expansion(entry, scope, index, first, f"{home.prefix}{index}")
            place = self._expand_once(copy, home, str(index))
            home.places[str(index)] = place
            if not place.disabled_by:
                first = place.outputs
            index += 1
        self.frames.pop()
        if first is None:
            option = "when" if copies else "repeat"
            self._register_name(scope, name, _make_disabled_place(entry, option), entry)
            return
        self._register_name(scope, name, Place("repeat", entry.path, first, home.places), entry)
        enabled = sum(not place.disabled_by for place in home.places.values())
        word = self.resolver.find_word(entry, scope)
        self.draft.add_group(scope.prefix + name, word, start, first, entry.line, enabled)
        scope.previous = first

    def _count_copies(self, expansion: Expansion) -> int:
        """Return the number of copies of a repeated entry. Raises TooMuch if the copies exceed the limit on entries."""
        entry = expansion.entry
        copies = self.resolver.evaluate_option(expansion, "repeat")
        if not isinstance(copies, int) or isinstance(copies, bool) or copies < 0:
            message = f"repeat must be a non-negative integer; got {show(copies)}"
            hint = self.resolver.suggest_expression(entry.options["repeat"], expansion)
            hint = hint or suggest_correction(copies, "an integer")
            self.reporter.report_option(expansion, "repeat", message, hint)
            raise UnknownValue
        path = entry.option_path("repeat")
        self.draft.count_entries(copies, path)
        self.draft.check_coming_entries(copies * entry.count_least_inside(), path)
        return copies

    def _expand_once(self, expansion: Expansion, home: Scope, name: str) -> Place:
        """Expand an entry, or one copy of a repeated entry, and return its `Place`.

        Its layer or inner scope is called `name` in the scope `home`. For a copy of a repeated entry, `home` is the
        scope of the repeat, and `name` is the index of the copy.
        """
        entry, resolver = expansion.entry, self.resolver
        try:
            if "when" in entry.options and not resolver.evaluate_flag(expansion, "when", True):
                return _make_disabled_place(entry, "when")
            tensors = self._find_inputs(expansion)
            frozen = resolver.evaluate_flag(expansion, "frozen", False) or home.frozen
            twin = self.sharing.find_twin(expansion, home, name)
            kind, block = self._find_kind_and_block(expansion)
            if entry.broken and kind is None:
                raise UnknownValue
            if kind is not None:
                layer = self.layer_maker.make_layer(expansion, kind, tensors)
                owner = None if twin is None else self.sharing.find_owner(expansion, layer, twin)
                full_name = home.prefix + name
                return self.draft.add_layer(layer, full_name, entry, tensors, frozen, owner, entry.word_path)
            return self._expand_scope(expansion, block, tensors, home, name, frozen, twin)
        except UnknownValue:
            return Place(entry.word, entry.path, (UNKNOWN_TENSOR,))

    def _find_inputs(self, expansion: Expansion) -> Tensors:
        """Return the inputs of an entry, none for a kind without inputs; a `from` there is reported."""
        entry = expansion.entry
        if entry.kind is None or not entry.kind.reads_nothing:
            return self.resolver.find_inputs(expansion)
        if "from" in entry.options:
            self.reporter.report_option(expansion, "from", f"{entry.kind.kind} has no input", "remove from", "CV016")
        return ()

    def _find_kind_and_block(self, expansion: Expansion) -> tuple[type[Layer] | None, Block | None]:
        """Return the layer kind and the block of an entry: one of them is None, or both for branches and a sequence.

        Raises UnknownValue after reporting that the parameter in `- $act` names neither a layer kind nor a block.
        """
        entry = expansion.entry
        if not entry.dynamic or entry.broken:
            return entry.kind, entry.block
        word = self.resolver.find_variable(expansion, entry.word[1:])
        if word is UNKNOWN:
            raise UnknownValue
        block = entry.find_block_above(word)
        if block is not None:
            return None, block
        if isinstance(word, str) and word in KINDS:
            return KINDS[word], None
        from convcalc.spec.dialects import kind_hint  # few specs need hints

        message = f"{entry.word} is {show(word)}, which is neither a layer kind nor a block defined above"
        hint = kind_hint(word, KINDS)[1] if isinstance(word, str) else ""
        self.reporter.report(expansion, entry.word_path, message, "CV011", hint, on_key=True)
        raise UnknownValue

    # -- names

    def _evaluate_name(self, expansion: Expansion, default: str) -> str:
        """Return the value of the option `name`, or `default` if it is not given; report an invalid name."""
        if "name" not in expansion.entry.options:
            return default
        value = self.resolver.evaluate_option(expansion, "name")
        if not isinstance(value, str) or not is_layer_name(value) or len(value) > MOST_NAME:
            too_long = isinstance(value, str) and len(value) > MOST_NAME
            hint = f"use at most {MOST_NAME} characters" if too_long else "use a letter, then letters, digits, _ and -"
            message = f"{show(value)} is not a valid layer name"
            self.reporter.report_option(expansion, "name", message, hint, "CV015")
            return value if isinstance(value, str) else default
        if value in RESERVED_LAYERS:
            message = f"{value} is reserved and cannot be the name of a layer"
            self.reporter.report_option(expansion, "name", message, code="CV015")
        return value

    def _register_name(self, scope: Scope, name: str, place: Place, entry: Entry) -> None:
        """Add a name to a scope; report the name if an entry with the same name is enabled.

        If one of the two entries is disabled, the name refers to the other one.
        """
        place.path = entry.option_path("name") if "name" in entry.options else entry.word_path
        other = scope.places.get(name)
        if other is not None and not place.disabled_by:
            if not other.disabled_by:
                related = [Related(other.path, "first used here")]
                message = f"two entries are named {shorten(name)}"
                hint = "an entry without name is named after its kind and number: relu1, relu2"
                at_word = "name" not in entry.options
                self.problems.add(place.path, message, "CV015", hint, on_key=at_word, expansion=scope, related=related)
            scope.places[name] = place
        elif other is None:
            scope.places[name] = place

    # -- scopes: blocks, sequences and branches

    def _make_inner_scope(self, expansion: Expansion, home: Scope, name: str, given: Tensors) -> Scope:
        """Return a new scope called `name` inside `home`, with the inputs `given`.

        Its entries can also refer to the names in the scope of the expanded entry and in the scopes around it.
        """
        if home.depth == MOST_SCOPES:
            self.draft.stop(expansion.entry.path, f"entries nested more than {MOST_SCOPES} levels deep")
        outer = expansion.scope
        scope = Scope(f"{home.prefix}{name}.", outer, given, outer.variables, home.depth + 1, home.frozen)
        scope.index = expansion.index
        scope.copy = expansion.copy
        if expansion.entry.counter is not None:
            scope.variables = {**outer.variables, expansion.entry.counter: expansion.index}
        scope.use_path = outer.use_path
        scope.twin = None if home.twin is None else (home.twin.children or {}).get(name)
        return scope

    def _expand_scope(
        self,
        expansion: Expansion,
        block: Block | None,
        tensors: Tensors,
        home: Scope,
        name: str,
        frozen: bool,
        twin: Place | None,
    ) -> Place:
        """Expand a use of a block, a sequence, or branches, and return its `Place`.

        The new scope is called `name` in the scope `home`. `tensors` are its inputs. `twin` is the earlier use of the
        block whose weights this use shares, otherwise None.
        """
        entry = expansion.entry
        scope = self._make_inner_scope(expansion, home, name, tensors)
        scope.frozen = frozen
        scope.twin = twin
        start = len(self.draft.nodes)
        if block is not None:
            place = self._expand_block(expansion, block, scope)
        elif entry.word == "branches":
            place = Place(entry.word, entry.path, self._expand_branches(expansion, scope), scope.places)
        else:
            self.expand_body(entry.bodies[0], scope, entry.path)
            place = Place(entry.word, entry.path, self._find_output(expansion, scope), scope.places)
        group_name = scope.prefix[:-1]
        self.draft.add_group(group_name, place.word, start, place.outputs, entry.line, use=place.use)
        return place

    def _expand_block(self, expansion: Expansion, block: Block, scope: Scope) -> Place:
        """Expand one use of a block, or copy the layers of an earlier use with equal parameters and input shapes."""
        entry, use = expansion.entry, self.binder.bind_block(expansion, block, scope)
        if scope.twin is not None:
            self.sharing.check_use(expansion, use, scope.twin)
        key = make_replay_key(use, scope)
        found = self.draft.recordings.get(key)
        if found is not None and self.draft.has_room(len(found.nodes)):
            self.draft.count_entries(found.entries, entry.path)
            place = Place(block.name, entry.path, *found.replay(scope))
        else:
            recording, problems, lookups = Recording(self.draft, scope), len(self.problems.found), self._count_lookups()
            self.expand_body(block.body, scope, entry.path)
            place = Place(block.name, entry.path, self._find_output(expansion, scope), scope.places)
            # a value of its own per copy is not part of the key
            if key is not None and len(self.problems.found) == problems and lookups == self._count_lookups():
                recording.finish(place.outputs)
                self.draft.recordings[key] = recording
        place.use = use
        return place

    def _count_lookups(self) -> int:
        return 0 if self.resolver.choices is None else self.resolver.choices.lookups

    def _expand_branches(self, expansion: Expansion, scope: Scope) -> Tensors:
        entry, resolver = expansion.entry, self.resolver
        outputs: list[Tensor] = []
        frame = self._open_frame(scope, None, entry, len(entry.bodies))
        for position, (step, body) in enumerate(zip(entry.branches, entry.bodies, strict=True)):
            self._step(frame, position)
            outputs.extend(self._expand_branch(expansion, scope, step, body))
        self.frames.pop()
        path = (*entry.path, "merge")
        merge = resolver.evaluate(entry.merge, path, expansion)
        if merge not in MERGES:
            message = f"merge must be add, multiply or concat; got {show(merge)}"
            self.reporter.report(expansion, path, message, "CV013")
            raise UnknownValue
        tensors = tuple(outputs)
        layer = self.layer_maker.make_merge(expansion, KINDS[merge], tensors, path)
        place = self.draft.add_layer(layer, scope.prefix + merge, entry, tensors, scope.frozen, None, path)
        scope.places[merge] = place
        return place.outputs

    def _expand_branch(self, expansion: Expansion, scope: Scope, step: str | int, body: Body) -> Tensors:
        """Expand one branch and return its output; `step` is its name, or its index if it has no name."""
        entry, name = expansion.entry, str(step)
        path = (*entry.path, "branches", step)
        branch = Expansion(entry, scope, expansion.index, copy=expansion.copy)
        inner = self._make_inner_scope(branch, scope, name, scope.inputs)
        start = len(self.draft.nodes)
        self.expand_body(body, inner, path)
        output = self._find_output(expansion, inner)
        scope.places[name] = Place("branch", path, output, inner.places)
        self.draft.add_group(inner.prefix[:-1], "branch", start, output, entry.line)
        return output

    def _find_output(self, expansion: Expansion, scope: Scope) -> Tensors:
        """Return the output of the last entry in the scope; without entries, return the scope's only input.

        Raises UnknownValue after reporting that there are no entries and several inputs.
        """
        if scope.previous is scope.inputs and len(scope.inputs) > 1:
            entry, inputs = expansion.entry, len(scope.inputs)
            message = f"{entry.word} has no layers and cannot pass on its {inputs} inputs as one output"
            self.reporter.report(expansion, entry.word_path, message, "CV016", on_key=True)
            raise UnknownValue
        return scope.previous


def _make_disabled_place(entry: Entry, option: str) -> Place:
    """Return the `Place` of an entry that is disabled by `option`: `when` is false, or `repeat` is 0."""
    place = Place(entry.word, entry.path, ())
    place.disabled_by = entry.option_path(option)
    return place
