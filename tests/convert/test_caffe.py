"""Caffe networks: figures of published networks, the rules of each layer, and mistakes at their places.

The networks are written from the papers' tables by `tests.support.caffe_networks`. Their expected params are those of
Keras Applications (keras.io/api/applications), of torchvision (docs.pytorch.org/vision/stable/models), or counted from
the tables here; their MACs are the sums of OpenCV's `getFLOPS` for the convolutions of such files, and of the weights
of the linear layers.
"""

import contextlib
import itertools
import random
from math import prod
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.analysis.report import Report
from convcalc.convert.caffe import layer_entries, reader, text_format
from convcalc.convert.caffe.windows import count_windows
from convcalc.convert.graph import Graph, NotImported, plain_spec
from convcalc.convert.text_files import MOST_BYTES, Mistake
from convcalc.problems import InvalidSpec
from tests.support import caffe_networks as networks
from tests.support.caffe_networks import INCEPTIONS, layer, net

PADDED = "kernel_size: 3 stride: 2 pad: 1"


def imported(folder: Path, text: str, **options: Any) -> Graph:
    path = folder / "net.prototxt"
    path.write_text(text, encoding="utf-8")
    return reader.read(str(path), **options)


def report(folder: Path, text: str, **options: Any) -> Report:
    return convcalc.summary(plain_spec(imported(folder, text, **options)))


def output_of(folder: Path, text: str) -> str:
    [output] = report(folder, text).outputs().values()
    return str(output)


def count_convolution(inputs: int, filters: int, size: int) -> int:
    return filters * (inputs * size * size + 1)


def count_googlenet() -> int:
    total = count_convolution(3, 64, 7) + count_convolution(64, 64, 1) + count_convolution(64, 192, 3)
    channels = 192
    for one, reduce3, three, reduce5, five, projected in INCEPTIONS.values():
        for filters in (one, reduce3, reduce5, projected):
            total += count_convolution(channels, filters, 1)
        total += count_convolution(reduce3, three, 3) + count_convolution(reduce5, five, 5)
        channels = one + three + five + projected
    return total + count_convolution(1024, 1000, 1)


def count_caffenet() -> int:
    convolutions = ((3, 96, 11), (48, 256, 5), (256, 384, 3), (192, 384, 3), (192, 256, 3))
    linear = ((256 * 6 * 6, 4096), (4096, 4096), (4096, 1000))
    return sum(count_convolution(*row) for row in convolutions) + sum((n + 1) * k for n, k in linear)


@pytest.mark.parametrize(
    ("text", "params", "macs"),
    [
        (networks.lenet(), 431_080, 2_293_000),
        (networks.caffenet(), count_caffenet(), 724_406_816),
        (networks.vgg16(), 138_357_544, 15_470_264_320),  # Keras Applications
        (networks.googlenet(), count_googlenet(), 1_582_671_872),
        (networks.resnet50(), 25_557_032 + 64, 3_857_973_248),  # torchvision, and the bias of the first layer
        (networks.squeezenet(0), 1_248_424, 861_339_936),  # torchvision
        (networks.squeezenet(1), 1_235_496, 387_747_520),  # torchvision
        (networks.mobilenet(), 4_253_864 - 21_888, 568_740_352),  # Keras Applications, without statistics
        (networks.densenet121(), 7_978_856, 2_834_161_664),  # torchvision
    ],
    ids=[
        "lenet",
        "caffenet",
        "vgg16",
        "googlenet",
        "resnet50",
        "squeezenet1.0",
        "squeezenet1.1",
        "mobilenet",
        "densenet",
    ],
)
def test_a_published_network_has_its_params_and_macs(text: str, params: int, macs: int, tmp_path: Path) -> None:
    found = report(tmp_path, text)
    assert found.complete
    assert (found.totals.params, found.totals.macs) == (params, macs)


def test_params_of_caffenet_and_googlenet_are_the_known_ones() -> None:
    assert (count_caffenet(), count_googlenet()) == (60_965_224, 6_998_552)


