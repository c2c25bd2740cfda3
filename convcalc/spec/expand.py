"""Laying the entries of a spec: parameters, blocks, repeats, conditions, branches, names, shapes.

One pass in the order of the file. What an entry reads stands above it, so each layer's shape is known (or
known to be unknown, after a mistake) when the next is laid.
"""

from typing import Any

from convcalc.keys import LayerName, NamedShape, is_number
from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.network import Group, Node
from convcalc.problems import Flaw, Path, Related, did_you_mean, shortened, shown
from convcalc.shape import Shape
from convcalc.spec.entries import LAYER_NAME, LISTS, MERGES, MOST_NAME, Block, Body, Compiled, Computed, Entry, Problems
from convcalc.spec.expressions import Template, WrongExpression
from convcalc.spec.source import UNKNOWN

MOST_LAYERS = 50_000
MOST_ENTRIES = 500_000
MOST_SCOPES = 64
RESERVED_LAYERS = ("input", "previous")


class UnknownValue(Exception):
    """A value that depends on a mistake that has been reported."""


class TooMuch(Exception):
    """A limit is reached; nothing more is laid."""


class Tensor:
    """What a layer gives: its number in the network and its shape, None where it is not known."""

    __slots__ = ("number", "shape")

    def __init__(self, number: int, shape: Shape | None) -> None:
        self.number = number
        self.shape = shape


MYSTERY = Tensor(-1, None)
Tensors = tuple[Tensor, ...]
NOTHING = Body([])


class Place:
    """What a name stands for: a layer, a finished scope with its names, an input, or an entry left out."""

    __slots__ = ("children", "left_out", "node", "outputs", "path", "signature", "word")

    def __init__(self, word: str, path: Path, outputs: Tensors, children: "dict[str, Place] | None" = None) -> None:
        self.word = word
        self.path = path
        self.outputs = outputs
        self.children = children
        self.node: int | None = None
        self.signature: Use | None = None
        self.left_out: Path | None = None


class Use:
    """One use of a block: with which values, on what."""

    __slots__ = ("block", "given", "variables")

    def __init__(self, block: Block, variables: dict[str, Any], given: Tensors) -> None:
        self.block = block
        self.variables = variables
        self.given = given

    def equals(self, other: "Use") -> bool:
        """Whether weights can be shared: the same block with equal arguments and input channels."""
        return self.block is other.block and self.values() == other.values()

    def values(self) -> list[Any]:
        """The parameters' values and the channels that are read."""
        channels = [tensor.shape and tensor.shape.channels for tensor in self.given]
        return [*(self.variables[name] for name in self.block.parameters), *channels]


class Scope:
    """Where entries are laid: what they are given, what they may name."""

    __slots__ = (
        "body",
        "depth",
        "frozen",
        "given",
        "index",
        "outer",
        "places",
        "prefix",
        "previous",
        "twin",
        "unnamed",
        "use",
        "variables",
    )

    def __init__(
        self, prefix: str, outer: "Scope | None", given: Tensors, variables: dict[str, Any], depth: int, frozen: bool
    ) -> None:
        self.prefix = prefix
        self.outer = outer
        self.given = given
        self.previous = given
        self.variables = variables
        self.depth = depth
        self.frozen = frozen
        self.places: dict[str, Place] = {}
        self.unnamed = True  # whether what is given is called input (named inputs are not)
        self.index: int | None = None
        self.twin: Place | None = None
        self.use: Path | None = None
        self.body = NOTHING


class Laying:
    """One laying of an entry: where its options are read, and the copy's number and input in a repeat."""

    __slots__ = ("entry", "first", "index", "scope", "tensors")

    def __init__(self, entry: Entry, scope: Scope, index: int | None, first: Tensors | None = None) -> None:
        self.entry = entry
        self.scope = scope
        self.index = index
        self.first = first
        self.tensors: Tensors | None = None


