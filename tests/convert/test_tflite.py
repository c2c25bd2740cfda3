"""TFLite files as networks. Expected figures are counted by hand, with the formulas in TensorFlow's documentation."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.convert.graph import Graph, NotImported, WrongNumberOfSizes, plain_spec
from convcalc.convert.tflite import reader
from tests.support.tflite_files import (
    FLOAT16,
    INT8,
    INT32,
    Op,
    T,
    byte,
    depthwise_window,
    flag,
    i,
    integers,
    pool_window,
    real,
    tflite,
    window,
)

SAME, RELU6 = True, 3
X = T((1, 8, 6, 4))


def imported(folder: Path, content: bytes, shapes: Any = None) -> Graph:
    path = folder / "net.tflite"
    path.write_bytes(content)
    return reader.read(str(path), shapes)


def one(
    folder: Path,
    name: str,
    dims: tuple[int, ...],
    constants: Sequence[T] = (),
    options: Any = None,
    inputs: Sequence[int] | None = None,
    x: T = X,
) -> Graph:
    """A network of one operator: tensor 0 is the input, 1 the output, and the constants follow."""
    tensors = [x, T(dims), *constants]
    read = [0, *range(2, len(tensors))] if inputs is None else inputs
    return imported(folder, tflite(tensors, [Op(name, read, [1], options)]))


def kinds(graph: Graph) -> list[str]:
    return [step.kind for step in graph.steps]


def last_shape(graph: Graph) -> tuple[int, ...]:
    return convcalc.summary(plain_spec(graph)).layers[-1].layer.output.sizes


def weight(*dims: int) -> T:
    return T(dims, data=True)


CASES: list[tuple[str, tuple[int, ...], list[T], dict[int, Any] | None, list[dict[str, Any]]]] = [
    # SAME padding of TensorFlow: ceil(n / s) windows; for 8 and 6 with k = 3, s = 2 all of it comes after
    (
        "CONV_2D", (1, 4, 3, 5), [weight(5, 3, 3, 4), weight(5)], window((2, 2), SAME, RELU6),
        [{"conv": {"out_channels": 5, "kernel_size": 3, "stride": 2, "padding": "same"}}, {"relu6": {}}],
    ),
    (
        "CONV_2D", (1, 3, 4, 5), [weight(5, 3, 2, 4)], window((2, 1), dilations=(1, 2)),
        [{"conv": {"out_channels": 5, "kernel_size": [3, 2], "stride": [2, 1], "dilation": [1, 2], "bias": False}}],
    ),
    (
        "CONV_2D", (1, 8, 6, 6), [weight(6, 1, 1, 2), weight(6)], window(),
        [{"conv": {"out_channels": 6, "kernel_size": 1, "groups": 2}}],
    ),
    (
        "DEPTHWISE_CONV_2D", (1, 6, 4, 8), [weight(1, 3, 3, 8), weight(8)], depthwise_window(),
        [{"depthwise_conv": {"kernel_size": 3, "multiplier": 2}}],
    ),
    (
        "FULLY_CONNECTED", (1, 7), [weight(7, 192), weight(7)], {0: byte(1)},
        [{"flatten": {}}, {"linear": {"out_features": 7}}, {"relu": {}}],
    ),
    (
        "FULLY_CONNECTED", (1, 8, 6, 7), [weight(7, 4), weight(7)], {2: flag(True)},
        [{"pointwise_conv": {"out_channels": 7}}],
    ),
    (
        "AVERAGE_POOL_2D", (1, 4, 3, 4), [], pool_window((2, 2), (2, 2)),
        [{"avgpool": {"kernel_size": 2}}],
    ),
    (
        "MAX_POOL_2D", (1, 4, 3, 4), [], pool_window((3, 3), (2, 2), SAME, 1),
        [{"maxpool": {"kernel_size": 3, "stride": 2, "padding": "same"}}, {"relu": {}}],
    ),
    (
        "RESIZE_BILINEAR", (1, 16, 12, 4), [integers(16, 12)], {},
        [{"upsample": {"scale_factor": 2, "mode": "bilinear"}}],
    ),
    ("RESIZE_NEAREST_NEIGHBOR", (1, 12, 6, 4), [integers(12, 6)], {}, [{"upsample": {"size": [12, 6]}}]),
    ("MEAN", (1, 4), [integers(1, 2)], {}, [{"global_avgpool": {"keepdims": False}}]),
    ("MEAN", (1, 1, 1, 4), [integers(-3, -2)], {0: flag(True)}, [{"global_avgpool": {}}]),
    ("REDUCE_MAX", (1, 4), [integers(1, 2)], {}, [{"global_maxpool": {"keepdims": False}}]),
    (
        "PAD", (1, 11, 6, 4), [integers(0, 0, 1, 2, 0, 0, 0, 0, dims=(4, 2))], {},
        [{"pad": {"padding": [[1, 2], [0, 0]]}}],
    ),
    (
        "MIRROR_PAD", (1, 10, 8, 4), [integers(0, 0, 1, 1, 1, 1, 0, 0, dims=(4, 2))], {0: byte(0)},
        [{"pad": {"padding": 1, "mode": "reflect"}}],
    ),
    (
        "STRIDED_SLICE", (1, 7, 5, 4), [integers(0, 1, 0, 0), integers(1, 8, -1, 0), integers(1, 1, 1, 1)], {1: i(8)},
        [{"crop": {"amount": [[1, 0], [0, 1]]}}],
    ),
    (
        "STRIDED_SLICE", (1, 4, 6, 4), [integers(0, 1), integers(1, 8), integers(1, 2)], {0: i(1), 1: i(1)},
        [{"slice": {"height": [1, 8], "step": 2}}],
    ),
    ("SLICE", (1, 8, 6, 3), [integers(0, 0, 0, 1), integers(-1, 8, 6, 3)], {}, [{"slice": {"channels": [1, 4]}}]),
    ("SPACE_TO_DEPTH", (1, 4, 3, 16), [], {0: i(2)}, [{"pixel_unshuffle": {"downscale_factor": 2}}]),
    ("DEPTH_TO_SPACE", (1, 16, 12, 1), [], {0: i(2)}, [{"pixel_shuffle": {"upscale_factor": 2}}]),
    ("RESHAPE", (1, 192), [integers(-1, 192)], {}, [{"flatten": {}}]),
    ("RESHAPE", (1, 48, 4), [integers(1, -1, 4)], {}, [{"tokens": {}}]),
    ("MUL", (1, 8, 6, 4), [T((), data=struct.pack("<f", 0.5))], {}, [{"scale": {"factor": 0.5}}]),
    ("ADD", (1, 8, 6, 4), [weight(4)], {0: byte(1)}, [{"shift": {}}, {"relu": {}}]),
    ("PRELU", (1, 8, 6, 4), [weight(1, 1, 4)], {}, [{"prelu": {"num_parameters": 4}}]),
    ("LEAKY_RELU", (1, 8, 6, 4), [], {0: real(0.2)}, [{"leaky_relu": {"negative_slope": 0.2}}]),
    ("HARD_SWISH", (1, 8, 6, 4), [], None, [{"hardswish": {}}]),
    ("LOGISTIC", (1, 8, 6, 4), [], None, [{"sigmoid": {}}]),
    ("ELU", (1, 8, 6, 4), [], None, [{"elu": {}}]),
    ("GELU", (1, 8, 6, 4), [], {0: flag(True)}, [{"gelu": {}}]),
    ("RELU6", (1, 8, 6, 4), [], None, [{"relu6": {}}]),
    ("SOFTMAX", (1, 8, 6, 4), [], {0: real(1.0)}, [{"softmax": {}}]),
    ("SOFTMAX", (1, 8, 6, 4), [], {0: real(2.0)}, [{"scale": {"factor": 2.0}}, {"softmax": {}}]),
    ("LOCAL_RESPONSE_NORMALIZATION", (1, 8, 6, 4), [], {0: i(1)}, [{"local_response_norm": {"size": 3}}]),
    (
        "L2_POOL_2D", (1, 4, 3, 4), [], pool_window((2, 2), (2, 2)),
        [{"lppool": {"kernel_size": 2}}, {"scale": {"factor": 0.5}}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "dims", "constants", "options", "layers"), CASES, ids=lambda value: str(value)[:40])
def test_an_operator_becomes_its_layers(
    name: str, dims: tuple[int, ...], constants: list[T], options: Any, layers: list[dict[str, Any]], tmp_path: Path
) -> None:
    graph = one(tmp_path, name, dims, constants, options)
    assert [{step.kind: dict(step.arguments)} for step in graph.steps] == layers
    assert graph.notes == ()
    assert graph.inputs == {"net/layer0/Op": (4, 8, 6)}
    assert last_shape(graph) == (dims[-1], *dims[1:-1])


VALUES = 8 * 6 * 4
COSTS: list[tuple[str, tuple[int, ...], list[T], dict[int, Any] | None, tuple[int, int, int, int]]] = [
    # params, multiplications, additions and MACs, by the rules in the page of `opaque`
    ("BATCH_MATMUL", (1, 8, 6, 5), [weight(1, 8, 4, 5)], {}, (160, 960, 960 - 240, 960)),
    ("BATCH_MATMUL", (1, 8, 6, 5), [weight(1, 8, 5, 4)], {1: flag(True)}, (160, 960, 960 - 240, 960)),
    ("SUM", (1, 6, 4), [integers(1)], {}, (0, 0, 7 * 24, 0)),
    ("MEAN", (1, 8, 6), [integers(3)], {}, (0, 48, 3 * 48, 0)),
    ("ARG_MAX", (1, 8, 6), [integers(-1, dims=())], {}, (0, 0, 0, 0)),
    ("GATHER", (1, 8, 6, 2), [integers(0, 2)], {0: i(3)}, (0, 0, 0, 0)),
    ("RSQRT", (1, 8, 6, 4), [], None, (0, VALUES, 0, 0)),
    ("L2_NORMALIZATION", (1, 8, 6, 4), [], {}, (0, 2 * VALUES, VALUES, 0)),
    ("SQUARED_DIFFERENCE", (1, 8, 6, 4), [T((), data=struct.pack("<f", 3.0))], None, (0, VALUES, VALUES, 0)),
    ("DIV", (1, 8, 6, 4), [T((1,), data=struct.pack("<f", 4.0))], {}, (0, VALUES, 0, 0)),
    ("TILE", (1, 16, 6, 4), [integers(1, 2, 1, 1)], None, (0, 0, 0, 0)),
    ("TRANSPOSE", (1, 4, 8, 6), [integers(0, 3, 1, 2)], None, (0, 0, 0, 0)),
    ("EXPAND_DIMS", (1, 8, 6, 4, 1), [integers(4, dims=())], None, (0, 0, 0, 0)),
    ("CAST", (1, 8, 6, 4), [], {}, (0, 0, 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "dims", "constants", "options", "figures"), COSTS, ids=lambda value: str(value)[:40])
def test_an_operator_without_a_layer_has_its_shape_and_cost(
    name: str, dims: tuple[int, ...], constants: list[T], options: Any, figures: tuple[int, ...], tmp_path: Path
) -> None:
    totals = convcalc.summary(plain_spec(one(tmp_path, name, dims, constants, options))).totals
    assert (totals.params, totals.multiplications, totals.additions, totals.macs) == figures


def test_parts_of_a_tensor_have_their_shapes(tmp_path: Path) -> None:
    parts = [T((1, 2, 6, 4)), T((1, 5, 6, 4)), T((1, 1, 6, 4))]
    tensors = [X, integers(2, -1, 1), integers(1, dims=()), *parts]
    content = tflite(tensors, [Op("SPLIT_V", [0, 1, 2], [3, 4, 5], {0: i(3)})], [0], [3, 4, 5])
    graph = imported(tmp_path, content)
    assert [dict(step.arguments) for step in graph.steps] == [
        {"amount": [[0, 6], [0, 0]]},
        {"amount": [[2, 1], [0, 0]]},
        {"amount": [[7, 0], [0, 0]]},
    ]


def test_a_convolution_of_a_volume_moves_its_channels(tmp_path: Path) -> None:
    tensors = [T((1, 8, 6, 5, 3)), weight(3, 3, 3, 3, 4), weight(4), T((1, 4, 6, 5, 4))]
    options = {0: byte(0), 1: i(2), 2: i(1), 3: i(1), 4: byte(1)}
    graph = imported(tmp_path, tflite(tensors, [Op("CONV_3D", [0, 1, 2], [3], options)]))
    assert kinds(graph) == ["conv", "relu"]
    assert last_shape(graph) == (4, 4, 6, 5)
    assert convcalc.summary(plain_spec(graph)).totals.macs == 4 * 6 * 5 * 4 * 27 * 3


def test_a_transposed_convolution_has_the_output_size_in_the_file(tmp_path: Path) -> None:
    tensors = [T((1, 4, 4, 8)), T((1, 8, 8, 3)), integers(1, 8, 8, 3), weight(3, 3, 3, 8), weight(3)]
    options = {0: byte(0), 1: i(2), 2: i(2)}
    graph = imported(tmp_path, tflite(tensors, [Op("TRANSPOSE_CONV", [2, 3, 0, 4], [1], options)]))
    assert kinds(graph) == ["conv_transpose"]
    totals = convcalc.summary(plain_spec(graph)).totals
    assert (totals.params, totals.macs) == (3 * 3 * 3 * 8 + 3, 4 * 4 * 8 * 3 * 3 * 3)
    assert last_shape(graph) == (3, 8, 8)


def residual_block() -> bytes:
    """An int8 network with a scale per output channel: a convolution, a depthwise one, their sum, and a classifier."""
    scales = tuple(0.01 * (1 + channel) for channel in range(4))

    def stored(*dims: int) -> T:
        return T(dims, INT8, True, scales=scales)

    def bias(size: int) -> T:
        return T((size,), INT32, True, scales=(0.001,) * size)

    def data(*dims: int) -> T:
        return T(dims, INT8, scales=(0.05,), zeros=(3,))

    tensors = [
        data(1, 8, 6, 4), stored(4, 3, 3, 4), bias(4), data(1, 8, 6, 4), stored(1, 3, 3, 4), bias(4), data(1, 8, 6, 4),
        data(1, 8, 6, 4), integers(1, 2), data(1, 4), stored(10, 4), bias(10), data(1, 10), data(1, 10),
    ]  # fmt: skip
    return tflite(
        tensors,
        [
            Op("CONV_2D", [0, 1, 2], [3], window(same=True, activation=1)),
            Op("DEPTHWISE_CONV_2D", [3, 4, 5], [6], depthwise_window(same=True)),
            Op("ADD", [3, 6], [7], {0: byte(0)}),
            Op("MEAN", [7, 8], [9], {}),
            Op("FULLY_CONNECTED", [9, 10, 11], [12], {}),
            Op("SOFTMAX", [12], [13], {0: real(1.0)}),
        ],
    )


def test_a_quantised_network_is_read_as_the_one_in_floating_point(tmp_path: Path) -> None:
    graph = imported(tmp_path, residual_block())
    assert kinds(graph) == ["conv", "relu", "depthwise_conv", "add", "global_avgpool", "linear", "softmax"]
    assert graph.dtype == {"weights": "int8", "activations": "int8"}
    report = convcalc.summary(plain_spec(graph))
    weights, biases = 4 * 4 * 9 + 4 * 9 + 10 * 4, 4 + 4 + 10
    assert report.totals.params == weights + biases
    assert report.totals.macs == 8 * 6 * (4 * 4 * 9 + 4 * 9) + 40
    assert report.totals.weight_memory == weights + 4 * biases  # 32-bit biases


def test_weights_in_half_precision_keep_their_data_type(tmp_path: Path) -> None:
    tensors = [X, T((5, 1, 1, 4), FLOAT16, True), T((5, 1, 1, 4)), T((5,), FLOAT16, True), T((5,)), T((1, 8, 6, 5))]
    operators = [
        Op("DEQUANTIZE", [1], [2]),
        Op("DEQUANTIZE", [3], [4]),
        Op("CONV_2D", [0, 2, 4], [5], window()),
    ]
    graph = imported(tmp_path, tflite(tensors, operators))
    assert kinds(graph) == ["conv"] or kinds(graph) == ["pointwise_conv"]
    assert graph.dtype == {"weights": "float16", "activations": "float32"}


def test_layers_are_named_after_the_tensors(tmp_path: Path) -> None:
    merged = "net/act1/Relu;net/bn1/add;net/stem.conv1/Conv2D"
    tensors = [X, weight(5, 1, 1, 4), T((1, 8, 6, 5), name=merged), T((1, 8, 6, 5), name="net/block/Swish")]
    operators = [Op("CONV_2D", [0, 1], [2], window(activation=1)), Op("HARD_SWISH", [2], [3])]
    graph = imported(tmp_path, tflite(tensors, operators))
    assert [step.name for step in graph.steps] == ["stem.conv1", "relu1", "block"]


def test_a_dilated_convolution_is_found_between_batches(tmp_path: Path) -> None:
    """With dilation 2 and a kernel of 3, the field is 5, and 8×6 with 2 at each side gives 8×6."""
    tensors = [
        X, integers(2, 2), integers(2, 2, 2, 2, dims=(2, 2)), T((4, 6, 5, 4)), weight(5, 3, 3, 4), weight(5),
        T((4, 4, 3, 5)), integers(0, 0, 0, 0, dims=(2, 2)), T((1, 8, 6, 5)),
    ]  # fmt: skip
    operators = [
        Op("SPACE_TO_BATCH_ND", [0, 1, 2], [3]),
        Op("CONV_2D", [3, 4, 5], [6], window()),
        Op("BATCH_TO_SPACE_ND", [6, 1, 7], [8]),
    ]
    graph = imported(tmp_path, tflite(tensors, operators))
    [step] = graph.steps
    assert dict(step.arguments) == {"out_channels": 5, "kernel_size": 3, "padding": "same", "dilation": 2}
    assert convcalc.summary(plain_spec(graph)).totals.macs == 8 * 6 * 5 * 4 * 9


def test_a_dilated_convolution_along_one_axis_is_found_too(tmp_path: Path) -> None:
    """20 positions and 1 of padding at the end are 3 images of 7; a kernel of 3 leaves 5 of each, 15 - 1 in all."""
    tensors = [
        T((1, 20, 4)), integers(3), integers(0, 1, dims=(1, 2)), T((3, 7, 4)), integers(1), T((3, 1, 7, 4)),
        weight(5, 1, 3, 4), T((3, 1, 5, 5)), integers(3, 5, 5), T((3, 5, 5)), T((1, 14, 5)),
    ]  # fmt: skip
    operators = [
        Op("SPACE_TO_BATCH_ND", [0, 1, 2], [3]),
        Op("EXPAND_DIMS", [3, 4], [5]),
        Op("CONV_2D", [5, 6], [7], window()),
        Op("RESHAPE", [7, 8], [9]),
        Op("BATCH_TO_SPACE_ND", [9, 1, 2], [10]),
    ]
    graph = imported(tmp_path, tflite(tensors, operators))
    [step] = graph.steps
    assert dict(step.arguments) == {"out_channels": 5, "kernel_size": 3, "dilation": 3, "bias": False}
    assert last_shape(graph) == (5, 14)
    assert convcalc.summary(plain_spec(graph)).totals.macs == 14 * 5 * 4 * 3


def test_repeated_positions_are_an_upsampling(tmp_path: Path) -> None:
    tensors = [
        X, integers(2, dims=()), T((1, 8, 1, 6, 4)), integers(1, 1, 2, 1, 1), T((1, 8, 2, 6, 4)),
        integers(1, 16, 6, 4), T((1, 16, 6, 4)),
    ]  # fmt: skip
    operators = [Op("EXPAND_DIMS", [0, 1], [2]), Op("TILE", [2, 3], [4]), Op("RESHAPE", [4, 5], [6])]
    graph = imported(tmp_path, tflite(tensors, operators))
    assert [(step.kind, dict(step.arguments)) for step in graph.steps] == [("upsample", {"scale_factor": [2, 1]})]


def test_shapes_that_the_graph_computes_are_known(tmp_path: Path) -> None:
    """Keras writes Reshape((24, 8)) as SHAPE, STRIDED_SLICE, PACK and RESHAPE."""
    tensors = [
        X, T((4,), INT32), integers(0), integers(1), integers(1), T((), INT32), integers(24, dims=()),
        integers(8, dims=()), T((3,), INT32), T((1, 24, 8)), integers(2, 3, dims=(2,)), T((1, 24, 8)),
    ]  # fmt: skip
    operators = [
        Op("SHAPE", [0], [1]),
        Op("STRIDED_SLICE", [1, 2, 3, 4], [5], {4: i(1)}),
        Op("PACK", [5, 6, 7], [8], {0: i(3), 1: i(0)}),
        Op("RESHAPE", [0, 8], [9]),
        Op("LOGISTIC", [9], [11]),
    ]
    graph = imported(tmp_path, tflite(tensors, operators))
    # the channels 4 become 8, which no layer can say; it moves no values, so the sigmoid may come first
    assert sorted(kinds(graph)) == ["opaque", "sigmoid"]
    assert convcalc.summary(plain_spec(graph)).totals.macs == 0


def test_a_file_with_the_channels_first_keeps_them_first(tmp_path: Path) -> None:
    tensors = [T((1, 3, 8, 6)), integers(0, 2, 3, 1), T((1, 8, 6, 3)), weight(5, 3, 3, 3), T((1, 6, 4, 5))]
    operators = [Op("TRANSPOSE", [0, 1], [2]), Op("CONV_2D", [2, 3], [4], window())]
    graph = imported(tmp_path, tflite(tensors, operators))
    assert graph.inputs == {"net/layer0/Op": (3, 8, 6)}
    assert kinds(graph) == ["conv"]


def open_network(dims: tuple[int, ...] = (1, 1, 1, 3), signature: tuple[int, ...] = (-1, -1, -1, 3)) -> bytes:
    result = T((1, 1, 1, 5), signature=(-1, -1, -1, 5))
    tensors = [T(dims, name="serving_default_image:0", signature=signature), weight(5, 3, 3, 3), weight(5), result]
    return tflite(tensors, [Op("CONV_2D", [0, 1, 2], [3], window((2, 2), SAME))])


def test_an_open_size_needs_a_hint(tmp_path: Path) -> None:
    with pytest.raises(NotImported, match=r"the input 'image' is not fully known \(3 × \? × \?\).*--input image=3,H,W"):
        imported(tmp_path, open_network())
    graph = imported(tmp_path, open_network(), {None: (3, 9, 8)})
    assert graph.inputs == {"image": (3, 9, 8)}
    assert convcalc.summary(plain_spec(graph)).totals.macs == 5 * 4 * 5 * 27


def test_another_shape_replaces_the_one_in_the_file(tmp_path: Path) -> None:
    fixed = tflite(
        [T((1, 8, 8, 3), name="x"), weight(5, 3, 3, 3), T((1, 4, 4, 5))],
        [Op("CONV_2D", [0, 1], [2], window((2, 2), SAME))],
    )
    assert convcalc.summary(plain_spec(imported(tmp_path, fixed))).totals.macs == 4 * 4 * 5 * 27
    assert convcalc.summary(plain_spec(imported(tmp_path, fixed, {"x": (3, 16, 4)}))).totals.macs == 8 * 2 * 5 * 27
    with pytest.raises(WrongNumberOfSizes):
        imported(tmp_path, fixed, {None: (3, 16)})
    with pytest.raises(NotImported, match="weights for 3 channels"):
        imported(tmp_path, fixed, {None: (4, 8, 8)})


def test_a_shape_needs_the_name_of_an_input(tmp_path: Path) -> None:
    both = tflite(
        [T((1, 4, 4, 3), name="a"), T((1, 4, 4, 3), name="b"), T((1, 4, 4, 3))], [Op("ADD", [0, 1], [2], {})], [0, 1]
    )
    shapes = {"a": (3, 8, 6), "b": (3, 8, 6)}
    assert imported(tmp_path, both, shapes).inputs == shapes
    for given in ({None: (3, 8, 6)}, {"c": (3, 8, 6)}):
        with pytest.raises(NotImported, match="--input needs the name of an input; available: a, b"):
            imported(tmp_path, both, given)


def test_a_reshape_to_other_sizes_than_the_given_shape_is_refused(tmp_path: Path) -> None:
    content = tflite([X, integers(1, 192), T((1, 192))], [Op("RESHAPE", [0, 1], [2])])
    with pytest.raises(NotImported, match=r"RESHAPE .* does not fit the given shape: its input has 96 elements, but"):
        imported(tmp_path, content, {None: (4, 4, 6)})


def test_an_lstm_has_its_cost(tmp_path: Path) -> None:
    """Per step: 4 gates × 5 × (3 + 5) MACs; f⊙c, i⊙g and o⊙tanh(c) are 3 products, and one sum, per hidden value."""
    matrices = [*[weight(5, 3)] * 4, *[weight(5, 5)] * 4]
    tensors = [T((1, 7, 3)), T((1, 7, 5)), *matrices, *[weight(5)] * 4]
    inputs = [0, *range(2, 10), -1, -1, -1, *range(10, 14), -1, -1, -1, -1]
    graph = imported(tmp_path, tflite(tensors, [Op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [1], {})]))
    [step] = graph.steps
    macs = 7 * 4 * 5 * (3 + 5)
    assert step.kind == "opaque"
    assert {key: step.arguments[key] for key in ("params", "macs", "multiplications", "additions")} == {
        "params": 4 * 5 * (3 + 5 + 1),
        "macs": macs,
        "multiplications": macs + 7 * 3 * 5,
        "additions": macs + 7 * 5,
    }


def test_a_filter_over_time_has_its_cost(tmp_path: Path) -> None:
    """SVDF: 6 filters over 4 features, then each over 5 steps; two filters per unit are added, and a bias."""
    tensors = [T((1, 4)), T((1, 3)), weight(6, 4), weight(6, 5), weight(3), T((1, 30))]
    tensors[5] = T((1, 30), data=True)
    graph = imported(tmp_path, tflite(tensors, [Op("SVDF", [0, 2, 3, 4, 5], [1], {0: i(2)})]))
    [step] = graph.steps
    assert step.arguments["macs"] == 6 * 4 + 6 * 5
    assert step.arguments["multiplications"] == 54
    # 3 sums per filter of 4 features, 4 per filter of 5 steps, one to join two filters, one for the bias
    assert step.arguments["additions"] == 6 * 3 + 6 * 4 + 3 + 3


def test_a_custom_operator_has_an_unknown_cost(tmp_path: Path) -> None:
    graph = one(tmp_path, "Detection_PostProcess", (1, 10), [weight(3, 4)])
    [step] = graph.steps
    assert step.arguments == {"output_shape": [10], "params": 12, "what": "custom.Detection_PostProcess"}
    assert convcalc.summary(plain_spec(graph)).totals.macs is None


def test_a_custom_operator_is_not_taken_for_one_of_onnx(tmp_path: Path) -> None:
    assert one(tmp_path, "Relu", (1, 8, 6, 4)).steps[0].arguments["what"] == "custom.Relu"


def test_a_loop_has_the_weights_of_its_subgraphs(tmp_path: Path) -> None:
    inner = [T((1, 4)), weight(4, 4), T((1, 4))]
    body = (inner, [Op("FULLY_CONNECTED", [0, 1], [2], {})], [0], [2])
    content = tflite(
        [T((1, 4)), T((1, 4))],
        [Op("WHILE", [0], [1], {0: i(1), 1: i(1)})],
        [0],
        [1],
        body,
    )
    [step] = imported(tmp_path, content).steps
    assert step.arguments["params"] == 16
    assert "macs" not in step.arguments


def test_a_shape_that_the_operators_contradict_is_reported(tmp_path: Path) -> None:
    graph = one(tmp_path, "MAX_POOL_2D", (1, 5, 3, 4), [], pool_window((2, 2), (2, 2)))
    assert "states the shape [1, 5, 3, 4], but the operator produces [1, 4, 3, 4]" in graph.notes[0]


def test_two_outputs_of_one_operator_are_two_layers(tmp_path: Path) -> None:
    tensors = [X, integers(3, dims=()), T((1, 8, 6, 2)), T((1, 8, 6, 2)), T((1, 8, 6, 4))]
    operators = [Op("SPLIT", [1, 0], [2, 3], {0: i(2)}), Op("CONCATENATION", [3, 2], [4], {0: i(-1)})]
    graph = imported(tmp_path, tflite(tensors, operators))
    assert [dict(step.arguments) for step in graph.steps] == [{"channels": [0, 2]}, {"channels": [2, 4]}, {}]


@pytest.mark.parametrize(
    "command", ["summary", "check", "compare", "rf", "memory", "explain", "alternatives", "import"]
)
def test_every_command_reads_a_tflite_file(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(residual_block())
    assert run([command, str(path)]) == 0
    assert capsys.readouterr().err == ""


def test_a_progress_bar_follows_the_operators(tmp_path: Path) -> None:
    seen: list[Any] = []

    def follow(items: Any, total: int) -> Any:
        seen.append(total)
        return items

    path = tmp_path / "net.tflite"
    path.write_bytes(residual_block())
    reader.read(str(path), None, follow)
    assert seen == [6]
