"""Live memory: published peaks, a simulation of random networks, batch norms folded by hand, and PyTorch's tensors."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc import Report
from convcalc.layers import KINDS
from tests.support.places import EXAMPLES
from tests.support.specs import load

Entry = dict[str, Any]


def example(name: str, inplace: bool = True, fold_batchnorm: bool = False, **overrides: Any) -> Report:
    network = convcalc.load(EXAMPLES / f"{name}.yaml", **overrides)
    return convcalc.analyse(network, inplace=inplace, fold_batchnorm=fold_batchnorm)


def analysed(entries: list[Any], shape: tuple[int, ...] = (4, 8), inplace: bool = True, **top: Any) -> Report:
    return convcalc.analyse(load({"input": list(shape), "layers": entries, **top}), inplace=inplace)


def conv(**arguments: Any) -> Entry:
    return {"conv": {"out_channels": 4, "kernel_size": 1, **arguments}}


# -- well-known networks


WITHOUT_REUSE = {
    "vgg16": 25_690_112,  # two of 64 × 224 × 224
    "resnet18": 6_422_528,  # two of 64 × 112 × 112
    "resnet50": 9_633_792,  # three of 256 × 56 × 56
    "mobilenet_v2": 9_633_792,  # two of 96 × 112 × 112
    "densenet121": 8_429_568,
    "squeezenet1_1": 6_308_352,  # two of 64 × 111 × 111
}
WITH_REUSE = {
    "resnet18": 4_014_080,  # 64 × 112 × 112 and its pool
    "mobilenet_v2": 6_021_120,  # 96 × 112 × 112 and 96 × 56 × 56
    "efficientnet_b0": 6_021_120,
    "vgg16": 25_690_112,  # a convolution cannot overwrite its input
}


@pytest.mark.parametrize("name", WITHOUT_REUSE)
def test_peaks_without_reuse(name: str) -> None:
    assert example(name, inplace=False).totals.peak_memory == WITHOUT_REUSE[name]


@pytest.mark.parametrize("name", WITH_REUSE)
def test_peaks_with_reuse(name: str) -> None:
    assert example(name).totals.peak_memory == WITH_REUSE[name]


def test_mobilenet_v2_as_deployed() -> None:
    """In int8, batch norms folded: 96 × 112 × 112 and 96 × 56 × 56 bytes."""
    deployed = example("mobilenet_v2", fold_batchnorm=True, dtype="int8")
    assert deployed.totals.peak_memory == 96 * 112 * 112 + 96 * 56 * 56 == 1_505_280


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "densenet121", "yolov3"])
def test_the_figures_of_a_report_are_consistent(name: str) -> None:
    report = example(name)
    found, totals = report.to_dict(), report.totals
    live = [layer["live_memory"] for layer in found["layers"]]
    first = live.index(max(live))
    assert live == list(report.liveness.live)
    assert totals.peak_memory == report.liveness.peak == found["totals"]["peak_memory"] == max(live)
    assert totals.peak_at == found["totals"]["peak_at"] == found["layers"][first]["name"]
    assert report.liveness.peak_at == first
    assert sum(report.tensor_bytes[tensor] for tensor in report.liveness.peak_tensors) == max(live)


def test_memory_grows_with_the_batch() -> None:
    assert example("resnet18", batch=8).totals.peak_memory == 8 * WITH_REUSE["resnet18"]


# -- small networks by hand; a tensor of 4 × 8 elements has 128 bytes


@pytest.mark.parametrize(
    ("entries", "live", "reused"),
    [
        ([conv(), conv()], [256, 256], [256, 256]),
        ([conv(), "relu", conv()], [256, 256, 256], [256, 128, 256]),
        (["relu"], [256], [128]),
        ([conv(), "softmax"], [256, 256], [256, 256]),
        ([conv(), "identity", "dropout", "flatten"], [256, 128, 128, 128], [256, 128, 128, 128]),
        ([conv(), "flatten", "relu"], [256, 128, 256], [256, 128, 128]),
        ([conv(), "batchnorm", {"add": {"from": ["previous", "input"]}}], [256, 384, 384], [256, 256, 256]),
        ([conv(), {"add": {"from": ["input", "conv1"]}}], [256, 384], [256, 256]),
        ([conv(), "relu", {"add": {"from": ["relu1", "conv1"]}}], [256, 256, 384], [256, 256, 256]),
        ([conv(), {"concat": {"from": ["input", "conv1"]}}], [256, 512], [256, 512]),
        ([conv(), conv(**{"from": "input"})], [256, 256], [256, 256]),
        ([conv(), {"slice": {"channels": [0, 2]}}], [256, 192], [256, 192]),
        ([{"global_avgpool": {}}, {"multiply": {"from": ["previous", "input"]}}], [144, 272], [144, 272]),
    ],
)
def test_live_bytes_by_hand(entries: list[Any], live: list[int], reused: list[int]) -> None:
    assert analysed(entries, inplace=False).liveness.live == tuple(live)
    assert analysed(entries).liveness.live == tuple(reused)


def test_an_output_of_the_network_is_never_overwritten() -> None:
    entries = [conv(name="kept"), "relu", conv()]
    assert analysed(entries, outputs=["kept", "conv2"]).liveness.live == (256, 256, 384)


def test_a_tensor_with_a_view_is_never_overwritten() -> None:
    entries = [conv(name="seen"), "identity", "relu", {"concat": {"from": ["previous", "seen"]}}]
    assert analysed(entries).liveness.live == (256, 128, 256, 512)


def test_an_output_through_a_view_stays_alive() -> None:
    entries = [conv(), {"flatten": {"name": "kept"}}, {"conv": {**conv()["conv"], "from": "input"}}]
    assert analysed(entries, outputs=["kept", "conv2"]).liveness.live == (256, 256, 384)


def test_inputs_are_live_until_their_last_reader() -> None:
    layers = [{"conv": {**conv()["conv"], "from": "left"}}, {"add": {"from": ["previous", "right"]}}]
    network = load({"inputs": {"left": [4, 8], "right": [4, 8]}, "layers": layers})
    assert convcalc.analyse(network, inplace=False).liveness.live == (384, 384)
    assert convcalc.analyse(network).liveness.live == (384, 256)


@pytest.mark.parametrize(
    ("dtype", "live"), [("float64", 168), ("float16", 42), ("int8", 21), ("int4", 8 + 3), ("int2", 6), ("int1", 2 + 1)]
)
def test_a_tensor_is_rounded_up_to_whole_bytes(dtype: str, live: int) -> None:
    """15 elements and 6 elements."""
    layers = [{"conv": {"out_channels": 2, "kernel_size": 3}}]
    assert analysed(layers, (3, 5), dtype=dtype).liveness.live == (live,)


def test_a_tensor_is_rounded_up_with_its_whole_batch() -> None:
    layers = [{"conv": {"out_channels": 1, "kernel_size": 3}}]
    assert analysed(layers, (1, 5), dtype="int1", batch=3).liveness.live == (2 + 2,)


def test_activations_have_their_own_data_type() -> None:
    mixed = example("resnet18", dtype={"weights": "int8", "activations": "float16"})
    assert mixed.totals.peak_memory == WITH_REUSE["resnet18"] // 2


# -- random networks compared with a simulation


BITS = {"float32": 32, "float16": 16, "int8": 8, "int4": 4, "int1": 1}
IN_PLACE = ["relu", "gelu", "batchnorm", "layernorm", "prelu", "scale", "add", "multiply"]
VIEWS = ["identity", "dropout", "drop_path"]


class Tensor(NamedTuple):
    """The output of a layer: its kind, its inputs, its shape and its memory."""

    kind: str
    reads: tuple[int, ...]
    shape: tuple[int, ...]


class Drawn(NamedTuple):
    """A network: tensor 0 is its input, every other tensor the output of a layer."""

    tensors: list[Tensor]
    outputs: list[int]
    batch: int
    dtype: str

    def spec(self) -> Entry:
        layers = [entry(number, tensor) for number, tensor in enumerate(self.tensors) if number]
        outputs = [f"layer{number}" for number in self.outputs]
        top: Entry = {"input": list(self.tensors[0].shape), "batch": self.batch, "dtype": self.dtype}
        return {**top, "layers": layers, "outputs": outputs}


def entry(number: int, tensor: Tensor) -> Entry:
    names = ["input" if read == 0 else f"layer{read}" for read in tensor.reads]
    arguments: Entry = {"name": f"layer{number}", "from": names if len(names) > 1 else names[0]}
    if tensor.kind == "conv":
        arguments |= {"out_channels": tensor.shape[0], "kernel_size": 1}
    if tensor.kind == "reshape":
        arguments |= {"shape": list(tensor.shape)}
    if tensor.kind == "maxpool":
        arguments |= {"kernel_size": 2}
    if tensor.kind == "slice":
        arguments |= {"channels": [0, tensor.shape[0]]}
    return {tensor.kind: arguments}


@st.composite
def drawn_tensor(draw: st.DrawFn, tensors: list[Tensor]) -> Tensor:
    """Add a layer on one tensor or on two tensors that fit, preferably recent ones."""
    recent = len(tensors) - 1 - draw(st.integers(0, min(3, len(tensors) - 1)))
    channels, length = tensors[recent].shape
    kind = draw(
        st.sampled_from(["conv", "conv", *IN_PLACE, *VIEWS, "reshape", "maxpool", "slice", "softmax", "concat"])
    )
    if kind in ("add", "multiply", "concat"):
        return pair_of(draw, kind, recent, tensors)
    shapes = {
        "conv": (draw(st.integers(1, 4)), length),
        "reshape": (length, channels),
        "maxpool": (channels, max(length // 2, 1)),
        "slice": ((channels + 1) // 2, length),
    }
    kind = "identity" if kind == "maxpool" and length < 2 else kind
    return Tensor(kind, (recent,), shapes.get(kind, (channels, length)))


def pair_of(draw: st.DrawFn, kind: str, recent: int, tensors: list[Tensor]) -> Tensor:
    """A merge with another tensor that fits, or with itself."""
    shape = tensors[recent].shape
    fitting = [
        number
        for number, other in enumerate(tensors)
        if number != recent and (fits(shape, other.shape) if kind != "concat" else shape[1] == other.shape[1])
    ]
    if not fitting:
        return Tensor("softmax", (recent,), shape)
    other = draw(st.sampled_from(fitting))
    reads = draw(st.permutations([recent, other]))
    (one, length), (two, other_length) = shape, tensors[other].shape
    result = (one + two, length) if kind == "concat" else (max(one, two), max(length, other_length))
    return Tensor(kind, tuple(reads), result)


def test_only_layers_that_read_each_value_once_overwrite_their_input() -> None:
    """Norms compute their statistics first. A local response norm reads values that it would have overwritten."""
    once = (
        "celu drop_path dropout elu gelu hardsigmoid hardswish hardtanh identity leaky_relu mish prelu relu relu6 selu"
    )
    once += " sigmoid silu softplus softsign tanh scale shift add multiply batchnorm groupnorm instancenorm layernorm"
    assert {name for name, kind in KINDS.items() if kind.in_place} == set(once.split())
    report = analysed(["local_response_norm"], shape=(4, 8, 8))
    assert report.totals.peak_memory == 2 * 4 * 64 * 4


def fits(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(a == b or 1 in (a, b) for a, b in zip(one, other, strict=True))


@st.composite
def networks(draw: st.DrawFn) -> Drawn:
    tensors = [Tensor("input", (), (draw(st.integers(1, 4)), draw(st.integers(1, 8))))]
    tensors.append(Tensor("conv", (0,), (draw(st.integers(1, 4)), tensors[0].shape[1])))
    for _ in range(draw(st.integers(0, 11))):
        tensors.append(draw(drawn_tensor(tensors)))
    others = draw(st.lists(st.sampled_from(range(1, len(tensors))), max_size=2))
    outputs = sorted({*others, len(tensors) - 1})
    return Drawn(tensors, outputs, draw(st.integers(1, 3)), draw(st.sampled_from(list(BITS))))


class Machine:
    """Executes a network: allocates memory for the output of a layer and frees it after the last reader."""

    def __init__(self, network: Drawn, inplace: bool) -> None:
        self.network = network
        self.inplace = inplace
        self.readers = [self.all_readers(number) for number in range(len(network.tensors))]
        self.memory: dict[int, int] = {0: 0}  # the memory of each tensor
        self.taken: dict[int, int] = {0: self.size(0)}  # the bytes of each memory

    def size(self, number: int) -> int:
        elements = self.network.batch * prod(self.network.tensors[number].shape)
        return -(-elements * BITS[self.network.dtype] // 8)

    def all_readers(self, number: int) -> set[int]:
        """The layers that read a tensor; the end of the network reads its outputs."""
        tensors = self.network.tensors
        found = {reader for reader, tensor in enumerate(tensors) if number in tensor.reads}
        return found | ({len(tensors)} if number in self.network.outputs else set())

    def alone(self, reader: int, number: int) -> bool:
        """Whether nothing else reads a tensor or the tensor of which it is a view."""
        tensor = self.network.tensors[number]
        viewed = tensor.kind in (*VIEWS, "reshape")
        return self.readers[number] == {reader} and (not viewed or self.alone(number, tensor.reads[0]))

    def place(self, number: int) -> int | None:
        """The memory that a layer's output shares with its input."""
        kind, reads, _ = self.network.tensors[number]
        if kind in (*VIEWS, "reshape"):
            return self.memory[reads[0]]
        if self.inplace and kind in IN_PLACE:
            free = [read for read in reads if self.alone(number, read) and self.size(read) == self.size(number)]
            return self.memory[free[0]] if free else None
        return None

    def step(self, number: int) -> int:
        """Run one layer and return the memory that is live meanwhile."""
        place = self.place(number)
        if place is None:
            place = number
            self.taken[number] = self.size(number)
        self.memory[number] = place
        live = sum(self.taken.values())
        held = {memory for tensor, memory in self.memory.items() if max(self.readers[tensor], default=0) > number}
        self.taken = {memory: size for memory, size in self.taken.items() if memory in held}
        return live

    def run(self) -> tuple[int, ...]:
        return tuple(self.step(number) for number in range(1, len(self.network.tensors)))