@pytest.mark.parametrize(
    ("kind", "more", "kinds", "shape"),
    [
        ("Convolution", "convolution_param { num_output: 4 kernel_size: 3 }", ["conv"], "4×6×8"),
        ("Convolution", "convolution_param { num_output: 4 kernel_size: 3 dilation: 2 pad: 2 }", ["conv"], "4×8×10"),
        ("Convolution", "convolution_param { num_output: 6 kernel_size: 1 group: 3 }", ["depthwise_conv"], "6×8×10"),
        ("Convolution", "convolution_param { num_output: 4 kernel_h: 1 kernel_w: 3 pad_w: 1 }", ["conv"], "4×8×10"),
        ("Convolution", "convolution_param { num_output: 4 kernel_size: [3, 5] stride: 2 }", ["conv"], "4×3×3"),
        (
            "Deconvolution",
            "convolution_param { num_output: 4 kernel_size: 4 stride: 2 pad: 1 }",
            ["conv_transpose"],
            "4×16×20",
        ),
        ("Pooling", "pooling_param { kernel_size: 3 stride: 2 }", ["maxpool"], "3×4×5"),
        ("Pooling", "pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR }", ["maxpool"], "3×3×4"),
        ("Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }", ["avgpool"], "3×4×5"),
        ("Pooling", "pooling_param { pool: 1 kernel_h: 2 kernel_w: 5 stride_w: 5 }", ["avgpool"], "3×7×2"),
        ("Pooling", "pooling_param { pool: AVE global_pooling: true }", ["global_avgpool"], "3×1×1"),
        ("Pooling", "pooling_param { global_pooling: true }", ["global_maxpool"], "3×1×1"),
        ("InnerProduct", "inner_product_param { num_output: 5 bias_term: false }", ["flatten", "linear"], "5"),
        ("ReLU", "", ["relu"], "3×8×10"),
        ("ReLU", "relu_param { negative_slope: 0.1 }", ["leaky_relu"], "3×8×10"),
        ("ReLU6", "", ["relu6"], "3×8×10"),
        ("PReLU", "", ["prelu"], "3×8×10"),
        ("PReLU", "prelu_param { channel_shared: true }", ["prelu"], "3×8×10"),
        ("ELU", "", ["elu"], "3×8×10"),
        ("Sigmoid", "", ["sigmoid"], "3×8×10"),
        ("TanH", "", ["tanh"], "3×8×10"),
        ("Swish", "", ["silu"], "3×8×10"),
        ("BNLL", "", ["softplus"], "3×8×10"),
        ("Clip", "clip_param { min: -1 max: 1 }", ["hardtanh"], "3×8×10"),
        ("Dropout", "dropout_param { dropout_ratio: 0.3 }", ["dropout"], "3×8×10"),
        ("Power", "power_param { scale: 2 shift: -1 }", ["scale", "shift"], "3×8×10"),
        ("Power", "", ["identity"], "3×8×10"),
        ("AbsVal", "", ["opaque"], "3×8×10"),
        ("Exp", "exp_param { base: 2 }", ["scale", "opaque"], "3×8×10"),
        ("Log", "log_param { shift: 1 }", ["shift", "opaque"], "3×8×10"),
        ("LRN", "lrn_param { local_size: 7 }", ["local_response_norm"], "3×8×10"),
        ("MVN", "", ["instancenorm"], "3×8×10"),
        ("MVN", "mvn_param { across_channels: true }", ["layernorm"], "3×8×10"),
        ("Scale", "scale_param { bias_term: true }", ["scale", "shift"], "3×8×10"),
        ("Bias", "", ["shift"], "3×8×10"),
        ("BatchNorm", "", ["batchnorm"], "3×8×10"),
        ("BN", "bn_param { bn_mode: INFERENCE }", ["batchnorm"], "3×8×10"),
        ("Softmax", "", ["softmax"], "3×8×10"),
        ("Flatten", "", ["flatten"], "240"),
        ("Flatten", "flatten_param { axis: 2 }", ["tokens"], "3×80"),
        ("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 5 } }", ["reshape"], "48×5"),
        ("Reshape", "reshape_param { shape { dim: 4 dim: -1 } axis: 2 }", ["reshape"], "3×4×20"),
        ("Interp", "interp_param { zoom_factor: 2 }", ["upsample"], "3×15×19"),
        ("Interp", "interp_param { height: 20 width: 30 }", ["upsample"], "3×20×30"),
        ("Interp", "interp_param { shrink_factor: 2 }", ["upsample"], "3×4×5"),
        ("Upsample", "upsample_param { scale: 2 }", ["upsample"], "3×16×20"),
        ("ShuffleChannel", "shuffle_channel_param { group: 3 }", ["channel_shuffle"], "3×8×10"),
        ("Tile", "tile_param { tiles: 2 }", ["opaque"], "6×8×10"),
    ],
)  # fmt: skip
def test_a_layer_becomes_its_kinds(kind: str, more: str, kinds: list[str], shape: str, tmp_path: Path) -> None:
    text = net(layer(kind, "data", "out", more), shape=(3, 8, 10))
    assert [step.kind for step in imported(tmp_path, text).steps] == kinds
    assert output_of(tmp_path, text) == shape


