"""Translates the operations of a traced module, one by one, to `graph.Step`s. Each step is one layer.

For example, `aten.conv2d` becomes a step of kind `conv`. An operation that no layer kind matches becomes a step of kind
`opaque` with a note.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from math import prod
from operator import getitem
from typing import Any, Union

from convcalc.convert.comparison import MeasuredFigures
from convcalc.convert.graph import Graph, NotImported, Step
from convcalc.convert.pytorch.activation_patterns import find_patterns, operator_name, view_base
from convcalc.convert.pytorch.cutting import add_part
from convcalc.convert.pytorch.failures import node_location
from convcalc.convert.pytorch.fidelity import TraceFacts, describe_difference
from convcalc.convert.pytorch.names import first_free_name
from convcalc.convert.pytorch.nodes import (
    CallPlace,
    has_unknown_size,
    list_nodes,
    list_places,
    list_sources,
    name_arguments,
    output_sizes,
)
from convcalc.convert.pytorch.opaque_layers import add_opaque_layer, collect_sources
from convcalc.convert.pytorch.traced_values import (
    ForeignValue,
    RearrangedValue,
    Sizes,
    SplitValue,
    TracedValue,
    is_shape,
    settle_rearrangements,
)
from convcalc.convert.pytorch.tracing import BATCH, TracedConstant, TracedModule, TracedWeight
from convcalc.convert.pytorch.whole_modules import OPAQUE, WHOLE, whole_arguments

KnownValue = Union[TracedValue, RearrangedValue, SplitValue, ForeignValue, TracedWeight, TracedConstant, "list[Any]"]


class UnreadableOperation(Exception):
    """No layer kind matches an operation. It becomes an opaque layer; the message, if any, describes the layer."""


class TraceReader:
    """Reads the operations of a trace in order and collects the steps of the network.

    - `operators`: the handlers of operations, by the name of the operation
    - `named`: the names to use for the inputs, in order
    - `known`: the value of each node read so far
    - `owners`: the first step with each combination of kind, arguments and weights, for weight sharing
    - `counted`: the names of the learnt tensors and running statistics that steps already have
    """

    def __init__(self, trace: TracedModule, operators: Mapping[str, Any], named: Sequence[str] = ()) -> None:
        self.trace = trace
        self.named = iter(named)
        self.operators = operators
        self.known: dict[Any, KnownValue] = {}
        self.inputs: dict[str, Sizes] = {}
        self.steps: list[Step] = []
        self.shapes: dict[str, Sizes] = {}
        self.notes: list[str] = []
        self.used = ChainMap(self.shapes, self.inputs)  # names of inputs and steps so far
        self.owners: dict[tuple[Any, ...], str] = {}
        self.counted: set[str] = set()
        self.pattern_ends, self.pattern_nodes = find_patterns(trace.nodes)
        self.numbers: dict[str, int] = {}
        self.uncounted: set[Any] = set()  # operations in opaque layers, whose costs are unknown
        self.pending_pads: dict[Any, dict[str, Any]] = {}  # arguments that padding adds to the convolution after it

    def graph(self, name: str, origin: str) -> Graph:
        """Read all operations and return the network as a graph.

        `origin` describes the source of the network. Raises NotImported if there are no layers between inputs and
        outputs, or if an output's size is unknown.
        """
        done: set[str] = set()
        outputs: tuple[str, ...] = ()
        for node in self.trace.nodes:
            if node.op == "placeholder":
                self._read_placeholder(node)
            elif node.op == "output":
                outputs = self._read_outputs(node)
            elif node.op == "get_attr":
                self.known[node] = TracedConstant()
            elif node not in self.pattern_nodes:
                self._read_operation(node, done)
        if not self.steps or not outputs:
            raise NotImported("the module has no layers between its inputs and its outputs")
        left = sum(self.trace.elements.get(name, 0) for name in self._list_unused())
        without = f" without the {left:,} params that its forward does not use" if left else ""
        return Graph(name, origin + without, self.inputs, tuple(self.steps), outputs, tuple(self.notes))

    def _list_unused(self) -> set[str]:
        """Return the names of the learnt tensors and running statistics that the forward never uses.

        A function stored in the module may read weights directly; the trace then has them as constants. So a tensor
        does not count as unused if the trace has a constant of the same sizes.
        """
        nodes = [node for node in self.trace.nodes if node.op == "placeholder"]
        constants = {
            output_sizes(node)
            for node in nodes
            if node.users and self.trace.placeholders.get(node.name) == TracedConstant()
        }
        unread = [node for node in nodes if not node.users and output_sizes(node) not in constants]
        return {name for node in unread for name in list_sources(self.trace.placeholders.get(node.name))} - self.counted

    def collect_facts(self) -> TraceFacts:
        """Return facts about the trace for the comparison with the whole module; call this after `graph`."""
        flops = self.trace.flops
        [output] = [node for node in self.trace.nodes if node.op == "output"]
        outputs = tuple(output_sizes(given) for given in list_nodes(output.args))
        opaque_flops = None if flops is None else sum(flops[node] for node in self.uncounted)
        return TraceFacts(self._list_unused(), opaque_flops, outputs, self.shapes)

    def _read_placeholder(self, node: Any) -> None:
        """Store the value of a placeholder: an input of the network, a learnt tensor or a constant."""
        given = self.trace.placeholders.get(node.name)
        if given is None:
            sizes = output_sizes(node)[1:]
            name = next(self.named, node.name)
            self.inputs[name] = sizes
            self.known[node] = TracedValue(name, sizes)
        else:
            self.known[node] = given

    def _read_outputs(self, node: Any) -> tuple[str, ...]:
        """Return the names of the layers whose outputs the module returns, each once.

        If an input is returned unchanged, an identity layer is added for it. Raises NotImported if an output's size
        depends on the values of a tensor.
        """
        found = []
        for given in list_nodes(node.args):
            known = self.known[given]
            if has_unknown_size(given):
                what = f"the size of the output of {operator_name(given) or 'an operation'}"
                raise NotImported(f"{node_location(given)}{what} depends on the values of a tensor")
            if isinstance(known, RearrangedValue):
                known = self.known[given] = self._add_rearrangements(given, known)
            if isinstance(known, ForeignValue):
                elements = prod(output_sizes(given))
                shape = (elements // BATCH if elements % BATCH == 0 else elements,)
                known = add_opaque_layer(self, given, [given], known.what, shape)
            if isinstance(known, TracedValue) and known.name in self.inputs:
                known = self.step(given, "identity", {}, [known], known.shape)
            if isinstance(known, TracedValue):
                found.append(known.name)
        return tuple(dict.fromkeys(found))

    def _read_operation(self, node: Any, done: set[str]) -> None:
        """Read an operation alone, or together with the other operations of a module in WHOLE or OPAQUE.

        `done` has the keys of the module calls that were already read as a whole.
        """
        places = list_places(node)
        for place in places:
            if place.word in WHOLE or place.word in OPAQUE:
                if place.key not in done:
                    done.add(place.key)
                    self._read_whole_module(place)
                return
        try:
            result = self._take_result(node) if node.target is getitem else self._read_layer(node)
        except UnreadableOperation as error:
            result = self._read_unmatched(node, str(error) or operator_name(node) or str(node.target))
        self.known[node] = result
        schema = getattr(node.target, "_schema", None)
        if schema is not None and schema.is_mutable and node.args:
            self.known[node.args[0]] = result  # later operations read the value that was written
            self._update_written_bases(node)

    def _update_written_bases(self, node: Any) -> None:
        """Update the tensors that an in-place operation changes through a view, if later operations use them.

        Their new values are outputs of opaque layers, because no layer kind writes to part of a tensor.
        """
        base = view_base(node.args[0])
        while base is not None:
            if any(user > node for user in base.users):
                values, sources = collect_sources(self, [base, *list_nodes((node.args, node.kwargs))])
                what, sizes = f"{operator_name(node)} to part of a tensor", output_sizes(base)
                foreign = ForeignValue(tuple(values), tuple(sources), what)
                shaped = is_shape(sizes)
                self.known[base] = add_opaque_layer(self, node, values, what, sizes[1:], sources) if shaped else foreign
            base = view_base(base)

    def _take_result(self, node: Any) -> KnownValue:
        """Return one result of an operation with several results; a `getitem` node selects it."""
        several, place = node.args
        known = self.known[several]
        if isinstance(known, list):
            return known[place] if place < len(known) else TracedConstant()
        if isinstance(known, SplitValue):
            return add_part(self, node, known, known.bounds[place])
        return (
            known
            if isinstance(known, TracedWeight | TracedConstant)
            else self._read_unmatched(node, operator_name(several))
        )

    def shape_of(self, name: str) -> Sizes:
        """Return the shape of an input or of a step's output, channels first and without the batch."""
        return self.inputs[name] if name in self.inputs else self.shapes[name]

    def _read_layer(self, node: Any) -> KnownValue:
        """Add the layer of an operation and return its output.

        An operation that depends on no input of the network is not a layer; its value is a TracedWeight or
        TracedConstant. Raises UnreadableOperation if no layer kind matches.
        """
        if node in self.pattern_ends:
            kind, source = self.pattern_ends[node]
            value = self.tensor(source)
            return self.step(node, kind, {}, [value], value.shape, last=value.last)
        if operator_name(node) == "":
            raise UnreadableOperation
        givens = [self.known[given] for given in list_nodes((node.args, node.kwargs)) if given in self.known]
        if not any(
            isinstance(given, TracedValue | RearrangedValue | ForeignValue | SplitValue | list) for given in givens
        ):
            weights = [given for given in givens if isinstance(given, TracedWeight)]
            sources = tuple(dict.fromkeys(source for weight in weights for source in weight.sources))
            return TracedWeight(sources, output_sizes(node)) if weights else TracedConstant()
        if any(isinstance(given, ForeignValue) for given in givens):
            raise UnreadableOperation
        handler = self.operators.get(operator_name(node))
        if handler is None:
            raise UnreadableOperation
        result: KnownValue = handler(self, node, name_arguments(node))
        return result

    # -- inputs of operations

    def tensor(self, node: Any) -> TracedValue:
        """Return the value of a node as a tensor of the network. Pending views and permutations become layers first.

        Raises UnreadableOperation if the value is not such a tensor.
        """
        known = self.known.get(node)
        if isinstance(known, RearrangedValue):
            known = self.known[node] = self._add_rearrangements(node, known)
        if not isinstance(known, TracedValue):
            raise UnreadableOperation
        return known

    def _add_rearrangements(self, node: Any, moved: RearrangedValue) -> KnownValue:
        """Add layers for the pending views and permutations of a tensor, and return the result.

        Views become flatten or reshape layers. A permutation of the channels to the last axis or back needs no layer.
        All other changes become an opaque layer.
        """
        source = moved.source
        for count, (name, change) in enumerate(moved.rearrangements):
            if name == "view" and is_shape(change) and (not source.last or len(change) == 2):
                kind: dict[str, Any] = {} if len(change) == 2 else {"shape": list(change[1:])}
                named = "flatten" if len(change) == 2 else "reshape"
                source = self.step(node, named, kind, [source], change[1:], sizes=change)
                continue
            result = settle_rearrangements(RearrangedValue(source, ((name, change),), change))
            if not isinstance(result, TracedValue):
                rest = " and ".join(dict.fromkeys(name for name, _ in moved.rearrangements[count:]))
                return self._add_unmatched_rearrangements(node, source, rest, moved.sizes)
            source = result
        return source

    def _add_unmatched_rearrangements(self, node: Any, source: TracedValue, what: str, sizes: Sizes) -> KnownValue:
        """Return the result of views and permutations that no layer kind matches, described by `what`.

        It is the output of an opaque layer, or a ForeignValue if `sizes` are not a valid shape.
        """
        return (
            add_opaque_layer(self, node, [source], what, sizes[1:])
            if is_shape(sizes)
            else ForeignValue((source,), (), what)
        )

    def weight(self, node: Any) -> TracedWeight | None:
        """Return the value of a node as a learnt tensor; None if `node` is None, because the argument is not given.

        Raises UnreadableOperation if the value is not a learnt tensor.
        """
        if node is None:
            return None
        known = self.known.get(node)
        if not isinstance(known, TracedWeight):
            raise UnreadableOperation
        return known

    # -- steps

    def step(
        self,
        node: Any,
        kind: str,
        arguments: Mapping[str, Any],
        reads: Sequence[TracedValue],
        shape: Sizes,
        weights: Sequence[TracedWeight | None] = (),
        last: bool = False,
        sizes: Sizes | None = None,
    ) -> TracedValue:
        """Add a layer and return its output.

        `shape` is the output shape, channels first and without the batch; `last` says whether PyTorch has the channels
        last. `sizes` are the output sizes in PyTorch, if they are not those of the operation.

        Raises UnreadableOperation if the layer's shape, params or MACs differ from PyTorch's, or if only some of its
        weights are frozen. Its weights must be all its own, or all those of one earlier layer.
        """
        sources = [source for weight in weights if weight is not None for source in weight.sources]
        given = [given for given in list_nodes((node.args, node.kwargs)) if self._is_constant(given)]
        statistics = collect_sources(self, given)[1]
        key = (kind, str(sorted(arguments.items())), *sources, *statistics)
        share = self.owners.get(key) if sources or statistics else None
        learnt = [weight for weight in weights if weight is not None]
        whole = sum(prod(weight.sizes) for weight in learnt) == sum(self.trace.elements[name] for name in sources)
        if not whole or (share is None and self.counted.intersection(sources)):
            raise UnreadableOperation(f"{kind} with weights that are not its own")
        frozen = self.trace.frozen.intersection(sources)
        if share is None and frozen and len(frozen) < len(set(sources)):
            count, total = (sum(map(self.trace.elements.__getitem__, names)) for names in (frozen, set(sources)))
            raise UnreadableOperation(
                f"{kind} with {count:,} of {total:,} params frozen: a spec can only freeze whole layers"
            )
        self._check_figures(node, kind, arguments, reads, TracedValue("", shape, last), {*sources, *statistics}, sizes)
        name = self.make_name(node, kind)
        self.owners.setdefault(key, name)
        self.counted |= {*sources, *statistics}
        self.steps.append(
            Step(name, kind, dict(arguments), tuple(read.name for read in reads), share, bool(frozen and share is None))
        )
        self.shapes[name] = shape
        return TracedValue(name, shape, last)

    def _check_figures(
        self,
        node: Any,
        kind: str,
        arguments: Mapping[str, Any],
        reads: Sequence[TracedValue],
        result: TracedValue,
        sources: set[str],
        sizes: Sizes | None,
    ) -> None:
        """Raise UnreadableOperation if a layer's output shape, params, buffers or MACs differ from PyTorch's."""
        traced = output_sizes(node) if sizes is None else sizes
        if traced and result.sizes != traced:
            raise UnreadableOperation(f"{kind} with output sizes {traced}")
        params, buffers = (
            sum(counts.get(name, 0) for name in sources) for counts in (self.trace.elements, self.trace.statistics)
        )
        macs = None if self.trace.flops is None else self.trace.flops[node] // (2 * BATCH)
        figures = MeasuredFigures(result.shape, params, buffers, macs)
        problem = describe_difference(kind, arguments, [read.shape for read in reads], figures)
        if problem:
            raise UnreadableOperation(f"{kind} with {problem}")

    def _is_constant(self, node: Any) -> bool:
        """Whether the value of a node is a constant, such as a running statistic."""
        return isinstance(self.known.get(node), TracedConstant)

    def _read_unmatched(self, node: Any, what: str) -> KnownValue:
        """Add an opaque layer for an operation that no layer kind matches, described by `what`; return its output.

        If the output is not a valid tensor of a network, the operation becomes part of the next opaque layer instead.
        """
        if not node.users:
            return TracedConstant()
        reads = [argument for argument in list_nodes((node.args, node.kwargs)) if argument in self.known]
        values, sources = collect_sources(self, reads)
        self.uncounted.add(node)
        sizes = output_sizes(node)
        if not is_shape(sizes):
            return ForeignValue(tuple(values), tuple(sources), what)
        earlier = [known.what for known in map(self.known.get, reads) if isinstance(known, ForeignValue)]
        what = ", ".join(dict.fromkeys([*earlier, what]))
        channels_last = bool(values) and values[0].last and len(sizes) == len(values[0].sizes)
        shape = (sizes[-1], *sizes[1:-1]) if channels_last else sizes[1:]
        return add_opaque_layer(self, node, values, what, shape, sources)._replace(last=channels_last)

    def _read_whole_module(self, place: CallPlace) -> None:
        """Add a single layer for all operations of a module call; it is opaque if no layer kind matches."""
        nodes = [node for node in self.trace.nodes if any(found.key == place.key for found in list_places(node))]
        inner = set(nodes)
        inputs = [
            argument for node in nodes for argument in list_nodes((node.args, node.kwargs)) if argument not in inner
        ]
        results = [node for node in nodes if any(user not in inner for user in node.users)]
        for node in nodes:
            self.known[node] = TracedConstant()
        if place.word in WHOLE and len(results) == 1:
            kind, _ = WHOLE[place.word]
            source = next(node for node in inputs if isinstance(self.known.get(node), TracedValue | RearrangedValue))
            shape = output_sizes(results[0])[1:]
            try:
                self.known[results[0]] = self.step(
                    results[0], kind, whole_arguments(place, nodes), [self.tensor(source)], shape
                )
                return
            except UnreadableOperation:
                pass  # its figures differ from those of the layer kind: opaque, as below
        self.uncounted.update(nodes)
        for node in results:
            sizes = output_sizes(node)
            values, sources = collect_sources(self, inputs)
            if not is_shape(sizes):
                self.known[node] = ForeignValue(tuple(values), tuple(sources), place.word)
                continue
            channels_last = bool(values) and values[0].last and len(sizes) == len(values[0].sizes)
            shape = (sizes[-1], *sizes[1:-1]) if channels_last else sizes[1:]
            self.known[node] = add_opaque_layer(self, node, values, place.word, shape, sources)._replace(
                last=channels_last
            )

    # -- names

    def make_name(self, node: Any, kind: str) -> str:
        """Return a name for the layer of an operation.

        If the module of the operation has no inner modules or is read as a whole, this is its path, such as
        `stage1.conv`. Otherwise it is the path of the innermost module, the layer's kind and a number, such as
        `stage1.add1`.
        """
        places = list_places(node)
        path = places[-1].path if places else ""
        whole = next((place.path for place in places if place.word in WHOLE or place.word in OPAQUE), None)
        if whole is not None or path in self.trace.leaves:
            return first_free_name(whole or path or kind, self.used)
        word = f"{path}.{kind}" if path else kind
        self.numbers[word] = self.numbers.get(word, 0) + 1
        return first_free_name(f"{word}{self.numbers[word]}", self.used)