@settings(max_examples=250, deadline=None)
@given(networks(), st.booleans())
def test_live_bytes_match_an_allocating_machine(network: Drawn, inplace: bool) -> None:
    report = convcalc.analyse(load(network.spec()), inplace=inplace)
    live = Machine(network, inplace).run()
    assert report.liveness.live == live
    assert report.totals.peak_memory == max(live)
    assert report.totals.peak_at == f"layer{live.index(max(live)) + 1}"


@settings(max_examples=100, deadline=None)
@given(networks())
def test_reuse_never_needs_more_memory(network: Drawn) -> None:
    loaded = load(network.spec())
    pairs = zip(
        convcalc.analyse(loaded).liveness.live, convcalc.analyse(loaded, inplace=False).liveness.live, strict=True
    )
    assert all(reused <= live for reused, live in pairs)


def test_many_tensors_may_stay_live_to_the_end() -> None:
    names = [f"layer{number}" for number in range(20_000)]
    layers = [conv(name=name, **{"from": "input"}) for name in names]
    report = convcalc.analyse(load({"input": [4, 8], "layers": layers, "outputs": names}))
    assert report.totals.peak_memory == 128 * (len(names) + 1)


# -- batch norms folded into convolutions


def folded(*entries: Any, **top: Any) -> Report:
    network = load({"input": [4, 8], "layers": list(entries), **top})
    return convcalc.analyse(network, fold_batchnorm=True)


