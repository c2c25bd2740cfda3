"""A traced module read operation by operation into steps of our kinds."""

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from operator import getitem
from typing import Any, Union

from convcalc.convert.comparison import Figures
from convcalc.convert.graph import Graph, NotImported, Step
from convcalc.convert.pytorch.activation_patterns import operator_of, patterns, viewed
from convcalc.convert.pytorch.cutting import part
from convcalc.convert.pytorch.failures import line_of_node
from convcalc.convert.pytorch.fidelity import Read, layer_difference
from convcalc.convert.pytorch.names import first_free
from convcalc.convert.pytorch.nodes import (
    Place,
    flat,
    has_unknown_size,
    named_arguments,
    names_of,
    places_of,
    sizes_of,
)
from convcalc.convert.pytorch.traced_values import Foreign, Moved, Parts, Sizes, Value, is_shape, settled
from convcalc.convert.pytorch.tracing import BATCH, Constant, Traced, Weight
from convcalc.convert.pytorch.whole_modules import OPAQUE, WHOLE, whole_arguments
from convcalc.shape import MOST_AXES

Known = Union[Value, Moved, Parts, Foreign, Weight, Constant, "list[Any]"]


class Refused(Exception):
    """An operation that none of our kinds expresses."""


class Reader:
    """Reads the operations of a trace one after the other. `known` says what each node is, `named` names the inputs."""

    def __init__(self, found: Traced, operators: Mapping[str, Any], named: Sequence[str] = ()) -> None:
        self.found = found
        self.named = iter(named)
        self.operators = operators
        self.known: dict[Any, Known] = {}
        self.inputs: dict[str, Sizes] = {}
        self.steps: list[Step] = []
        self.shapes: dict[str, Sizes] = {}
        self.notes: list[str] = []
        self.used = ChainMap(self.shapes, self.inputs)  # names that are taken
        self.owners: dict[tuple[Any, ...], str] = {}
        self.counted: set[str] = set()
        self.ends, self.inside = patterns(found.nodes)
        self.called: dict[str, int] = {}
        self.unknown: set[Any] = set()  # operations of which no layer states what they cost

    def graph(self, name: str, origin: str) -> Graph:
        """The network of all operations."""
        done: set[str] = set()
        outputs: tuple[str, ...] = ()
        for node in self.found.nodes:
            if node.op == "placeholder":
                self.place(node)
            elif node.op == "output":
                outputs = self.outputs(node)
            elif node.op == "get_attr":
                self.known[node] = Constant()
            elif node not in self.inside:
                self.call(node, done)
        if not self.steps or not outputs:
            raise NotImported("the module has no layers between its inputs and its outputs")
        left = sum(self.found.elements.get(name, 0) for name in self.unused())
        without = f" without the {left:,} params that its forward does not use" if left else ""
        return Graph(name, origin + without, self.inputs, tuple(self.steps), outputs, tuple(self.notes))

    def unused(self) -> set[str]:
        """The names of learnt tensors and running statistics that the forward never uses, which no layer has.

        A constant of the size of one may be it: a function that the module holds reads the weights of the module
        itself, of which the trace sees a copy.
        """
        nodes = [node for node in self.found.nodes if node.op == "placeholder"]
        constants = {sizes_of(node) for node in nodes if node.users and self.found.given.get(node.name) == Constant()}
        unread = [node for node in nodes if not node.users and sizes_of(node) not in constants]
        return {name for node in unread for name in names_of(self.found.given.get(node.name))} - self.counted

    def beside_layers(self) -> Read:
        """What else is to be known of the trace to compare all layers with the whole module."""
        flops = self.found.flops
        [output] = [node for node in self.found.nodes if node.op == "output"]
        outputs = tuple(sizes_of(given) for given in flat(output.args))
        opaque_flops = None if flops is None else sum(flops[node] for node in self.unknown)
        return Read(self.unused(), opaque_flops, outputs, self.shapes)

    def place(self, node: Any) -> None:
        """An input, a weight or a buffer."""
        given = self.found.given.get(node.name)
        if given is None:
            sizes = sizes_of(node)[1:]
            name = next(self.named, node.name)
            self.inputs[name] = sizes
            self.known[node] = Value(name, sizes)
        else:
            self.known[node] = given

    def outputs(self, node: Any) -> tuple[str, ...]:
        """The names of what leaves the network; what goes through as it came is an identity."""
        found = []
        for given in flat(node.args):
            known = self.known[given]
            if has_unknown_size(given):
                what = f"the size of the output of {operator_of(given) or 'an operation'}"
                raise NotImported(f"{line_of_node(given)}{what} depends on the values of a tensor")
            if isinstance(known, Moved):
                known = self.known[given] = self.moved(given, known)
            if isinstance(known, Foreign):
                elements = prod(sizes_of(given))
                shape = (elements // BATCH if elements % BATCH == 0 else elements,)
                known = self.opaque(given, [given], known.what, shape)
            if isinstance(known, Value) and known.name in self.inputs:
                known = self.step(given, "identity", {}, [known], known.shape)
            if isinstance(known, Value):
                found.append(known.name)
        return tuple(dict.fromkeys(found))

    def call(self, node: Any, done: set[str]) -> None:
        """An operation: of a module that is one layer, of a pattern, of the table, or one that cannot be expressed."""
        places = places_of(node)
        for place in places:
            if place.word in WHOLE or place.word in OPAQUE:
                if place.key not in done:
                    done.add(place.key)
                    self.whole(place)
                return
        try:
            result = self.taken(node) if node.target is getitem else self.expressed(node)
        except Refused as error:
            result = self.unexpressed(node, str(error) or operator_of(node) or str(node.target))
        self.known[node] = result
        schema = getattr(node.target, "_schema", None)
        if schema is not None and schema.is_mutable and node.args:
            self.known[node.args[0]] = result  # what is read from here on is what was written
            self.write_through(node)

    def write_through(self, node: Any) -> None:
        """A tensor of which a part was written over is none of ours from there on, where it is read again."""
        base = viewed(node.args[0])
        while base is not None:
            if any(user > node for user in base.users):
                values, sources = self.made_of([base, *flat((node.args, node.kwargs))])
                what, sizes = f"{operator_of(node)} to part of a tensor", sizes_of(base)
                foreign = Foreign(tuple(values), tuple(sources), what)
                shaped = is_shape(sizes)
                self.known[base] = self.opaque(node, values, what, sizes[1:], sources) if shaped else foreign
            base = viewed(base)

    def taken(self, node: Any) -> Known:
        """One of several results."""
        several, place = node.args
        known = self.known[several]
        if isinstance(known, list):
            return known[place] if place < len(known) else Constant()
        if isinstance(known, Parts):
            return part(self, node, known, known.bounds[place])
        return known if isinstance(known, Weight | Constant) else self.unexpressed(node, operator_of(several))

    def shape_of(self, name: str) -> Sizes:
        """The shape of an input or a step."""
        return self.inputs[name] if name in self.inputs else self.shapes[name]

    def expressed(self, node: Any) -> Known:
        """What an operation gives by the table. Raises Refused."""
        if node in self.ends:
            kind, source = self.ends[node]
            value = self.tensor(source)
            return self.step(node, kind, {}, [value], value.shape, last=value.last)
        if operator_of(node) == "":
            raise Refused
        givens = [self.known[given] for given in flat((node.args, node.kwargs)) if given in self.known]
        if not any(isinstance(given, Value | Moved | Foreign | Parts | list) for given in givens):
            weights = [given for given in givens if isinstance(given, Weight)]
            sources = tuple(dict.fromkeys(source for weight in weights for source in weight.sources))
            return Weight(sources, sizes_of(node)) if weights else Constant()
        if any(isinstance(given, Foreign) for given in givens):
            raise Refused
        handler = self.operators.get(operator_of(node))
        if handler is None:
            raise Refused
        result: Known = handler(self, node, named_arguments(node))
        return result

    # -- what operations read

    def tensor(self, node: Any) -> Value:
        """The tensor of a node; moves that nothing undid become layers. Raises Refused."""
        known = self.known.get(node)
        if isinstance(known, Moved):
            known = self.known[node] = self.moved(node, known)
        if not isinstance(known, Value):
            raise Refused
        return known

    def moved(self, node: Any, moved: Moved) -> Known:
        """Moves that nothing undoes: a reshape, and then perhaps channels last."""
        source = moved.source
        for count, (name, change) in enumerate(moved.moves):
            if name == "view" and is_shape(change) and (not source.last or len(change) == 2):
                kind: dict[str, Any] = {} if len(change) == 2 else {"shape": list(change[1:])}
                named = "flatten" if len(change) == 2 else "reshape"
                source = self.step(node, named, kind, [source], change[1:], sizes=change)
                continue
            result = settled(Moved(source, ((name, change),), change))
            if not isinstance(result, Value):
                rest = " and ".join(dict.fromkeys(name for name, _ in moved.moves[count:]))
                return self.own_part(node, source, rest, moved.sizes)
            source = result
        return source

    def own_part(self, node: Any, source: Value, what: str, sizes: Sizes) -> Known:
        """A tensor moved as none of our kinds does."""
        return self.opaque(node, [source], what, sizes[1:]) if is_shape(sizes) else Foreign((source,), (), what)

    def weight(self, node: Any) -> Weight | None:
        """A learnt tensor; None where there is none. Raises Refused where it is something else."""
        if node is None:
            return None
        known = self.known.get(node)
        if not isinstance(known, Weight):
            raise Refused
        return known

    # -- steps

    def step(
        self,
        node: Any,
        kind: str,
        arguments: Mapping[str, Any],
        reads: Sequence[Value],
        shape: Sizes,
        weights: Sequence[Weight | None] = (),
        last: bool = False,
        sizes: Sizes | None = None,
    ) -> Value:
        """A layer that gives `sizes`, by default those of the operation.

        Raises Refused if it is not what PyTorch runs, or its weights are not just its own or those of a layer before.
        """
        sources = [source for weight in weights if weight is not None for source in weight.sources]
        statistics = self.made_of(given for given in flat((node.args, node.kwargs)) if self.is_statistic(given))[1]
        key = (kind, str(sorted(arguments.items())), *sources, *statistics)
        share = self.owners.get(key) if sources or statistics else None
        made_of = [weight for weight in weights if weight is not None]
        whole = sum(prod(weight.sizes) for weight in made_of) == sum(self.found.elements[name] for name in sources)
        if not whole or (share is None and self.counted.intersection(sources)):
            raise Refused(f"{kind} with weights that are not its own")
        frozen = self.found.frozen.intersection(sources)
        if share is None and frozen and len(frozen) < len(set(sources)):
            count, total = (sum(map(self.found.elements.__getitem__, names)) for names in (frozen, set(sources)))
            raise Refused(f"{kind} with {count:,} of {total:,} params frozen: a spec can only freeze whole layers")
        self.check_traced(node, kind, arguments, reads, Value("", shape, last), {*sources, *statistics}, sizes)
        name = self.name(node, kind)
        self.owners.setdefault(key, name)
        self.counted |= {*sources, *statistics}
        self.steps.append(
            Step(name, kind, dict(arguments), tuple(read.name for read in reads), share, bool(frozen and share is None))
        )
        self.shapes[name] = shape
        return Value(name, shape, last)

    def check_traced(
        self,
        node: Any,
        kind: str,
        arguments: Mapping[str, Any],
        reads: Sequence[Value],
        result: Value,
        sources: set[str],
        sizes: Sizes | None,
    ) -> None:
        """Raises Refused if the figures of a layer are not those of the operation."""
        traced = sizes_of(node) if sizes is None else sizes
        if traced and result.sizes != traced:
            raise Refused(f"{kind} with output sizes {traced}")
        params, buffers = (
            sum(counts.get(name, 0) for name in sources) for counts in (self.found.elements, self.found.statistics)
        )
        macs = None if self.found.flops is None else self.found.flops[node] // (2 * BATCH)
        figures = Figures(result.shape, params, buffers, macs)
        problem = layer_difference(kind, arguments, [read.shape for read in reads], figures)
        if problem:
            raise Refused(f"{kind} with {problem}")

    def is_statistic(self, node: Any) -> bool:
        """Whether a node is a running statistic."""
        return isinstance(self.known.get(node), Constant)

    def opaque(self, node: Any, reads: Iterable[Any], what: str, shape: Sizes, sources: Sequence[str] = ()) -> Value:
        """A part that none of our kinds expresses, with a note; its params are those that nothing else counts.

        Frozen params beside others are a part of their own, before it: a spec freezes whole layers.
        """
        values, found = self.made_of(reads)
        new = {source: None for source in [*found, *sources] if source not in self.counted}
        self.counted |= set(new)
        if not values:
            values = [Value(name, sizes) for name, sizes in list(self.inputs.items())[:1]]
        if len(shape) > MOST_AXES + 1:
            shape = (prod(shape),)
        name = self.name(node, "opaque")
        before = tuple(dict.fromkeys(value.name for value in values))
        frozen = [source for source in new if source in self.found.frozen]
        others = [source for source in new if source not in self.found.frozen]
        if frozen and any(source in self.found.elements for source in others):
            apart = first_free(f"{name}_frozen", self.used)
            self.add_opaque(apart, before, f"frozen params of {what}", shape, frozen)
            before, frozen = (apart,), []
        self.add_opaque(name, before, what, shape, [*frozen, *others])
        return Value(name, shape)

    def add_opaque(self, name: str, reads: tuple[str, ...], what: str, shape: Sizes, sources: Sequence[str]) -> None:
        """Add an opaque step with a note; it is frozen if any of its learnt tensors is."""
        arguments: dict[str, Any] = {"output_shape": list(shape), "what": what}
        arguments["params"] = sum(self.found.elements.get(source, 0) for source in sources)
        buffers = sum(self.found.statistics.get(source, 0) for source in sources)
        if buffers:
            arguments["buffers"] = buffers
        frozen = not self.found.frozen.isdisjoint(sources)
        self.steps.append(Step(name, "opaque", arguments, reads, None, frozen))
        self.shapes[name] = shape
        self.notes.append(f"{name}: {what}")

    def made_of(self, nodes: Iterable[Any]) -> tuple[list[Value], list[str]]:
        """The tensors, and the learnt tensors and running statistics, that go into nodes."""
        values: dict[Value, None] = {}
        sources: dict[str, None] = {}
        for node in nodes:
            known = node if isinstance(node, Value) else self.known.get(node)
            if isinstance(known, Moved | Parts):
                known = known.source
            if isinstance(known, Value):
                values[known] = None
            elif isinstance(known, Foreign):
                values |= dict.fromkeys(known.reads)
                sources |= dict.fromkeys(known.sources)
            else:
                sources |= dict.fromkeys(names_of(known))
        return list(values), list(sources)

    def unexpressed(self, node: Any, what: str) -> Known:
        """An operation that cannot be expressed: a part of its own, or on the way to one."""
        if not node.users:
            return Constant()
        reads = [given for given in flat((node.args, node.kwargs)) if given in self.known]
        values, sources = self.made_of(reads)
        self.unknown.add(node)
        sizes = sizes_of(node)
        if not is_shape(sizes):
            return Foreign(tuple(values), tuple(sources), what)
        whats = [known.what for known in map(self.known.get, reads) if isinstance(known, Foreign)]
        what = ", ".join(dict.fromkeys([*whats, what]))
        keeps = bool(values) and values[0].last and len(sizes) == len(values[0].sizes)
        shape = (sizes[-1], *sizes[1:-1]) if keeps else sizes[1:]
        return self.opaque(node, values, what, shape, sources)._replace(last=keeps)

    def whole(self, place: Place) -> None:
        """All operations of a call of a module as one layer, or as one part that cannot be expressed."""
        nodes = [node for node in self.found.nodes if any(found.key == place.key for found in places_of(node))]
        inner = set(nodes)
        read = [given for node in nodes for given in flat((node.args, node.kwargs)) if given not in inner]
        given = [node for node in nodes if any(user not in inner for user in node.users)]
        for node in nodes:
            self.known[node] = Constant()
        if place.word in WHOLE and len(given) == 1:
            kind, _ = WHOLE[place.word]
            source = next(node for node in read if isinstance(self.known.get(node), Value | Moved))
            shape = sizes_of(given[0])[1:]
            try:
                self.known[given[0]] = self.step(
                    given[0], kind, whole_arguments(place, nodes), [self.tensor(source)], shape
                )
                return
            except Refused:
                pass  # none of ours in spite of its class: opaque, as below
        self.unknown.update(nodes)
        for node in given:
            sizes = sizes_of(node)
            values, sources = self.made_of(read)
            if not is_shape(sizes):
                self.known[node] = Foreign(tuple(values), tuple(sources), place.word)
                continue
            keeps = bool(values) and values[0].last and len(sizes) == len(values[0].sizes)
            shape = (sizes[-1], *sizes[1:-1]) if keeps else sizes[1:]
            self.known[node] = self.opaque(node, values, place.word, shape, sources)._replace(last=keeps)

    # -- names

    def name(self, node: Any, kind: str) -> str:
        """The path of the module that the layer is, or the one that it is in and its kind with a number."""
        places = places_of(node)
        path = places[-1].path if places else ""
        whole = next((place.path for place in places if place.word in WHOLE or place.word in OPAQUE), None)
        if whole is not None or path in self.found.leaves:
            return first_free(whole or path or kind, self.used)
        word = f"{path}.{kind}" if path else kind
        self.called[word] = self.called.get(word, 0) + 1
        return first_free(f"{word}{self.called[word]}", self.used)
