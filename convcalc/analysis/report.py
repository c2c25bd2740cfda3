"""Defines the report of a network: every figure of every layer, and the totals.

`analyse` takes a `Network` and returns a `Report` of integers: `analyse(network).totals.params` is one of them.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from convcalc.analysis.cost import activation_bytes, count_node
from convcalc.analysis.liveness import Liveness, compute_liveness
from convcalc.analysis.optimizers import OPTIMIZERS
from convcalc.analysis.receptive_field import Field, FieldReport, compute_fields, field_report, input_size
from convcalc.analysis.training import Training, compute_training_memory
from convcalc.caching import begin_run
from convcalc.gc_pause import defer_garbage_collection
from convcalc.intervals import Ratio
from convcalc.layers.base import Layer
from convcalc.network import Group, Network
from convcalc.shape import Shape
from convcalc.version import __version__

if TYPE_CHECKING:
    import os

    from convcalc.render.draw import Picture
    from convcalc.render.lines import RichBlocks

_SCHEMA = "convcalc/report/2"


COUNTS = ("params", "trainable_params", "buffers", "multiplications", "additions", "macs", "flops")
_get_counts = attrgetter(*COUNTS)


def _make_counts_dict(figures: "LayerReport | Totals") -> dict[str, int | None]:
    return dict(zip(COUNTS, _get_counts(figures), strict=True))


def _format_costs(figures: "LayerReport | Totals") -> str:
    """Return params and MACs as text: `112 params, 3,888 MACs`."""
    macs = "unknown" if figures.macs is None else f"{figures.macs:,}"
    return f"{figures.params:,} params, {macs} MACs"


class LayerReport(NamedTuple):
    """The counts, bytes and receptive field of one layer; None means unknown.

    Operations and bytes are for the whole batch. If the layer uses the weights of another layer, `shares` is the
    name of that layer. Its own params and weight memory are then 0, because shared weights count once.
    """

    name: str
    kind: str
    line: int | None
    reads: tuple[str, ...]
    layer: Layer
    params: int
    trainable_params: int
    buffers: int
    multiplications: int | None
    additions: int | None
    macs: int | None
    input_memory: int
    weight_memory: int
    activation_memory: int
    live_memory: int
    receptive_field: FieldReport
    frozen: bool
    shares: str | None

    @property
    def flops(self) -> int | None:
        """Multiplications + additions; None if unknown."""
        return add_known(self.multiplications, self.additions)

    @property
    def output_shape(self) -> Shape:
        """The output shape of one sample, channels first."""
        return self.layer.output

    def __repr__(self) -> str:
        return f"<LayerReport {self.name}: {self.kind} {self.output_shape}, {_format_costs(self)}>"

    def to_record(self) -> dict[str, str | int | None]:
        """Return the layer as a row of a data frame; see `Report.to_records`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "line": self.line,
            "from": " ".join(self.reads),
            "input_shape": " + ".join(map(str, self.layer.inputs)),
            "output_shape": str(self.output_shape),
            **_make_counts_dict(self),
            "input_memory": self.input_memory,
            "weight_memory": self.weight_memory,
            "activation_memory": self.activation_memory,
            "live_memory": self.live_memory,
            "receptive_field": min(self.receptive_field.size or (), default=None),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the layer as a JSON-ready dict."""
        arguments = self.layer.arguments()
        if self.frozen:
            arguments["frozen"] = True
        if self.shares is not None:
            arguments["share"] = self.shares
        return {
            "name": self.name,
            "kind": self.kind,
            "line": self.line,
            "from": list(self.reads),
            "arguments": arguments,
            "input_shapes": [list(shape.sizes) for shape in self.layer.inputs],
            "output_shape": list(self.output_shape.sizes),
            **_make_counts_dict(self),
            "input_memory": self.input_memory,
            "weight_memory": self.weight_memory,
            "activation_memory": self.activation_memory,
            "live_memory": self.live_memory,
            "receptive_field": field_dict(self.receptive_field),
        }


class Totals(NamedTuple):
    """The counts and bytes of the whole network; a sum is None if the value of any layer is unknown.

    `activation_memory` is the sum over all layers' outputs. `peak_memory` is the largest number of bytes that are live
    at once, and `peak_at` names the layer that runs at that time. `receptive_field` is that of the layer
    `receptive_field_at`, the last one before global pooling and linear layers.
    """

    layers: int
    params: int
    trainable_params: int
    buffers: int
    multiplications: int | None
    additions: int | None
    macs: int | None
    input_memory: int
    weight_memory: int
    activation_memory: int
    peak_memory: int
    peak_at: str
    receptive_field: FieldReport
    receptive_field_at: str

    @property
    def flops(self) -> int | None:
        """Multiplications + additions; None if unknown."""
        return add_known(self.multiplications, self.additions)

    def to_dict(self) -> dict[str, Any]:
        """Return the totals as a JSON-ready dict."""
        return {
            "layers": self.layers,
            **_make_counts_dict(self),
            "input_memory": self.input_memory,
            "weight_memory": self.weight_memory,
            "activation_memory": self.activation_memory,
            "peak_memory": self.peak_memory,
            "peak_at": self.peak_at,
            "receptive_field": field_dict(self.receptive_field),
        }


def field_dict(field: FieldReport) -> dict[str, Any]:
    """Return a receptive field as a JSON-ready dict; fractions that are not integers are strings such as `1/2`."""
    if field.whole:
        return {"size": list(field.size or ()), "global": True, "aligned": field.aligned}
    found: dict[str, Any] = {"size": None if field.size is None else list(field.size)}
    if field.size_min is not None:
        found["size_min"] = list(field.size_min)
    found["jump"] = _list_ratio_values(field.jump)
    found["center"] = _list_ratio_values(field.center)
    found["aligned"] = field.aligned
    return found


def _list_ratio_values(ratios: Sequence[Ratio] | None) -> list[int | str] | None:
    return None if ratios is None else [top if bottom == 1 else f"{top}/{bottom}" for top, bottom in ratios]


def _has_known_field(layer: LayerReport) -> bool:
    """Whether a layer's receptive field is the whole input, empty, or known with a single jump per axis."""
    field = layer.receptive_field
    return field.whole or field.jump is not None or (field.size is not None and not any(field.size))