def kinds(report: Report) -> list[str]:
    return [layer.kind for layer in report.layers]


def test_resnet50_folded() -> None:
    """53 batch norms on 26,560 channels disappear: per channel, two weights become one bias and two statistics none."""
    before, after = example("resnet50"), example("resnet50", fold_batchnorm=True)
    assert after.totals.layers == before.totals.layers - 53
    assert after.totals.params == before.totals.params - 2 * 26_560 + 26_560 == 25_530_472
    assert (after.totals.buffers, after.totals.macs) == (0, before.totals.macs)
    assert after.outputs() == before.outputs()


def test_mobilenet_v1_folded() -> None:
    """Every weight of a convolution, a bias per channel, and the classifier."""
    read = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024)
    written = (*read[1:], 1024)
    depthwise = sum(9 * channels + channels for channels in read)
    pointwise = sum(a * b + b for a, b in zip(read, written, strict=True))
    report = example("mobilenet_v1", fold_batchnorm=True)
    assert report.totals.params == 27 * 32 + 32 + depthwise + pointwise + 1024 * 1000 + 1000
    assert (report.totals.buffers, report.totals.macs) == (0, 568_740_352)
    assert "batchnorm" not in kinds(report)


@pytest.mark.parametrize(
    "entry",
    [
        conv(bias=False),
        conv(),
        {"pointwise_conv": {"out_channels": 6, "bias": False}},
        {"depthwise_conv": {"kernel_size": 3, "multiplier": 2, "bias": False}},
        {"separable_conv": {"out_channels": 6, "kernel_size": 3, "bias": False}},
        {"conv_transpose": {"out_channels": 6, "kernel_size": 4, "stride": 2, "groups": 2, "bias": False}},
    ],
)
def test_a_folded_layer_has_a_bias_and_is_otherwise_unchanged(entry: Entry) -> None:
    [(kind, arguments)] = entry.items()
    [alone] = analysed([{kind: {**arguments, "bias": True}}]).layers
    [found] = folded(entry, "batchnorm").layers
    assert found.to_dict() | {"line": None} == alone.to_dict() | {"line": None}


