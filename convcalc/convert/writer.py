"""Writes an imported network as the spec that a person would want: what stands in it more than once is said once."""

from collections.abc import Callable, Iterator, Mapping

from convcalc.convert.graph import Graph, NotImported, legal_names, plain_spec, title
from convcalc.convert.writing.folding import Folder
from convcalc.convert.writing.inlining import inline_single_uses, unroll
from convcalc.convert.writing.items import Body
from convcalc.convert.writing.leaves import leaves_of
from convcalc.convert.writing.merging import merge_blocks
from convcalc.convert.writing.naming import name_blocks
from convcalc.convert.writing.parameters import parametrise
from convcalc.convert.writing.regions import Scoped, Wiring, branch, dissolve, flat, scopes
from convcalc.convert.writing.repeats import repeat
from convcalc.convert.writing.scalars import flow, scalar
from convcalc.convert.writing.text import Writer, blocks_text
from convcalc.layers.base import Layer
from convcalc.layout import misreading
from convcalc.network import Network, Node
from convcalc.problems import InvalidSpec, printable
from convcalc.shape import AXIS_NAMES
from convcalc.spec.document import Document
from convcalc.spec.files import MOST_BYTES, decode
from convcalc.spec.reader import read_network

LONGER = 1.5  # times the shortest: a spec that keeps the names of the source is taken up to that


def spec_text(graph: Graph) -> str:
    """The text of a spec that gives the network of a graph, layer by layer.

    One that keeps the names of the source is taken where it is not much longer than one that does not. Raises
    InvalidSpec where the graph is no network, NotImported where no spec can hold it.
    """
    network = read_network(Document(plain_spec(graph)))
    leaves = leaves_of(graph, network)
    attempts = map(attempt, folds(graph, network, leaves))
    texts = [text for text in attempts if text is not None and is_exact(text, network)]
    if texts:
        shortest = min(text.count("\n") for text in texts)
        return next(text for text in texts if text.count("\n") <= LONGER * shortest)
    for nameless in (False, True):
        text = text_of(graph, network, flat(leaves, given(network), nameless=nameless))
        if is_exact(text, network):
            return text
    if len(text.encode()) > MOST_BYTES:
        raise NotImported(f"{len(network.nodes):,} layers are more than a spec of {MOST_BYTES // 1024**2} MiB can hold")
    raise NotImported("the spec that was written of it is not the same network")


def attempt(fold: Callable[[], str]) -> str | None:
    """The text that a fold gives, None if it fails.

    Folding only shortens the spec: a fault in it must not cost the user the import. The tests call them unguarded.
    """
    try:
        return fold()
    except Exception:
        return None


def folds(graph: Graph, network: Network, leaves: list[Scoped]) -> Iterator[Callable[[], str]]:
    """The ways to fold what repeats: by the scopes of the names if there are any, and by repeated entries alone."""
    shapes = [network.tensor_shape(tensor) for tensor in range(len(network.inputs))]
    shapes += [node.layer.output for node in network.nodes]
    wiring = Wiring([leaf for _, leaf in leaves], shapes, set(network.outputs.values()))

    def by_scopes() -> str:
        top = scopes(leaves, given(network))
        Folder(top, wiring).fold(inner_first=True)
        merge_blocks(top)
        repeat(top, wiring)
        Folder(top, wiring).fold()
        return text_of(graph, network, folded(top, wiring))

    def by_entries() -> str:
        return text_of(graph, network, folded(flat(leaves, given(network), soft=True), wiring))

    if any(path for path, _ in leaves):
        yield by_scopes
    yield by_entries


def folded(top: Body, wiring: Wiring) -> Body:
    """The list with everything folded that can be, and its blocks named."""
    dissolve(top)
    branch(top, wiring)
    Folder(top, wiring).fold(stretches=True)
    merge_blocks(top)
    repeat(top, wiring)
    inline_single_uses(top)
    unroll(top)
    name_blocks(top)
    parametrise(top, wiring)
    return top


def given(network: Network) -> int | None:
    """The tensor that a network reads first, None where it has several inputs."""
    return 0 if len(network.inputs) == 1 else None


# -- the text


def text_of(graph: Graph, network: Network, top: Body) -> str:
    """The whole text."""
    inputs = {0: "input"} if top.given == 0 else dict(enumerate(legal_names(graph.inputs).values()))
    writer = Writer(top, inputs)
    entries = [f"  {line}" for line in writer.lines(top)]
    if top.given == 0 and any(writer.names.inputs_read):
        # in a scope `input` is what that reads: to be read in one, the network's input needs a name
        return text_of(graph, network, Body(None, top.items))
    lines = [*comments(graph), f"name: {scalar(title(graph))}", *input_lines(graph, inputs), *dtype_lines(graph), ""]
    lines += [*blocks_text(top), "layers:", *entries]
    last = len(network.inputs) + len(network.nodes) - 1
    if list(network.outputs.values()) != [last]:
        names = [writer.names.reference(tensor, ()) for tensor in network.outputs.values()]
        lines += ["", f"outputs: {flow(names)}"]
    return "\n".join(lines) + "\n"


def comments(graph: Graph) -> Iterator[str]:
    """Where the network comes from, and what of it our language does not express."""
    yield f"# imported from {printable(graph.origin)}"
    yield from (f"# not expressed: {printable(note)}" for note in graph.notes)


def input_lines(graph: Graph, names: Mapping[int, str]) -> Iterator[str]:
    """The input, or the inputs."""
    if names == {0: "input"}:
        [shape] = graph.inputs.values()
        yield f"input: {shape_text(shape)}"
        return
    shapes = zip(names.values(), graph.inputs.values(), strict=True)
    yield f"inputs: {{{', '.join(f'{scalar(name)}: {shape_text(shape)}' for name, shape in shapes)}}}"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as a list, or with its axes named if a list would look as if it were in another order."""
    if misreading(shape) is None:
        return flow(shape)
    axes = zip(("channels", *AXIS_NAMES[len(shape) - 1]), shape, strict=True)
    return f"{{{', '.join(f'{axis}: {size}' for axis, size in axes)}}}"


def dtype_lines(graph: Graph) -> Iterator[str]:
    """The data types, unless all are float32."""
    if len(graph.dtype) == 2 and len(set(graph.dtype.values())) == 1:
        yield f"dtype: {graph.dtype['weights']}"
    elif graph.dtype:
        yield f"dtype: {{{', '.join(f'{use}: {dtype}' for use, dtype in graph.dtype.items())}}}"


# -- whether it says the same


def is_exact(text: str, network: Network) -> bool:
    """Whether a text gives a network: the same layers in the same order, wired alike, with the same weights."""
    try:
        found = read_network(decode(text.encode(), "<imported>", True))
    except InvalidSpec:
        return False
    ends = [(list(each.inputs.values()), list(each.outputs.values()), len(each.nodes)) for each in (found, network)]
    return ends[0] == ends[1] and found.dtype == network.dtype and all(map(is_same, found.nodes, network.nodes))


def is_same(one: Node, other: Node) -> bool:
    """Whether two nodes are the same but for their names, those of others among their arguments included."""
    wires = one.reads == other.reads and one.frozen == other.frozen and one.owner == other.owner
    return wires and (one.layer is other.layer or nameless(one.layer) == nameless(other.layer))


def nameless(layer: Layer) -> tuple[object, ...]:
    """All that a layer is, without the name of another whose size it takes: the shape says as much."""
    arguments = {name: value for name, value in layer.arguments().items() if name != "like"}
    return layer.kind, layer.inputs, layer.output, arguments
