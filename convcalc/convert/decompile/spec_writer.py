"""Writes an imported network as the compact spec that a person would write: repeated layers become blocks and repeats.

`spec_text` takes a `Graph` from any importer and returns the YAML text of a spec. It reads the text back and compares,
because the spec must describe exactly the same network. For example, conv, batchnorm and relu five times in a row
become one `sequence` with `repeat: 5`.
"""

from collections.abc import Callable, Iterator, Mapping

from convcalc.axis_order import find_misreading
from convcalc.convert.decompile.block_folding import Folder
from convcalc.convert.decompile.block_names import name_blocks
from convcalc.convert.decompile.inlining import inline_single_uses, unroll_residuals
from convcalc.convert.decompile.items import EntryList
from convcalc.convert.decompile.leaves import make_layer_items
from convcalc.convert.decompile.merging import merge_blocks
from convcalc.convert.decompile.parameters import parametrise_blocks
from convcalc.convert.decompile.regions import (
    ScopedItem,
    TensorUses,
    dissolve_unnamed_sequences,
    gather_branches,
    group_by_scope,
    list_flat,
)
from convcalc.convert.decompile.repeats import merge_repeats
from convcalc.convert.decompile.spec_text import EntryWriter, make_blocks_text
from convcalc.convert.graph import Graph, NotImported, legal_names, plain_spec, title
from convcalc.layers.base import Layer
from convcalc.network import Network, Node
from convcalc.problems import InvalidSpec, printable
from convcalc.shape import AXIS_NAMES
from convcalc.spec.document import Document
from convcalc.spec.emit import format_scalar, format_value
from convcalc.spec.files import MOST_BYTES, decode_spec
from convcalc.spec.reader import read_network

_MAX_LENGTH_RATIO = 1.5  # the most lines of a spec that keeps the source's names, relative to the shortest spec


def spec_text(graph: Graph) -> str:
    """Return the text of a spec that describes exactly the network of a graph.

    The layer names of the source are kept, unless a spec without them is much shorter. Raises InvalidSpec if the graph
    is not a valid network, and NotImported if the network is too large for a spec.
    """
    network = read_network(Document(plain_spec(graph)))
    leaves = make_layer_items(graph, network)
    attempts = map(_try_fold, list_folds(graph, network, leaves))
    texts = [text for text in attempts if text is not None and is_exact(text, network)]
    if texts:
        shortest = min(text.count("\n") for text in texts)
        return next(text for text in texts if text.count("\n") <= _MAX_LENGTH_RATIO * shortest)
    for nameless in (False, True):
        text = _make_text(graph, network, list_flat(leaves, _find_single_input(network), nameless=nameless))
        if is_exact(text, network):
            return text
    if len(text.encode()) > MOST_BYTES:
        raise NotImported(
            f"{len(network.nodes):,} layers do not fit into a spec, which may have at most {MOST_BYTES // 1024**2} MiB"
        )
    raise NotImported("the spec written for it describes a different network; please report this as a bug of convcalc")


def _try_fold(fold: Callable[[], str]) -> str | None:
    """Return the result of `fold`, or None if it raises an exception: a bug in the folding must not prevent the import.

    The tests call the fold functions directly, so that they see the exception.
    """
    try:
        return fold()
    except Exception:
        return None


def list_folds(graph: Graph, network: Network, leaves: list[ScopedItem]) -> Iterator[Callable[[], str]]:
    """Yield functions that return the text of a spec; each of them looks for repeated parts in another way.

    If layer names have prefixes, the first function makes a sequence of each prefix. The last function ignores the
    prefixes and only looks for equal entries.
    """
    shapes = [network.tensor_shape(tensor) for tensor in range(len(network.inputs))]
    shapes += [node.layer.output for node in network.nodes]
    tensor_uses = TensorUses([leaf for _, leaf in leaves], shapes, set(network.outputs.values()))

    def fold_by_scopes() -> str:
        top = group_by_scope(leaves, _find_single_input(network))
        Folder(top, tensor_uses).fold(inner_first=True)
        merge_blocks(top)
        merge_repeats(top, tensor_uses)
        Folder(top, tensor_uses).fold()
        return _make_text(graph, network, _fold_fully(top, tensor_uses))

    def fold_by_entries() -> str:
        return _make_text(
            graph, network, _fold_fully(list_flat(leaves, _find_single_input(network), soft=True), tensor_uses)
        )

    if any(path for path, _ in leaves):
        yield fold_by_scopes
    yield fold_by_entries