def test_a_batch_norm_behind_a_linear_layer_is_folded() -> None:
    report = folded("flatten", {"linear": {"out_features": 3, "bias": False}}, "batchnorm", "relu")
    assert kinds(report) == ["flatten", "linear", "relu"]
    assert report.totals.params == 3 * 32 + 3


def test_biases_of_integer_weights_have_32_bits() -> None:
    report = folded(conv(bias=False), "batchnorm", dtype="int8")
    assert report.totals.weight_memory == 16 + 4 * 4


@pytest.mark.parametrize(
    ("entries", "top"),
    [
        ([conv(name="a"), "batchnorm", {"add": {"from": ["previous", "a"]}}], {}),  # another layer reads it as well
        ([conv(name="a"), {"batchnorm": {"name": "b"}}], {"outputs": ["a", "b"]}),  # it is an output of the network
        ([conv(name="a"), "batchnorm", conv(share="a")], {}),  # its weights are shared
        ([conv(name="a"), "relu", conv(share="a"), "batchnorm"], {}),  # its weights belong to another layer
        (
            [conv(), {"batchnorm": {"name": "b"}}, "relu", {"batchnorm": {"share": "b"}}],
            {},
        ),  # the weights of the batch norm are shared
        ([conv(), "relu", "batchnorm"], {}),  # another layer is in between
        (["batchnorm", conv()], {}),
        (
            [{"locally_connected": {"out_channels": 4, "kernel_size": 1}}, "batchnorm"],
            {},
        ),  # there is no bias per channel
        ([conv(), {"batchnorm": {"track_running_stats": False}}], {}),  # it uses the statistics of each batch
    ],
)
def test_other_batch_norms_cannot_be_folded(entries: list[Any], top: Entry) -> None:
    network = load({"input": [4, 8], "layers": entries, **top})
    after, before = convcalc.analyse(network, fold_batchnorm=True), convcalc.analyse(network)
    assert after.to_dict() == before.to_dict()