def test_layers_have_their_names_in_the_file(tmp_path: Path) -> None:
    text = net(
        layer("Convolution", "data", "a", "convolution_param { num_output: 4 kernel_size: 3 }", "conv1/7x7"),
        layer("ReLU", "a", "a", name="conv1/relu"),
        layer("InnerProduct", "a", "b", "inner_product_param { num_output: 2 }", "fc"),
        layer("ReLU", "b", "b", name="fc"),
    )
    names = [step.name for step in imported(tmp_path, text).steps]
    assert names == ["conv1/7x7", "conv1/relu", "fc_flatten", "fc", "fc_2"]


# -- pooling


def count_windows_by_hand(size: int, kernel: int, stride: int, pad: int, padded: bool) -> int:
    """Windows from the left until one covers the end; one that begins in the padding behind the input is left out."""
    starts = [-pad]
    while starts[-1] + kernel < size + pad:
        starts.append(starts[-1] + stride)
    return len([start for start in starts if not padded or start < size])


def test_a_pooling_has_the_windows_that_cover_its_input() -> None:
    for size, kernel, stride, pad in itertools.product(range(1, 16), range(1, 6), range(1, 6), range(3)):
        if pad < kernel <= size + 2 * pad:
            by_hand = count_windows_by_hand(size, kernel, stride, pad, pad > 0)
            assert count_windows(size, kernel, stride, pad, pad > 0) == by_hand


def test_a_last_window_without_any_value_makes_the_pooling_opaque(tmp_path: Path) -> None:
    """Caffe pools 5 positions with size 1 and stride 3 to 3: the window at 6 is empty. No other framework does."""
    graph = imported(
        tmp_path, net(layer("Pooling", "data", "out", "pooling_param { kernel_size: 1 stride: 3 }"), shape=(3, 5, 5))
    )
    [step] = graph.steps
    assert (step.kind, step.arguments["output_shape"]) == ("opaque", [3, 3, 3])


def test_an_average_counts_the_padding(tmp_path: Path) -> None:
    """PyTorch's count_include_pad and Caffe divide alike: by the part of the window inside the padded input."""
    graph = imported(tmp_path, net(layer("Pooling", "data", "out", f"pooling_param {{ pool: AVE {PADDED} }}")))
    assert graph.steps[0].arguments == {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}


def test_unpooling_uses_the_second_top_of_a_pooling(tmp_path: Path) -> None:
    text = net(
        layer("Pooling", "data", "low mask", "pooling_param { kernel_size: 2 stride: 2 }"),
        layer("Upsample", "low mask", "high", "upsample_param { scale: 2 upsample_h: 8 upsample_w: 8 }"),
    )
    graph = imported(tmp_path, text)
    assert [step.kind for step in graph.steps] == ["maxpool", "max_unpool"]
    assert graph.notes == ()
    assert output_of(tmp_path, text) == "3×8×8"