class Report:
    """All results of the analysis of a network; immutable. `print`, rich and notebooks show it as a table.

    `fields` and `tensor_bytes` are indexed by tensor number (see `Network`).
    """

    __slots__ = ("fields", "layers", "liveness", "network", "optimizer", "tensor_bytes", "totals", "trained")

    network: Network
    layers: tuple[LayerReport, ...]
    totals: Totals
    fields: tuple[Field, ...]
    tensor_bytes: tuple[int, ...]
    liveness: Liveness
    trained: Network  # the network as written, before batch norms are folded
    optimizer: str

    def __init__(self, **values: Any) -> None:
        for name in Report.__slots__:
            object.__setattr__(self, name, values[name])

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a report is immutable: {name} cannot be set")

    def __repr__(self) -> str:
        from convcalc.render.summary import report_repr

        return report_repr(self)

    def __str__(self) -> str:
        from convcalc.render.summary import table_text

        return table_text(self)

    def __rich__(self) -> "RichBlocks":
        from convcalc.render.lines import RichBlocks
        from convcalc.render.summary import table

        return RichBlocks(lambda width: table(self, width=width))

    def _repr_html_(self) -> str:
        from convcalc.render.summary_html import html_report

        return html_report(self)

    def _repr_markdown_(self) -> str:
        from convcalc.render.summary_markdown import markdown_report

        return markdown_report(self)

    def draw(self, kind: str = "graph", *, color: str = "macs", depth: "int | str | None" = None) -> "Picture":
        """Return a picture that displays itself in a notebook: boxes and arrows (`graph`) or feature maps (`stack`).

        `color` is the metric that colours it: macs, params, flops, activation_memory or weight_memory. Layers nested
        more than `depth` levels deep are folded; `all` shows every layer. By default, about 30 boxes are drawn. Raises
        ValueError for a wrong argument, or if there would be more than 2,000 boxes.
        """
        from convcalc.render.draw import draw_report

        return draw_report(self, kind, color, depth)

    def plot_memory(self) -> "Picture":
        """Return a picture of the bytes that are live while each layer runs, with the tensors at the peak."""
        from convcalc.render.draw import plot_memory

        return plot_memory(self)

    def plot_field(self, layer: str, position: tuple[int, ...] | None = None, *, effective: bool = False) -> "Picture":
        """Return a picture of the input region on which one position of a layer's output depends.

        By default, the position is in the middle. With `effective`, the picture also shows how strong this influence is
        at initialisation. Raises ValueError if the layer or the position does not exist, or if its receptive field is
        unknown.
        """
        from convcalc.render.draw import plot_field

        return plot_field(self, layer, position, effective=effective)

    def save_html(self, file: "str | os.PathLike[str]") -> None:
        """Write everything about the network to a file, as one HTML page that works offline.

        The page includes the findings of the default lint rules. Raises OSError if the file cannot be written.
        """
        from convcalc.render.report import save_report

        save_report(self, file)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The scopes of the network: named groups of layers, such as one use of a block, or one copy in a repeat."""
        return self.network.groups

    @property
    def complete(self) -> bool:
        """Whether the FLOPs and MACs of every layer and the receptive field of every output are known.

        The receptive field must have a single jump per axis, be the whole input, or be empty.
        """
        outputs = {tensor - len(self.network.inputs) for tensor in self.network.outputs.values()}
        return all(_has_known_field(self.layers[node]) for node in outputs if node >= 0) and not self.uncounted

    @property
    def uncounted(self) -> tuple[LayerReport, ...]:
        """The layers whose FLOPs or MACs are unknown."""
        return tuple([layer for layer in self.layers if None in (layer.multiplications, layer.additions, layer.macs)])

    def training(self) -> Training:
        """Return the memory for training the network as written, without folding batch norms."""
        if self.trained is not self.network:
            return measure_training(self.trained, self.optimizer)
        return compute_training_memory(self.network, self.tensor_bytes, self.totals.weight_memory, self.optimizer)

    def outputs(self) -> dict[str, Shape]:
        """Return the shapes of the network's outputs by name."""
        return {name: self.network.tensor_shape(tensor) for name, tensor in self.network.outputs.items()}

    def header(self) -> dict[str, Any]:
        """Return the keys of the JSON document before `layers`, such as `name` and `inputs`."""
        network = self.network
        dtype = {"weights": network.dtype.weights, "activations": network.dtype.activations}
        implied = "int32" if "int" in network.dtype.weights else network.dtype.weights
        return {
            "schema": _SCHEMA,
            "version": __version__,
            "complete": self.complete,
            "name": network.name,
            "file": network.file,
            "params": network.params,
            "batch": network.batch,
            "dtype": dtype if network.dtype.bias == implied else {**dtype, "bias": network.dtype.bias},
            "inputs": {name: list(shape.sizes) for name, shape in network.inputs.items()},
            "outputs": {name: list(shape.sizes) for name, shape in self.outputs().items()},
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a JSON-ready dict, schema convcalc/report/2."""
        layers = [layer.to_dict() for layer in self.layers]
        return {
            **self.header(),
            "layers": layers,
            "totals": self.totals_dict(),
            "shift_equivariance": self.shifts_dict(),
        }

    def shifts_dict(self) -> dict[str, Any] | None:
        """Return what the outputs do if the input is shifted, as a JSON-ready dict; None if it has no positions."""
        from convcalc.analysis.shift_equivariance import shifts_dict

        return shifts_dict(self.network)

    def to_records(self) -> list[dict[str, str | int | None]]:
        """Return one flat dict per layer, for `pandas.DataFrame(records)` or `polars.DataFrame(records)`.

        Every record has the same keys: the columns of `convcalc summary --columns` except `what`, `jump` and `share`.
        Shapes are text, such as 64×56×56. `receptive_field` is the size on the axis where the receptive field is
        smallest. An unknown figure is None.
        """
        return [layer.to_record() for layer in self.layers]

    def totals_dict(self) -> dict[str, Any]:
        """Return the totals, with training memory, as a JSON-ready dict."""
        return {**self.totals.to_dict(), "training_memory": self.training().total}


def list_tensor_bytes(network: Network) -> tuple[int, ...]:
    """Return the bytes of all tensors of a network, by tensor number."""
    shapes = [*network.inputs.values(), *[node.layer.output for node in network.nodes]]
    return tuple([activation_bytes(shape, network.dtype, network.batch) for shape in shapes])


def measure_training(network: Network, optimizer: str) -> Training:
    """Return the memory for training a network; `optimizer` is a key of OPTIMIZERS."""
    stored = sum(count_node(node, network.dtype, network.batch).weight_memory for node in network.nodes)
    return compute_training_memory(network, list_tensor_bytes(network), stored, optimizer)


@defer_garbage_collection
def analyse(network: Network, *, inplace: bool = True, fold_batchnorm: bool = False, optimizer: str = "sgd") -> Report:
    """Return the report of a network: counts, memory and receptive fields of every layer, and the totals.

    `inplace` lets elementwise layers overwrite inputs that nothing else reads. `fold_batchnorm` folds batch norms
    into the layers before them. `optimizer` (sgd, momentum or adam) determines the optimizer state in training
    memory. Raises ValueError for any other optimizer, and TypeError if an argument has a wrong type.
    """
    _check_types(network, inplace, fold_batchnorm)
    if optimizer not in tuple(OPTIMIZERS):
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}; got {optimizer}")
    begin_run()
    trained = network
    if fold_batchnorm:
        from convcalc.analysis.batchnorm_folding import fold_batchnorm as fold  # costs start-up time

        network = fold(network)
    sizes = list_tensor_bytes(network)
    live = compute_liveness(network, sizes, inplace)
    seen = tuple(compute_fields(network))
    layers = _report_layers(network, sizes, live.live, seen)
    return Report(
        network=network,
        layers=tuple(layers),
        totals=_sum_totals(layers, seen[len(network.inputs) :], live, sum(sizes[: len(network.inputs)])),
        fields=seen,
        tensor_bytes=sizes,
        liveness=live,
        trained=trained,
        optimizer=optimizer,
    )


def _check_types(network: object, inplace: object, fold_batchnorm: object) -> None:
    if not isinstance(network, Network):
        got = type(network).__name__
        raise TypeError(f"analyse expects a Network; got a value of the type {got}: pass it to convcalc.summary")
    for name, value in (("inplace", inplace), ("fold_batchnorm", fold_batchnorm)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False; got {value!r}")


def _report_layers(
    network: Network, sizes: Sequence[int], live: Sequence[int], seen: Sequence[Field]
) -> list[LayerReport]:
    """Return the reports of all layers.

    `sizes` has the bytes of each tensor, `seen` its receptive field, and `live` the live bytes while each node runs.
    """
    dtype, batch, whole = network.dtype, network.batch, input_size(network)
    names = [*network.inputs, *[node.name for node in network.nodes]]
    reported: dict[tuple[int, tuple[int, ...]], FieldReport] = {}
    layers = []
    for live_memory, (number, node) in zip(live, enumerate(network.nodes, len(network.inputs)), strict=True):
        name, layer, reads, _, line, frozen, owner = node
        same = (id(seen[number]), layer.output.spatial)
        field = reported.get(same)
        if field is None:
            field = reported[same] = field_report(seen[number], layer.output.spatial, whole)
        params, buffers, multiplications, additions, macs, weight_memory = count_node(node, dtype, batch)
        report = LayerReport(  # positional arguments: naming them costs time for every one of thirty thousand layers
            name,
            layer.kind,
            line,
            tuple(map(names.__getitem__, reads)),
            layer,
            params,
            0 if frozen else params,
            buffers,
            multiplications,
            additions,
            macs,
            sum(map(sizes.__getitem__, reads)),
            weight_memory,
            sizes[number],
            live_memory,
            field,
            frozen,
            None if owner is None else network.nodes[owner].name,
        )
        layers.append(report)
    return layers


def add_known(one: int | None, other: int | None) -> int | None:
    """Return the sum of two values; None if one of them is unknown."""
    return None if one is None or other is None else one + other


def sum_known(figures: Sequence[int | None]) -> int | None:
    """Return the sum of the values; None if any of them is unknown."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if len(known) == len(figures) else None


def find_last_placed(shapes: Sequence[Shape], seen: Sequence[Field]) -> int:
    """Return the index of the last layer whose output has positions, or of the last layer if there is none.

    `shapes` are the output shapes of the layers, and `seen` are their receptive fields.
    """
    # outputs of attention and recurrent layers have positions, although each position depends on all inputs
    indexes = range(len(shapes) - 1, -1, -1)
    placed = (index for index in indexes if not seen[index].collapsed or shapes[index].positions > 1)
    return next(placed, len(shapes) - 1)


def _sum_totals(layers: list[LayerReport], seen: tuple[Field, ...], live: Liveness, input_memory: int) -> Totals:
    """Return the sums over all layers, and the receptive field of the last layer that has positions."""
    placed = layers[find_last_placed([layer.layer.output for layer in layers], seen)]
    return Totals(
        layers=len(layers),
        params=sum(map(attrgetter("params"), layers)),
        trainable_params=sum(map(attrgetter("trainable_params"), layers)),
        buffers=sum(map(attrgetter("buffers"), layers)),
        multiplications=sum_known([layer.multiplications for layer in layers]),
        additions=sum_known([layer.additions for layer in layers]),
        macs=sum_known([layer.macs for layer in layers]),
        input_memory=input_memory,
        weight_memory=sum(map(attrgetter("weight_memory"), layers)),
        activation_memory=sum(map(attrgetter("activation_memory"), layers)),
        peak_memory=live.peak,
        peak_at=layers[live.peak_at].name,
        receptive_field=placed.receptive_field,
        receptive_field_at=placed.name,
    )