def test_one_of_two_batch_norms_in_a_row_is_folded() -> None:
    assert kinds(folded(conv(), "batchnorm", "batchnorm", "relu")) in (
        ["conv", "batchnorm", "relu"],
        ["conv", "relu"],
    )


def test_readers_of_a_folded_batch_norm_read_the_convolution() -> None:
    report = folded(conv(), {"batchnorm": {"name": "b"}}, "relu", {"add": {"from": ["previous", "b"]}}, outputs=["b"])
    assert [layer.reads for layer in report.layers] == [("input",), ("conv1",), ("relu1", "conv1")]
    assert list(report.outputs()) == ["b"]
    assert report.network.outputs == {"b": 1}


SCOPES = ("resnet50", "mobilenet_v2", "googlenet", "yolov3", "unet_padded")


@pytest.mark.parametrize("name", SCOPES)
def test_groups_hold_the_layers_of_their_names(name: str) -> None:
    report = example(name, fold_batchnorm=True)
    for group in report.groups:
        inside = [layer.name for layer in report.layers[group.start : group.stop]]
        named = [layer.name for layer in report.layers if layer.name.startswith(f"{group.name}.")]
        assert inside == named != []


def test_groups_end_with_the_layer_that_absorbed_the_batch_norm() -> None:
    entries = [{"sequence": [conv(), "batchnorm"], "name": "body"}, {"sequence": ["batchnorm"], "name": "norm"}, "relu"]
    report = folded(*entries)
    body = next(group for group in report.groups if group.name == "body")
    assert report.network.tensor_name(body.output) == "body.conv1"
    assert (body.start, body.stop) == (0, 1)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "unet_padded", "inception_v3"])