def _fold_fully(top: EntryList, tensor_uses: TensorUses) -> EntryList:
    """Replace all repeated entries by named blocks with parameters; `top` is changed in place and returned."""
    dissolve_unnamed_sequences(top)
    gather_branches(top, tensor_uses)
    Folder(top, tensor_uses).fold(include_runs=True)
    merge_blocks(top)
    merge_repeats(top, tensor_uses)
    inline_single_uses(top)
    unroll_residuals(top)
    name_blocks(top)
    parametrise_blocks(top, tensor_uses)
    return top


def _find_single_input(network: Network) -> int | None:
    """Return the tensor number of the only input, which is 0; None if the network has several inputs."""
    return 0 if len(network.inputs) == 1 else None


# -- the text


def _make_text(graph: Graph, network: Network, top: EntryList) -> str:
    inputs = {0: "input"} if top.source == 0 else dict(enumerate(legal_names(graph.inputs).values()))
    writer = EntryWriter(top, inputs)
    entries = [f"  {line}" for line in writer.lines(top)]
    if top.source == 0 and any(writer.names.inputs_read):
        # inside a scope, `input` means the scope's own input; the network's input can only be read there by a name
        return _make_text(graph, network, EntryList(None, top.items))
    lines = [
        *_make_comment_lines(graph),
        f"name: {format_scalar(title(graph))}",
        *_make_input_lines(graph, inputs),
        *_make_dtype_lines(graph),
        "",
    ]
    lines += [*make_blocks_text(top), "layers:", *entries]
    last = len(network.inputs) + len(network.nodes) - 1
    if list(network.outputs.values()) != [last]:
        names = [writer.names.refer_to_tensor(tensor, ()) for tensor in network.outputs.values()]
        lines += ["", f"outputs: {format_value(names)}"]
    return "\n".join(lines) + "\n"


def _make_comment_lines(graph: Graph) -> Iterator[str]:
    yield f"# imported from {printable(graph.origin)}"
    yield from (f"# unsupported: {printable(note)}" for note in graph.notes)


def _make_input_lines(graph: Graph, names: Mapping[int, str]) -> Iterator[str]:
    if names == {0: "input"}:
        [shape] = graph.inputs.values()
        yield f"input: {format_value(_format_shape(shape))}"
        return
    shapes = zip(names.values(), map(_format_shape, graph.inputs.values()), strict=True)
    yield f"inputs: {format_value(dict(shapes))}"


def _format_shape(shape: tuple[int, ...]) -> tuple[int, ...] | dict[str, int]:
    """Return a shape for a spec, with named axes if a list could be mistaken for another axis order."""
    if find_misreading(shape) is None:
        return shape
    return dict(zip(("channels", *AXIS_NAMES[len(shape) - 1]), shape, strict=True))


def _make_dtype_lines(graph: Graph) -> Iterator[str]:
    """Yield the line for the data types. No line is needed if all of them are float32."""
    if len(graph.dtype) == 2 and len(set(graph.dtype.values())) == 1:
        yield f"dtype: {graph.dtype['weights']}"
    elif graph.dtype:
        yield f"dtype: {format_value(graph.dtype)}"


# -- checking the text


def is_exact(text: str, network: Network) -> bool:
    """Whether a spec describes exactly this network: the same layers, connections, shared weights and frozen layers."""
    try:
        found = read_network(decode_spec(text.encode(), "<imported>", True))
    except InvalidSpec:
        return False
    ends = [(list(each.inputs.values()), list(each.outputs.values()), len(each.nodes)) for each in (found, network)]
    return ends[0] == ends[1] and found.dtype == network.dtype and all(map(_is_same_node, found.nodes, network.nodes))


def _is_same_node(one: Node, other: Node) -> bool:
    """Whether two layers are equal, apart from the names of layers."""
    wires = one.reads == other.reads and one.frozen == other.frozen and one.owner == other.owner
    return wires and (one.layer is other.layer or _list_properties(one.layer) == _list_properties(other.layer))


def _list_properties(layer: Layer) -> tuple[object, ...]:
    """Return the properties of a layer, without the argument `like`, which only affects the output shape."""
    arguments = {name: value for name, value in layer.arguments().items() if name != "like"}
    return layer.kind, layer.inputs, layer.output, arguments