@pytest.mark.opencv
def test_opencv_infers_the_same_pooled_shapes(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("OpenCV 5 does not read Caffe files")
    choose = random.Random(0)
    for _ in range(40):
        kernel, stride = choose.randint(1, 5), choose.randint(1, 4)
        pad, size = choose.randrange((kernel + 1) // 2), choose.randint(8, 30)
        if not pad and stride > kernel:
            continue  # OpenCV leaves out an empty last window, see above
        options = f"pool: {choose.choice(('MAX', 'AVE'))} kernel_size: {kernel} stride: {stride} pad: {pad}"
        more = f"pooling_param {{ {options} }}"
        text = net(layer("Pooling", "data", "out", more), shape=(3, size, size + 3))
        assert output_of(tmp_path, text) == find_output_of_opencv(cv2, tmp_path / "net.prototxt", (3, size, size + 3))


@pytest.mark.opencv
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("LRN", "lrn_param { local_size: 3 }"),
        ("Flatten", ""),
        ("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 5 } }"),
        ("Power", "power_param { scale: 2 }"),
        ("Softmax", ""),
    ],
)
def test_opencv_infers_the_same_shape(kind: str, more: str, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("OpenCV 5 does not read Caffe files")
    text = net(layer(kind, "data", "out", more), shape=(3, 8, 10))
    assert output_of(tmp_path, text) == find_output_of_opencv(cv2, tmp_path / "net.prototxt", (3, 8, 10))


def find_output_of_opencv(cv2: Any, path: Path, shape: tuple[int, ...]) -> str:
    network = cv2.dnn.readNetFromCaffe(str(path))
    _, _, outputs = network.getLayersShapes([1, *shape])
    return "×".join(str(int(size)) for size in outputs[-1][0][1:])


# -- norms, sums and weights


def norm_and(*layers: str) -> str:
    return net(layer("BatchNorm", "data", "norm"), *layers)


SCALE = "scale_param { bias_term: true }"


def test_a_scale_after_a_batch_norm_is_its_scale_and_bias(tmp_path: Path) -> None:
    for top in ("norm", "scaled"):
        graph = imported(tmp_path, norm_and(layer("Scale", "norm", top, SCALE), layer("ReLU", top, "out")))
        assert [(step.kind, step.arguments) for step in graph.steps] == [("batchnorm", {}), ("relu", {})]
    graph = imported(tmp_path, norm_and(layer("Scale", "norm", "norm")))
    assert [(step.kind, step.arguments) for step in graph.steps] == [("batchnorm", {"center": False})]


def test_a_scale_stays_apart_if_the_norm_is_read_elsewhere_too(tmp_path: Path) -> None:
    graph = imported(
        tmp_path, norm_and(layer("Scale", "norm", "scaled", SCALE), layer("Eltwise", "norm scaled", "sum"))
    )
    assert [step.kind for step in graph.steps] == ["batchnorm", "scale", "shift", "add"]
    found = report(tmp_path, norm_and(layer("Scale", "norm", "scaled", SCALE), layer("Eltwise", "norm scaled", "sum")))
    assert (found.totals.params, found.totals.buffers) == (2 * 3, 2 * 3)


def test_a_scale_of_all_axes_is_not_that_of_a_norm(tmp_path: Path) -> None:
    more = "scale_param { axis: 1 num_axes: -1 }"
    found = report(tmp_path, norm_and(layer("Scale", "norm", "scaled", more)))
    assert found.totals.params == 3 * 8 * 8
    assert found.layers[-1].multiplications == 3 * 8 * 8


@pytest.mark.parametrize(
    ("more", "kinds"),
    [
        ("", ["sigmoid", "add"]),
        ("eltwise_param { operation: PROD }", ["silu"]),
        ("eltwise_param { operation: MAX }", ["sigmoid", "opaque"]),
        ("eltwise_param { coeff: 1 coeff: -1 }", ["sigmoid", "add"]),
        ("eltwise_param { operation: SUM coeff: 0.5 coeff: 1 }", ["sigmoid", "scale", "add"]),
    ],
)
def test_an_elementwise_layer_joins_its_bottoms(more: str, kinds: list[str], tmp_path: Path) -> None:
    text = net(layer("Sigmoid", "data", "a"), layer("Eltwise", "a data", "out", more))
    assert [step.kind for step in imported(tmp_path, text).steps] == kinds


def test_factors_of_channels_are_a_product(tmp_path: Path) -> None:
    """Squeeze and excitation: as Axpy, and as a Scale whose factors are its second bottom."""
    gate = layer("Pooling", "data", "gate", "pooling_param { pool: AVE global_pooling: true }")
    axpy = imported(tmp_path, net(gate, layer("Axpy", "gate data data", "out")))
    assert [step.kind for step in axpy.steps] == ["global_avgpool", "multiply", "add"]
    flat = layer("Flatten", "gate", "flat")
    scale = imported(tmp_path, net(gate, flat, layer("Scale", "data flat", "out", "scale_param { axis: 0 }")))
    assert [step.kind for step in scale.steps] == ["global_avgpool", "multiply"]


def test_a_named_weight_is_shared(tmp_path: Path) -> None:
    shared = 'param { name: "w" } param { name: "b" } convolution_param { num_output: 4 kernel_size: 3 }'
    text = net(layer("Convolution", "data", "a", shared), layer("Convolution", "data", "b", shared))
    graph = imported(tmp_path, text)
    assert [step.share for step in graph.steps] == [None, "a"]
    assert report(tmp_path, text).totals.params == 4 * (3 * 9 + 1)
    other = shared.replace("kernel_size: 3", "kernel_size: 1")
    text = net(layer("Convolution", "data", "a", shared), layer("Convolution", "data", "b", other))
    with pytest.raises(InvalidSpec, match="the shared weight 'w' has the sizes 4×3×3×3 and 4×3×1×1"):
        imported(tmp_path, text)


def test_a_learning_rate_of_0_freezes_a_layer(tmp_path: Path) -> None:
    frozen = "param { lr_mult: 0 } param { lr_mult: 0 } convolution_param { num_output: 4 kernel_size: 3 }"
    graph = imported(
        tmp_path, net(layer("Convolution", "data", "a", frozen), layer("Convolution", "a", "b", frozen[20:]))
    )
    assert [step.frozen for step in graph.steps] == [True, False]


# -- joining and dividing


def test_slices_of_the_channels(tmp_path: Path) -> None:
    text = net(layer("Slice", "data", "a b", "slice_param { slice_point: 1 }"), layer("Concat", "b a", "out"))
    graph = imported(tmp_path, text)
    assert [step.arguments.get("channels") for step in graph.steps] == [[0, 1], [1, 3], None]
    assert output_of(tmp_path, text) == "3×8×8"


def test_a_crop_takes_the_size_of_another_blob(tmp_path: Path) -> None:
    small = layer("Pooling", "data", "small", "pooling_param { kernel_size: 3 }")
    text = net(small, layer("Crop", "data small", "out", "crop_param { axis: 2 offset: 1 }"))
    step = imported(tmp_path, text).steps[-1]
    assert (step.kind, step.arguments) == ("crop", {"amount": 1})


def test_a_pyramid_pools_to_1_and_4_and_16_bins(tmp_path: Path) -> None:
    text = net(layer("SPP", "data", "out", "spp_param { pyramid_height: 3 }"))
    assert output_of(tmp_path, text) == str(3 * (1 + 4 + 16))


def test_prior_boxes_and_the_decoding_of_boxes_are_not_layers(tmp_path: Path) -> None:
    text = net(
        layer("Convolution", "data", "boxes", "convolution_param { num_output: 8 kernel_size: 1 }"),
        layer("Permute", "boxes", "moved", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
        layer("Flatten", "moved", "flat"),
        layer("PriorBox", "boxes data", "priors", "prior_box_param { min_size: 4 aspect_ratio: 2 }"),
        layer("Concat", "priors", "all", "concat_param { axis: 2 }"),
        layer("DetectionOutput", "flat all", "found", "detection_output_param { num_classes: 2 }"),
    )
    graph = imported(tmp_path, text)
    assert [step.kind for step in graph.steps] == ["conv", "flatten"]
    assert output_of(tmp_path, text) == str(8 * 64)


def test_a_layer_that_writes_over_its_input_may_have_an_unknown_type(tmp_path: Path) -> None:
    graph = imported(tmp_path, net(layer("Quux", "data", "data", name="quux"), layer("ReLU", "data", "out")))
    assert graph.steps[0].kind == "opaque"
    assert "macs" not in graph.steps[0].arguments
    assert graph.notes == ("quux: caffe.Quux: unsupported operator",)


# -- inputs and phases


def test_older_ways_to_state_inputs(tmp_path: Path) -> None:
    pool = layer("Pooling", "data", "out", "pooling_param { kernel_size: 2 }")
    dims = "input_dim: 10 input_dim: 3 input_dim: 8 input_dim: 6"
    for text in (f'input: "data" {dims}\n{pool}', f'input: "data" input_shape {{ dim: [10, 3, 8, 6] }} {pool}'):
        assert output_of(tmp_path, text) == "3×7×5"


def test_the_older_syntax_of_layers(tmp_path: Path) -> None:
    text = """
        input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
        layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1 blobs_lr: 2
                 convolution_param { num_output: 4 kernel_size: 3 } }
        layers < name: 'f' type: INNER_PRODUCT bottom: 'c' top: 'f' inner_product_param < num_output: 2 > >;
        layers { name: "l" type: SOFTMAX_LOSS bottom: "f" bottom: "label" }
    """
    assert [step.kind for step in imported(tmp_path, text).steps] == ["conv", "flatten", "linear"]


def train_net() -> str:
    data = 'include { phase: TRAIN } transform_param { crop_size: 6 } data_param { source: "a" batch_size: 9 }'
    return "".join(
        (
            layer("Data", "", "data label", data, "train"),
            layer("Data", "", "data label", data.replace("TRAIN", "TEST"), "test"),
            layer("Dropout", "data", "data", "exclude { phase: TEST }"),
            layer("InnerProduct", "data", "out", "inner_product_param { num_output: 5 }"),
            layer("Accuracy", "out label", "accuracy", "include { phase: TEST }"),
            layer("SoftmaxWithLoss", "out label", "loss"),
        )
    )


def test_the_layers_for_training_are_left_out(tmp_path: Path) -> None:
    graph = imported(tmp_path, train_net(), inputs={"data": (3, 6, 6)})
    assert graph.inputs == {"data": (3, 6, 6)}
    assert [step.kind for step in graph.steps] == ["flatten", "linear"]
    with pytest.raises(NotImported, match="the shape of the input 'data' is not in the file: give --input data=C,6,6"):
        imported(tmp_path, train_net())


def test_data_for_training_is_the_input_if_there_is_no_other(tmp_path: Path) -> None:
    text = train_net().replace("TEST", "TRAIN")
    assert imported(tmp_path, text, inputs={None: (3, 6, 6)}).inputs == {"data": (3, 6, 6)}


def test_inputs_of_layers_with_shapes(tmp_path: Path) -> None:
    memory = layer("MemoryData", "", "data label", "memory_data_param { batch_size: 2 channels: 3 height: 8 width: 6 }")
    dummy = layer("DummyData", "", "data", "dummy_data_param { num: 2 channels: 3 height: 8 width: 6 }")
    for text in (memory, dummy):
        assert output_of(tmp_path, text + layer("ReLU", "data", "out")) == "3×8×6"


def test_a_given_shape_replaces_the_one_in_the_file(tmp_path: Path) -> None:
    text = net(layer("ReLU", "data", "out"))
    assert imported(tmp_path, text, inputs={None: (3, 64, 64)}).inputs == {"data": (3, 64, 64)}
    with pytest.raises(NotImported, match="available: data"):
        imported(tmp_path, text, inputs={"x": (3, 64, 64)})
    with pytest.raises(NotImported, match="leave out the batch size"):
        imported(tmp_path, text, inputs={"data": (1, 3, 64, 64)})


# -- mistakes


CONV = "layer { type: '§Convolution' bottom: 'data' top: 'c'\n"
PLACED = CONV.replace("§", "")
DATA = net()
MISTAKES = [  # the mistake is at the first character after §, which is not part of the file
    ("§nonsense", "expected : or { after nonsense; got the end of the file"),
    ("layer {\n  name: §'a\n}", "the text has no closing quote"),
    ("layer {\n  type: §@\n}", "unexpected character '@'"),
    ("name: 'a'\nlayer §{\n", "this { is not closed"),
    ("layer {\n§] }", "expected the name of a field; got ']'"),
    ("layer { §[a.b]: 1 }", "expected the name of a field; got '[' (extensions are not supported)"),
    ("input_dim: [1 §2]", "expected , or ] in the list"),
    ("layer: §5", "layer must be a message"),
    ("§layer {\n}", "the layer has no type"),
    ("net: §'a'\nbase_lr: 1", "this is a solver, not a network (its network is in the file that `net` names)"),
    ("§layr { }", "unknown field layr of the network (did you mean layer?)"),
    ("layers { layer §{ type: 'conv' } }", "the syntax of Caffe before 2014 is not supported"),
    ("layer {" * 32 + "layer §{", "nested more than 32 deep"),
    (DATA + "layer { type: 'ReLU' §botom: 'data' }", "unknown field botom of layer (did you mean bottom?)"),
    (DATA + "layer { type: 'ReLU' bottom: §'dat' }", "no earlier layer produces 'dat' (did you mean data?)"),
    (DATA + "layer { type: §'ReLU' top: 'a' }", "ReLU needs a bottom; got 0"),
    (DATA + "layer { type: §'ReLU' bottom: 'data' }", "ReLU must have 1 top; got 0"),
    (DATA + "layer { type: §'RelU' bottom: 'data' top: 'data' }", "unsupported layer type 'RelU' (did you mean"),
    (DATA + "layer { type: §'Quux' bottom: 'data' top: 'a' }", "'Quux' (its output size is unknown)"),
    (DATA + "layer { type: 'Input' top: §'data' }", "an earlier layer already produces 'data'"),
    (
        DATA + "layer { type: 'Input' top: 'x' input_param { shape { dim: §0 } } }",
        "dim must be a positive integer of at most 9 digits; got '0'",
    ),
    (DATA + CONV.replace("'§", "§'") + "convolution_param { kernel_size: 3 } }", "convolution_param needs num_output"),
    (DATA + CONV.replace("'§", "§'") + "convolution_param { num_output: 4 } }", "convolution_param needs kernel_size"),
    (DATA + PLACED + "convolution_param { num_output: 4 §kernal_size: 3 } }", "(did you mean kernel_size?)"),
    (DATA + PLACED + "convolution_param { num_output: §-4 kernel_size: 3 } }", "must be a positive integer"),
    (
        DATA + PLACED + f"convolution_param {{ kernel_size: 1 num_output: §{'9' * 5000} }} }}",
        "must be a positive integer of at most 9 digits",
    ),
    (DATA + PLACED + "convolution_param { num_output: 4 kernel_size: §30 } }", "kernel of 30 does not fit"),
    (DATA + PLACED + "convolution_param { num_output: 4 kernel_size: 3 group: §2 } }", "group of 2 does not divide"),
    (DATA + PLACED + "convolution_param { num_output: 4 kernel_size: [3, 3, §3] } }", "must have 1 or 2 values; got 3"),
    (DATA + PLACED + "convolution_param { num_output: 4 bias_term: §5 kernel_size: 3 } }", "must be true or false"),
    (DATA + layer("Pooling", "data", "p", "pooling_param { pool: §MEAN kernel_size: 2 }"), "pool must be MAX, AVE or"),
    (DATA + layer("Pooling", "data", "p", "pooling_param { kernel_size: 2 pad: §2 }"), "pad must be smaller than"),
    (DATA + layer("Concat", "data", "p", "concat_param { axis: §4 }"), "axis must be from -4 to 3; got 4"),
    (DATA + "layer { type: §'Slice' bottom: 'data' top: 'a' top: 'b' }", "cannot be divided into 2 equal parts"),
    (
        DATA + layer("Reshape", "data", "a", "reshape_param { shape §{ dim: 0 dim: 5 } }"),
        "cannot reshape 1×3×8×8 to 0×5",
    ),
    (DATA + layer("Permute", "data", "a", "permute_param { order: 0 order: §0 }"), "order must list different axes"),
    (DATA + layer("SPP", "data", "a", "spp_param { pyramid_height: §9000 }"), "pyramid_height of 9000 needs"),
    (DATA + layer("LRN", "data", "a", "lrn_param { local_size: §4 }"), "local_size must be odd; got 4"),
    (DATA + layer("Dropout", "data", "a", "dropout_param { dropout_ratio: §nan }"), "must be a number; got 'nan'"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_is_reported_at_its_line_and_column(text: str, message: str, tmp_path: Path) -> None:
    before = text.partition("§")[0]
    place = f"{before.count(chr(10)) + 1}:{len(before.rpartition(chr(10))[2]) + 1}"
    with pytest.raises(InvalidSpec) as caught:
        imported(tmp_path, text.replace("§", ""))
    [first, *_] = str(caught.value).splitlines()
    assert message in first
    assert first.startswith(f"{tmp_path / 'net.prototxt'}:{place}: ")


def test_all_mistakes_are_reported_and_none_that_follows_from_another(tmp_path: Path) -> None:
    text = net(
        layer("Convolution", "data", "a", "convolution_param { num_output: 4 }"),
        layer("ReLU", "a", "b"),
        layer("Pooling", "data", "c", "pooling_param { kernel_size: 80 }"),
        layer("Eltwise", "b c", "d"),
        layer("Convlution", "d", "e"),
    )
    with pytest.raises(InvalidSpec) as caught:
        imported(tmp_path, text)
    assert [problem.span and problem.span.line for problem in caught.value.problems] == [9, 26, 38]


# -- untrusted files


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    text = net(layer("ReLU", "data", "out"))
    padding = "#" * (MOST_BYTES - len(text))
    assert imported(tmp_path, text + padding).steps
    with pytest.raises(NotImported, match="larger than 4 MiB"):
        imported(tmp_path, f"{text}{padding}#")


def test_messages_are_nested_up_to_a_limit() -> None:
    most = text_format.MOST_NESTED
    assert text_format.parse_message("a { " * most + "} " * most).fields
    with pytest.raises(Mistake, match="nested more than 32 deep"):
        text_format.parse_message("a { " * (most + 1) + "} " * (most + 1))


def test_too_many_fields_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_format, "MOST_FIELDS", 5)
    assert text_format.parse_message("a: 1 b { c: [1, 2, 3] }").fields
    with pytest.raises(Mistake, match="more than 5 fields"):
        text_format.parse_message("a: 1 b { c: [1, 2, 3] } d: 1")


def test_too_many_layers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_entries, "MOST_LAYERS", 5)
    relu = layer("ReLU", "data", "data")
    assert imported(tmp_path, net(*[relu] * 4)).steps
    with pytest.raises(NotImported, match="more than 5 layers"):
        imported(tmp_path, net(*[relu] * 5))


def test_a_huge_tensor_is_refused(tmp_path: Path) -> None:
    huge = "inner_product_param { num_output: 900000000 }"
    with pytest.raises(NotImported, match="at most 100,000,000,000 are supported"):
        imported(tmp_path, net(layer("InnerProduct", "data", "out", huge)))
    large = prod((3, 8, 8)) * 400_000_000
    text = net(layer("InnerProduct", "data", "out", "inner_product_param { num_output: 400000000 bias_term: false }"))
    assert report(tmp_path, text).totals.params == large


@pytest.mark.parametrize("name", ["a\\u202eb", "$x", "x" * 500, "", "data", "layers", "a.b.c", "é\\n"])
def test_a_hostile_name_gives_a_valid_spec(name: str, tmp_path: Path) -> None:
    graph = imported(tmp_path, net(layer("ReLU", "data", "out", name=name), layer("ReLU", "out", "last", name=name)))
    assert len(convcalc.summary(plain_spec(graph)).layers) == 2


def test_random_changes_of_a_file_give_a_network_or_a_clear_error(tmp_path: Path) -> None:
    choose = random.Random(1)
    texts = [networks.squeezenet(1), train_net(), networks.densenet121()[:6000]]
    words = ['"', "{", "}", ":", "-1", "0", "999999999", "type", "top", "\x00", "[", "nan", "#"]
    for number in range(300):
        text = texts[number % len(texts)]
        for _ in range(choose.randint(1, 4)):
            at = choose.randrange(len(text))
            text = text[:at] + choose.choice(words) + text[at + choose.randint(0, 12) :]
        with contextlib.suppress(InvalidSpec, NotImported):
            assert imported(tmp_path, text).steps


def test_a_progress_bar_follows_the_layers(tmp_path: Path) -> None:
    totals = []

    def follow(layers: Any, total: int) -> Any:
        totals.append(total)
        return layers

    imported(tmp_path, networks.lenet(), follow=follow)
    assert totals == [9]


def test_a_file_of_labels_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="unknown field item of the network"):
        imported(tmp_path, 'item { name: "none" label: 0 }')