def test_folding_does_not_change_fields_and_shapes(name: str) -> None:
    before = {layer.name: (layer.receptive_field, layer.output_shape) for layer in example(name).layers}
    after = {
        layer.name: (layer.receptive_field, layer.output_shape) for layer in example(name, fold_batchnorm=True).layers
    }
    assert {layer: before[layer] for layer in after} == after


# -- the tensors of PyTorch


# Excluded: unet, whose crop in PyTorch is a view that keeps the whole skip alive, but in convcalc has its own memory;
# person_detection, whose padding at one end of each axis is a tensor of its own in PyTorch.
TRACED = (
    "alexnet", "anomaly_detection", "c3d", "conv_autoencoder", "convnext_tiny", "dcgan_generator",
    "deeplabv3_resnet50", "densenet121", "ds_cnn", "efficientnet_b0", "espcn", "fcn_resnet50", "googlenet",
    "inception_v3", "lenet5", "m5", "mnasnet1_0", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "r3d_18",
    "regnet_y_400mf", "resnet101", "resnet152", "resnet18", "resnet34", "resnet50", "resnet8", "resnext50_32x4d",
    "shufflenet_v2_x1_0", "squeezenet1_0", "squeezenet1_1", "streaming_wakeword", "unet_padded", "vgg16", "wavenet",
    "yolov3",
)  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("name", TRACED)
def test_peaks_without_reuse_match_pytorch(name: str) -> None:
    from tests.oracle import reference_dense, reference_models, reference_tiny, reference_zoo
    from tests.oracle.tracing import traced_peak

    built = (reference_models.NETWORKS, reference_zoo.MODELS, reference_dense.MODELS, reference_tiny.MODELS)
    networks = {name: build for models in built for name, build in models.items()}
    peak = example(name, inplace=False, dtype="float32").totals.peak_memory
    assert peak == traced_peak(networks[name])