class Expander:
    """Lays entries; `nodes` and `groups` are what came of them."""

    def __init__(self, problems: Problems, variables: dict[str, Any], inputs: dict[str, Shape | None]) -> None:
        self.problems = problems
        self.variables = variables
        self.nodes: list[Node] = []
        self.groups: list[Group] = []
        self.entries = 0
        self.made: dict[object, Layer] = {}  # equal layers are one object
        self.tensors = [Tensor(number, shape) for number, shape in enumerate(inputs.values())]

    # -- counting

    def count(self, entries: int, path: Path) -> None:
        """Count entries before they are laid."""
        self.entries += entries
        if self.entries > MOST_ENTRIES:
            self.stop(path, f"over {MOST_ENTRIES:,} entries to look at")

    def stop(self, path: Path, message: str) -> None:
        """A limit is reached."""
        self.problems.add(
            path, message, "CV004", "convcalc lays networks up to this size", on_key=True, laying=object()
        )
        raise TooMuch

    # -- values

    def lookup(self, laying: Laying) -> Any:
        """What the names in an entry's expressions stand for."""

        def value_of(name: str) -> Any:
            if name == "index":
                value: Any = laying.index
            elif name == "in_channels":
                value = self.in_channels(laying)
            else:
                value = laying.scope.variables.get(name, UNKNOWN)
            if value is UNKNOWN or value is None:
                raise UnknownValue
            return value

        return value_of

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
            return [self.value(item, (*path, index), laying) for index, item in enumerate(compiled.items)]
        if compiled is UNKNOWN:
            raise UnknownValue
        return compiled

    def context(self, laying: Laying) -> dict[str, Any]:
        """What a problem says of the laying it came up in: the use of the block, and which laying it was."""
        use = laying.scope.use
        related = [] if use is None else [Related(use, "in the block's use here")]
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
        hint = f"an expression is written $({shortened(value)})" if isinstance(value, str) else ""
        self.wrong_option(laying, name, f"{name} takes true or false, not {shown(value)}", hint)
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
                message = f"the first entry needs from: the inputs have names ({shortened(there)})"
                self.problems.add(entry.word_path, message, "CV012", on_key=True, **self.context(laying))
                raise UnknownValue
            return laying.first or scope.previous
        laying.tensors = (MYSTERY,)  # a name of `from` that asks for $in_channels gets no answer
        names, path = self.from_names(laying)
        found: list[Tensor] = []
        for index, name in enumerate(names):
            if index == 0 and laying.first is not None:
                found.extend(laying.first)
            else:
                found.extend(self.find(laying, name, (*path, index) if len(names) > 1 else path).outputs)
        return tuple(found)

    def from_names(self, laying: Laying) -> tuple[list[str], Path]:
        """The names in `from`, as text."""
        path = laying.entry.option_path("from")
        written = laying.entry.options["from"]
        items = written.items if isinstance(written, Computed) else written if isinstance(written, list) else None
        if items is None:
            names: list[Any] = [None if laying.first is not None else self.value(written, path, laying)]
        else:
            # the first name of a later copy is not looked at: it may hold an $index that names nothing
            skip = 1 if laying.first is not None else 0
            values = [self.value(item, (*path, index), laying) for index, item in enumerate(items) if index >= skip]
            names = [None] * min(skip, len(items)) + values
            path = path if len(names) > 1 else (*path, 0)
        if not names or not all(isinstance(name, str) or name is None for name in names):
            self.wrong_option(laying, "from", f"from takes a name or a list of names, not {shown(names)}")
            raise UnknownValue
        return [name or "" for name in names], path

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
                hint = did_you_mean(part, there) or (f"in it are {', '.join(there[:8])}" if there else "it is a layer")
                self.missing(laying, path, f"{shortened(walked)} has no {shown(part)}", hint)
            walked, place = f"{walked}.{part}", inner
        if place is None:
            self.not_found(laying, name, path)
        elif place.left_out:
            related = [Related(place.left_out, "left out by this")]
            message = f"{shortened(walked)} is left out"
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
        self.missing(laying, path, f"there is no {name} here: the inputs have names", f"there are {names}")
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
        message, hint = f"no layer {shown(name)} above", did_you_mean(first, visible)
        if first in later:
            message = f"{shortened(first)} is not finished here: an entry reads only what stands above it"
        self.missing(laying, path, message, hint)

    # -- laying

    def lay_body(self, body: Body, scope: Scope, path: Path) -> None:
        """Lay the entries of a scope in their order."""
        if self.entries + body.least > MOST_ENTRIES:
            self.count(body.least, path)
        self.count(len(body.entries), path)
        scope.body = body
        if not body.dynamic:
            for entry in body.entries:
                self.lay(entry, scope, f"{entry.word}{entry.ordinal}")
            return
        ordinals: dict[str, int] = {}
        for entry in body.entries:
            word = self.word(entry, scope)
            ordinals[word] = ordinals.get(word, 0) + 1
            self.lay(entry, scope, f"{word}{ordinals[word]}")

    @staticmethod
    def word(entry: Entry, scope: Scope) -> str:
        """The word that an entry stands for, its parameter looked up."""
        if not entry.dynamic:
            return entry.word
        value = scope.variables.get(entry.word[1:])
        return value if isinstance(value, str) else entry.word[1:]

    def lay(self, entry: Entry, scope: Scope, default_name: str) -> None:
        """Lay one written entry: once, or as often as it repeats."""
        name = default_name
        laying = Laying(entry, scope, scope.index)
        if entry.options:
            try:
                name = self.name(laying, default_name)
                if "repeat" in entry.options:
                    self.lay_repeat(laying, name)
                    return
            except UnknownValue:
                scope.previous = self.register(scope, name, Place(entry.word, entry.path, (MYSTERY,))).outputs
                return
        place = self.lay_once(laying, scope, name)
        self.register(scope, name, place)
        if not place.left_out:
            scope.previous = place.outputs

    def name(self, laying: Laying, default: str) -> str:
        """The name of an entry."""
        if "name" not in laying.entry.options:
            return default
        value = self.option(laying, "name")
        if not isinstance(value, str) or not LAYER_NAME.fullmatch(value) or len(value) > MOST_NAME:
            hint = f"at most {MOST_NAME} characters" if isinstance(value, str) and len(value) > MOST_NAME else ""
            message = f"{shown(value)} cannot name a layer: a letter, then letters, digits, _ and -"
            self.wrong_option(laying, "name", message, hint, "CV015")
            return value if isinstance(value, str) else default
        if value in RESERVED_LAYERS:
            self.wrong_option(laying, "name", f"{value} cannot name a layer: the word is taken", code="CV015")
        return value

    def register(self, scope: Scope, name: str, place: Place) -> Place:
        """Give a name to what was laid; a name is unique among what a scope lays."""
        other = scope.places.get(name)
        if other is not None and not place.left_out:
            if not other.left_out:
                related = [Related(other.path, "and this one")]
                message = f"two entries are called {shortened(name)}"
                hint = "an entry without a name is called by its kind and its ordinal"
                self.problems.add(place.path, message, "CV015", hint, on_key=True, laying=scope, related=related)
            scope.places[name] = place
        elif other is None:
            scope.places[name] = place
        return place

    def left_out(self, entry: Entry, option: str) -> Place:
        """The place of an entry that is left out."""
        place = Place(entry.word, entry.path, ())
        place.left_out = entry.option_path(option)
        return place

    def lay_repeat(self, laying: Laying, name: str) -> None:
        """Lay the copies of an entry, each reading the one before."""
        entry, scope = laying.entry, laying.scope
        copies = self.option(laying, "repeat")
        if not isinstance(copies, int) or isinstance(copies, bool) or copies < 0:
            hint = f"write {int(copies)}" if isinstance(copies, float) and copies.is_integer() else ""
            self.wrong_option(laying, "repeat", f"repeat takes an integer from 0, not {shown(copies)}", hint)
            raise UnknownValue
        self.count(copies, entry.option_path("repeat"))
        home = self.inner_scope(laying, scope, name, scope.given)
        first: Tensors | None = None
        start = len(self.nodes)
        for index in range(copies):
            place = self.lay_once(Laying(entry, scope, index, first), home, str(index))
            home.places[str(index)] = place
            if not place.left_out:
                first = place.outputs
        if first is None:
            option = "when" if copies else "repeat"
            self.register(scope, name, self.left_out(entry, option))
            return
        self.register(scope, name, Place("repeat", entry.path, first, home.places))
        self.group(scope.prefix + name, "repeat", start, first, entry.line)
        scope.previous = first

    def lay_once(self, laying: Laying, home: Scope, name: str) -> Place:
        """Lay an entry once, under a name in its home scope."""
        entry = laying.entry
        try:
            if "when" in entry.options and not self.flag(laying, "when", True):
                return self.left_out(entry, "when")
            tensors = self.reads(laying)
            frozen = self.flag(laying, "frozen", False) or home.frozen
            twin = self.twin(laying, home, name)
            kind, block = self.kind_and_block(laying)
            if entry.broken and kind is None:
                raise UnknownValue
            if kind is not None:
                return self.lay_layer(laying, kind, tensors, home.prefix + name, frozen, twin)
            return self.lay_scope(laying, block, tensors, home, name, frozen, twin)
        except UnknownValue:
            return Place(entry.word, entry.path, (MYSTERY,))

    def kind_and_block(self, laying: Laying) -> tuple[type[Layer] | None, Block | None]:
        """The kind or the block of an entry, of a parameter that names it."""
        entry = laying.entry
        if not entry.dynamic or entry.broken:
            return entry.kind, entry.block
        word = laying.scope.variables.get(entry.word[1:], UNKNOWN)
        if word is UNKNOWN or word is None:
            raise UnknownValue
        if isinstance(word, str) and word in entry.blocks:
            return None, entry.blocks[word]
        if isinstance(word, str) and word in KINDS:
            return KINDS[word], None
        message = f"{entry.word} is {shown(word)}, which is no layer kind and no block above"
        hint = did_you_mean(word, [*KINDS, *entry.blocks]) if isinstance(word, str) else ""
        self.problems.add(entry.word_path, message, "CV011", hint, on_key=True, **self.context(laying))
        raise UnknownValue

    # -- layers

    def lay_layer(
        self, laying: Laying, kind: type[Layer], tensors: Tensors, name: str, frozen: bool, twin: Place | None
    ) -> Place:
        """Make a layer and wire it."""
        entry = laying.entry
        arguments = self.arguments(laying, kind, tensors[0].shape)
        self.check_arity(laying, kind, tensors)
        shapes = tuple(tensor.shape for tensor in tensors if tensor.shape is not None)
        if arguments is None or entry.broken or len(shapes) < len(tensors):
            raise UnknownValue
        same = (kind, shapes, *arguments.values())
        layer = self.made.get(same)
        if layer is None:
            try:
                layer = self.made[same] = kind(shapes, arguments)
            except Flaw as flaw:
                self.misfit(laying, flaw)
                raise UnknownValue from None
        return self.add_node(laying, layer, tensors, name, frozen, twin, entry.word_path)

    def add_node(
        self, laying: Laying, layer: Layer, tensors: Tensors, name: str, frozen: bool, twin: Place | None, path: Path
    ) -> Place:
        """Put a layer into the network."""
        entry = laying.entry
        if len(self.nodes) == MOST_LAYERS:
            self.stop(path, f"over {MOST_LAYERS:,} layers")
        owner = None if twin is None else self.owner(laying, layer, twin)
        reads = tuple(tensor.number for tensor in tensors)
        place = Place(entry.word, entry.path, (Tensor(len(self.tensors), layer.output),))
        place.node = len(self.nodes)
        self.nodes.append(Node(name, layer, reads, path, entry.line, frozen, owner))
        self.tensors.append(place.outputs[0])
        return place

    def check_arity(self, laying: Laying, kind: type[Layer], tensors: Tensors) -> None:
        """Merging kinds read two inputs or more, all others one."""
        if kind.reads_many == (len(tensors) > 1):
            return
        due = "two inputs or more" if kind.reads_many else "one input"
        hint = f"write from: [previous, input], or {kind.kind} has nothing to merge"
        if not kind.reads_many:
            hint = "add, multiply or concat makes one of several"
        message = f"{kind.kind} reads {due}, not {len(tensors)}"
        self.problems.add(laying.entry.word_path, message, "CV016", hint, on_key=True, **self.context(laying))
        raise UnknownValue

    def arguments(self, laying: Laying, kind: type[Layer], shape: Shape | None) -> dict[str, Any] | None:
        """The arguments of a layer in their normal form, None where one is wrong."""
        entry, axes = laying.entry, None if shape is None else shape.axes
        cached = entry.read.get(axes)
        if cached is not None:
            return cached
        values = dict(kind.defaults(axes))
        known = True
        for name, compiled in entry.arguments.items():
            key = kind.keys.get(name)
            try:
                if key is None:
                    self.stray_argument(laying, kind, name)
                value = self.value(compiled, (*entry.arguments_path, name), laying)
                if isinstance(key, LayerName):
                    value = self.named_shape(laying, name, value)
                assert key is not None
                values[name] = key.read(value, axes)
            except UnknownValue:
                known = False
            except Flaw as flaw:
                self.wrong_argument(laying, name, compiled, flaw)
                known = False
        if entry.dynamic and known:
            known = self.all_given(laying, kind)
        if known and entry.literal and not entry.dynamic and "like" not in entry.arguments:
            entry.read[axes] = values
        return values if known else None

    def stray_argument(self, laying: Laying, kind: type[Layer], name: str) -> None:
        """An argument that the kind a parameter names does not take."""
        path = (*laying.entry.arguments_path, name)
        message = f"{kind.kind} has no argument {shown(name)}"
        self.problems.add(path, message, "CV010", did_you_mean(name, kind.keys), on_key=True, **self.context(laying))
        raise UnknownValue

    def all_given(self, laying: Laying, kind: type[Layer]) -> bool:
        """Whether the kind that a parameter names has all that it requires."""
        absent = [name for name, key in kind.keys.items() if key.required and name not in laying.entry.arguments]
        if absent:
            message = f"{laying.entry.word} is {kind.kind} here, which needs {' and '.join(absent)}"
            self.problems.add(laying.entry.word_path, message, "CV012", on_key=True, **self.context(laying))
        return not absent

    def named_shape(self, laying: Laying, key: str, value: Any) -> Any:
        """The layer that an argument names, with its shape."""
        if not isinstance(value, str):
            return value
        outputs = self.find(laying, value, (*laying.entry.arguments_path, key)).outputs
        if len(outputs) != 1:
            raise Flaw(f"{key} names one layer, and {shown(value)} stands for {len(outputs)}", key=key, code="CV015")
        if outputs[0].shape is None:
            raise UnknownValue
        return NamedShape(value, outputs[0].shape)

    def wrong_argument(self, laying: Laying, name: str, compiled: Compiled, flaw: Flaw) -> None:
        """Report an argument's value, with the expression that gave it."""
        item = compiled
        for step in flaw.where:
            item = item.items[int(step)] if isinstance(item, Computed) else item
        hint = flaw.hint
        if isinstance(item, Template):
            hint = f"it is the value of {shortened(item.text)}"
        path = (*laying.entry.arguments_path, name, *flaw.where)
        self.problems.add(path, flaw.message, flaw.code, hint, **self.context(laying))

    def misfit(self, laying: Laying, flaw: Flaw) -> None:
        """Report that a layer does not fit, at the argument at fault where it is written."""
        entry = laying.entry
        written = flaw.key is not None and flaw.key in entry.arguments
        path = (*entry.arguments_path, str(flaw.key), *flaw.where) if written else entry.word_path
        self.problems.add(path, flaw.message, flaw.code, flaw.hint, on_key=not written, **self.context(laying))

    # -- scopes

    def inner_scope(self, laying: Laying, home: Scope, name: str, given: Tensors) -> Scope:
        """A scope that sees outward, named inside its home."""
        if home.depth == MOST_SCOPES:
            self.stop(laying.entry.path, f"scopes more than {MOST_SCOPES} deep")
        outer = laying.scope
        scope = Scope(f"{home.prefix}{name}.", outer, given, outer.variables, home.depth + 1, home.frozen)
        scope.index = laying.index
        scope.use = outer.use
        scope.twin = None if home.twin is None else (home.twin.children or {}).get(name)
        return scope

    def lay_scope(
        self,
        laying: Laying,
        block: Block | None,
        tensors: Tensors,
        home: Scope,
        name: str,
        frozen: bool,
        twin: Place | None,
    ) -> Place:
        """Lay a block's use, a sequence, or branches."""
        entry = laying.entry
        scope = self.inner_scope(laying, home, name, tensors)
        scope.frozen = frozen
        scope.twin = twin
        start = len(self.nodes)
        signature: Use | None = None
        if entry.word == "branches":
            outputs = self.lay_branches(laying, scope)
        elif block is None:
            self.lay_body(entry.bodies[0], scope, entry.path)
            outputs = self.outcome(laying, scope)
        else:
            signature = self.enter_block(laying, block, scope)
            if twin is not None and not (twin.signature and signature.equals(twin.signature)):
                self.unlike(laying, "the same block with equal arguments and input channels")
            self.lay_body(block.body, scope, entry.path)
            outputs = self.outcome(laying, scope)
        place = Place(block.name if block else entry.word, entry.path, outputs, scope.places)
        place.signature = signature
        self.group(scope.prefix[:-1], place.word, start, outputs, entry.line)
        return place

    def group(self, name: str, word: str, start: int, outputs: Tensors, line: int | None) -> None:
        """Keep where a scope's layers stand, if it has any."""
        if start < len(self.nodes) and len(outputs) == 1:
            self.groups.append(Group(name, word, start, len(self.nodes), outputs[0].number, line))

    def outcome(self, laying: Laying, scope: Scope) -> Tensors:
        """What a finished scope gives: its last entry's output, or its one input where nothing was laid."""
        if scope.previous is scope.given and len(scope.given) > 1:
            message = f"nothing is laid here, and there are {len(scope.given)} inputs to give on"
            path = laying.entry.word_path
            self.problems.add(path, message, "CV016", on_key=True, **self.context(laying))
            raise UnknownValue
        return scope.previous

    def enter_block(self, laying: Laying, block: Block, scope: Scope) -> "Use":
        """Make a scope that of a block: its inputs and parameters."""
        if block.broken:
            raise UnknownValue
        scope.outer = None
        scope.index = None
        scope.use = laying.entry.word_path
        scope.variables = self.block_variables(laying, block)
        due = len(block.input_names or "1")
        if len(scope.given) != due:
            what = f"{due} inputs ({', '.join(block.input_names)})" if block.input_names else "one input"
            message = f"{block.name} reads {what}, not {len(scope.given)}"
            path = laying.entry.word_path
            self.problems.add(path, message, "CV016", on_key=True, **self.context(laying))
            raise UnknownValue
        if block.input_names is not None:
            scope.unnamed = False
            for index, name in enumerate(block.input_names):
                scope.places[name] = Place("input", (*block.path, "inputs", index), (scope.given[index],))
        return Use(block, scope.variables, scope.given)

    def block_variables(self, laying: Laying, block: Block) -> dict[str, Any]:
        """The variables that a block sees: the top-level ones, and its own, which hide them."""
        entry = laying.entry
        if entry.dynamic:
            self.check_dynamic_use(laying, block)
        if not block.parameters:
            return self.variables
        variables = dict(self.variables)
        for name, default in block.parameters.items():
            try:
                if name in entry.arguments:
                    value = self.value(entry.arguments[name], (*entry.arguments_path, name), laying)
                    self.check_parameter(laying, name, value)
                elif isinstance(default, Template | Computed):
                    value = self.value(default, (*block.path, "params", name), self.inside(laying, variables))
                else:
                    value = UNKNOWN if default is None else default
            except UnknownValue:
                value = UNKNOWN
            variables[name] = value
        return variables

    @staticmethod
    def inside(laying: Laying, variables: dict[str, Any]) -> Laying:
        """Where the defaults of a block's parameters are read: they see what the block reads, and its variables."""
        scope = Scope("", None, (), variables, 0, False)
        scope.use = laying.entry.word_path
        inside = Laying(laying.entry, scope, None)
        inside.tensors = laying.tensors
        return inside

    def check_dynamic_use(self, laying: Laying, block: Block) -> None:
        """The arguments where a parameter names the block, which could not be checked before."""
        entry = laying.entry
        for name, default in block.parameters.items():
            if default is None and name not in entry.arguments:
                message = f"{entry.word} is {block.name} here, which needs {name}"
                self.problems.add(entry.word_path, message, "CV012", on_key=True, **self.context(laying))
        for name in entry.arguments:
            if name not in block.parameters:
                message = f"{block.name} has no parameter {shown(name)}"
                path = (*entry.arguments_path, name)
                self.problems.add(path, message, "CV010", on_key=True, **self.context(laying))

    def check_parameter(self, laying: Laying, name: str, value: Any) -> None:
        """A parameter holds a number, true or false, text or a list."""
        if isinstance(value, dict):
            path = (*laying.entry.arguments_path, name)
            message = f"a parameter holds a number, true or false, text or a list, not {shown(value)}"
            self.problems.add(path, message, "CV013", **self.context(laying))
            raise UnknownValue

    def lay_branches(self, laying: Laying, scope: Scope) -> Tensors:
        """Lay all branches, each reading the same, and merge what they give."""
        entry = laying.entry
        outputs: list[Tensor] = []
        for index, body in enumerate(entry.bodies):
            branch = Laying(entry, scope, laying.index)
            inner = self.inner_scope(branch, scope, str(index), scope.given)
            start = len(self.nodes)
            self.lay_body(body, inner, (*entry.path, "branches", index))
            given = self.outcome(laying, inner)
            scope.places[str(index)] = Place("branch", (*entry.path, "branches", index), given, inner.places)
            self.group(inner.prefix[:-1], "branch", start, given, entry.line)
            outputs.extend(given)
        merge = self.value(entry.merge, (*entry.path, "merge"), laying)
        if merge not in MERGES:
            message = f"merge takes add, multiply or concat, not {shown(merge)}"
            self.problems.add((*entry.path, "merge"), message, "CV013", **self.context(laying))
            raise UnknownValue
        scope.places[merge] = self.lay_merge(laying, KINDS[merge], tuple(outputs), scope)
        return scope.places[merge].outputs

    def lay_merge(self, laying: Laying, kind: type[Layer], tensors: Tensors, scope: Scope) -> Place:
        """The layer that merges branches."""
        path = (*laying.entry.path, "merge")
        shapes = tuple(tensor.shape for tensor in tensors if tensor.shape is not None)
        if len(shapes) < len(tensors):
            raise UnknownValue
        try:
            layer = kind(shapes, {})
        except Flaw as flaw:
            self.problems.add(path, flaw.message, flaw.code, flaw.hint, **self.context(laying))
            raise UnknownValue from None
        return self.add_node(laying, layer, tensors, scope.prefix + kind.kind, scope.frozen, None, path)

    # -- shared weights

    def twin(self, laying: Laying, home: Scope, name: str) -> Place | None:
        """The earlier layer or block use whose weights this laying uses too."""
        if "share" not in laying.entry.options:
            return None if home.twin is None else (home.twin.children or {}).get(name)
        value = self.option(laying, "share")
        path = laying.entry.option_path("share")
        if not isinstance(value, str):
            self.wrong_option(laying, "share", f"share takes the name of a layer, not {shown(value)}")
            raise UnknownValue
        place = self.find(laying, value, path)
        shareable = place.node is not None or place.signature is not None
        if laying.entry.word in LISTS or not (shareable or place.outputs == (MYSTERY,)):
            self.unlike(laying, "one layer, or one use of a block")
        if not shareable:
            raise UnknownValue
        return place

    def unlike(self, laying: Laying, due: str) -> None:
        """Report weights that cannot be shared."""
        self.wrong_option(laying, "share", f"weights are shared by {due}", code="CV015")
        raise UnknownValue

    def owner(self, laying: Laying, layer: Layer, twin: Place) -> int:
        """The node whose weights a layer uses too: of the same kind, arguments and weights."""
        if twin.outputs == (MYSTERY,):
            raise UnknownValue
        if twin.node is None:
            self.unlike(laying, "layers of the same kind")
        assert twin.node is not None
        node = self.nodes[twin.node]
        other = node.layer
        same = other.kind == layer.kind and other.arguments() == layer.arguments()
        if not same or other.weight_input() != layer.weight_input():
            due = "the same kind and arguments" if not same else "inputs of the same channels"
            self.problems.add(
                laying.entry.option_path("share") if "share" in laying.entry.options else laying.entry.word_path,
                f"weights are shared by layers of {due}: {node.name} is {other.kind} {other.glance()} "
                f"on {other.input}, this is {layer.kind} {layer.glance()} on {layer.input}",
                "CV015",
                **self.context(laying),
            )
            raise UnknownValue
        return twin.node if node.owner is None else node.owner


def written_name(entry: Entry) -> str:
    """The name of an entry as far as it is known without laying it."""
    name = entry.options.get("name")
    return name if isinstance(name, str) else f"{entry.word}{entry.ordinal}"
