"""OpenVINO models written by hand: how layers are translated, what works without constants, and untrusted files.

`test_openvino_package` reads the files that OpenVINO itself writes.
"""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.convert.graph import Graph, NotImported, plain_spec
from convcalc.convert.openvino import reader, xml_file
from tests.support.openvino_models import Ir, Output

WINDOW = {"strides": "1, 1", "dilations": "1, 1", "pads_begin": "1, 1", "pads_end": "1, 1", "auto_pad": "explicit"}


def imported(folder: Path, model: Ir, *results: Output, constants: bool = True, **options: Any) -> Graph:
    return reader.read(model.save(folder, *results, constants=constants), **options)


def read_text(folder: Path, text: str) -> Graph:
    path = folder / "net.xml"
    path.write_text(text, encoding="utf-8")
    return reader.read(str(path))


def small_network() -> tuple[Ir, Output]:
    """A convolution with a bias, a ReLU, a mean over positions, and a linear layer."""
    model = Ir()
    x = model.input(1, 3, 8, 8)
    [conv] = model.add("Convolution", [x, model.weight(4, 3, 3, 3)], [(1, 4, 8, 8)], "conv", **WINDOW)
    [biased] = model.add("Add", [conv, model.weight(1, 4, 1, 1)], [(1, 4, 8, 8)])
    [relu] = model.add("ReLU", [biased], [(1, 4, 8, 8)])
    [mean] = model.add("ReduceMean", [relu, model.integers(2, 3)], [(1, 4, 1, 1)], keep_dims="true")
    [flat] = model.add("Reshape", [mean, model.integers(0, -1)], [(1, 4)], special_zero="true")
    [out] = model.add("MatMul", [flat, model.weight(5, 4)], [(1, 5)], transpose_a="false", transpose_b="true")
    return model, out


def test_a_network_has_its_params_and_macs_with_and_without_constants(tmp_path: Path) -> None:
    for constants in (True, False):
        model, out = small_network()
        graph = imported(tmp_path, model, out, constants=constants)
        assert [step.kind for step in graph.steps] == ["conv", "relu", "global_avgpool", "flatten", "linear"]
        assert graph.steps[0].name == "conv"
        totals = convcalc.summary(plain_spec(graph)).totals
        assert (totals.params, totals.macs) == (4 * 3 * 9 + 4 + 5 * 4, 8 * 8 * 4 * 27 + 5 * 4)


def one(
    type: str, *, dims: tuple[int, ...] = (1, 4, 8, 6), out: tuple[int, ...] = (1, 4, 8, 6), **data: str
) -> Callable[[Ir], Output]:
    """A function that adds a layer of this type with one input."""
    return lambda model: model.add(type, [model.input(*dims)], [out], **data)[0]


def with_constants(
    type: str, *values: tuple[int, ...], out: tuple[int, ...], version: str = "opset1", **data: str
) -> Callable[[Ir], Output]:
    """A function that adds a layer that reads the input 1×4×8×6 and these constants."""

    def make(model: Ir) -> Output:
        inputs = [model.input(1, 4, 8, 6), *(model.integers(*value) for value in values)]
        return model.add(type, inputs, [out], version=version, **data)[0]

    return make


def with_weights(type: str, *sizes: tuple[int, ...], out: tuple[int, ...], **data: str) -> Callable[[Ir], Output]:
    def make(model: Ir) -> Output:
        inputs = [model.input(1, 4, 8, 6), *(model.weight(*dims) for dims in sizes)]
        return model.add(type, inputs, [out], **data)[0]

    return make


CASES: dict[str, tuple[Callable[[Ir], Output], list[str], int]] = {
    "relu": (one("ReLU"), ["relu"], 0),
    "clamp": (one("Clamp", min="0", max="6.0"), ["relu6"], 0),
    "elu": (one("Elu", alpha="1"), ["elu"], 0),
    "gelu": (one("Gelu", approximation_mode="ERF"), ["gelu"], 0),
    "hswish": (one("HSwish"), ["hardswish"], 0),
    "swish": (one("Swish"), ["silu"], 0),
    "softmax": (one("SoftMax", axis="1"), ["softmax"], 0),
    "prelu": (with_weights("PReLU", (4,), out=(1, 4, 8, 6)), ["prelu"], 4),
    "group": (
        with_weights("GroupConvolution", (2, 3, 2, 3, 3), out=(1, 6, 8, 6), **WINDOW),
        ["conv"],
        2 * 3 * 2 * 9,
    ),
    "depthwise": (
        with_weights("GroupConvolution", (4, 1, 1, 3, 3), out=(1, 4, 8, 6), **WINDOW),
        ["depthwise_conv"],
        36,
    ),
    "transposed": (
        with_weights(
            "ConvolutionBackpropData",
            (4, 3, 2, 2),
            out=(1, 3, 16, 12),
            **{**WINDOW, "strides": "2, 2", "pads_begin": "0, 0", "pads_end": "0, 0"},
        ),
        ["conv_transpose"],
        4 * 3 * 4,
    ),
    "maxpool": (
        one("MaxPool", out=(1, 4, 4, 3), kernel="2, 2", strides="2, 2", pads_begin="0, 0", pads_end="0, 0"),
        ["maxpool"],
        0,
    ),
    "avgpool": (
        one("AvgPool", out=(1, 4, 8, 6), kernel="3, 3", strides="1, 1", pads_begin="1, 1", pads_end="1, 1"),
        ["avgpool"],
        0,
    ),
    "norm": (with_constants("MVN", (2, 3), out=(1, 4, 8, 6)), ["instancenorm"], 0),
    "transpose": (with_constants("Transpose", (0, 2, 3, 1), out=(1, 8, 6, 4)), ["identity"], 0),
    "squeezed": (with_constants("Reshape", (1, 4, 48), out=(1, 4, 48)), ["tokens"], 0),
    "pad": (with_constants("Pad", (0, 0, 1, 2), (0, 0, 1, 2), out=(1, 4, 10, 10), pad_mode="constant"), ["pad"], 0),
    "crop": (
        with_constants(
            "StridedSlice", (0, 1), (0, 3), (1, 1), out=(1, 2, 8, 6), begin_mask="1, 0", end_mask="1, 0"
        ),
        ["slice"],
        0,
    ),
    "selected": (
        with_constants(
            "StridedSlice", (0, 2), (0, 3), (1, 1), out=(1, 8, 6), begin_mask="1", end_mask="1", shrink_axis_mask="0, 1"
        ),
        ["slice", "reshape"],
        0,
    ),
    "slice": (with_constants("Slice", (1,), (3,), (1,), (1,), out=(1, 2, 8, 6), version="opset8"), ["slice"], 0),
    "resize": (
        with_constants(
            "Interpolate", (16, 12), (2, 3), out=(1, 4, 16, 12), version="opset11", mode="linear_onnx"
        ),
        ["upsample"],
        0,
    ),
    "shuffle": (one("ShuffleChannels", axis="1", group="2"), ["channel_shuffle"], 0),
    "blocks": (one("SpaceToDepth", out=(1, 16, 4, 3), block_size="2"), ["pixel_unshuffle"], 0),
    "unknown": (one("Mystery"), ["opaque"], 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_layer_becomes_its_kinds(name: str, tmp_path: Path) -> None:
    make, kinds, params = CASES[name]
    model = Ir()
    graph = imported(tmp_path, model, make(model))
    assert [step.kind for step in graph.steps] == kinds
    report = convcalc.summary(plain_spec(graph))
    assert report.totals.params == params
    assert (report.totals.macs is None) == (name == "unknown")


def test_two_inputs_are_joined(tmp_path: Path) -> None:
    model = Ir()
    inputs = [model.input(1, 4, 8, 6, name="a"), model.input(1, 2, 8, 6, name="b")]
    [out] = model.add("Concat", inputs, [(1, 6, 8, 6)], axis="1")
    graph = imported(tmp_path, model, out)
    assert graph.inputs == {"a": (4, 8, 6), "b": (2, 8, 6)}
    assert graph.steps[0].kind == "concat"


def test_a_split_takes_parts_of_the_channels(tmp_path: Path) -> None:
    for constants in (True, False):
        model = Ir()
        axis = model.integers(1, dims=())
        first, second = model.add("Split", [model.input(1, 4, 8, 6), axis], [(1, 2, 8, 6)] * 2, num_splits="2")
        [out] = model.add("Concat", [second, first], [(1, 4, 8, 6)], axis="1")
        graph = imported(tmp_path, model, out, constants=constants)
        assert [step.arguments.get("channels") for step in graph.steps] == [[0, 2], [2, 4], None]


def test_a_constant_number_is_a_factor_and_known_only_with_the_file_of_constants(tmp_path: Path) -> None:
    for constants, kinds in ((True, ["scale"]), (False, ["opaque"])):
        model = Ir()
        [out] = model.add("Multiply", [model.input(1, 4, 8, 6), model.number(0.5)], [(1, 4, 8, 6)])
        graph = imported(tmp_path, model, out, constants=constants)
        assert [step.kind for step in graph.steps] == kinds
        totals = convcalc.summary(plain_spec(graph)).totals
        assert (totals.params, totals.multiplications) == (0, 4 * 8 * 6)


def test_a_norm_over_tokens_gets_the_scale_and_bias_that_follow(tmp_path: Path) -> None:
    model = Ir()
    dims = (1, 6, 16)
    [norm] = model.add("MVN", [model.input(*dims), model.integers(2)], [dims])
    [scaled] = model.add("Multiply", [norm, model.weight(1, 1, 16)], [dims])
    [out] = model.add("Add", [scaled, model.weight(1, 1, 16)], [dims])
    totals = convcalc.summary(plain_spec(imported(tmp_path, model, out))).totals
    assert totals.params == 2 * 16


@pytest.mark.parametrize(("axes", "kinds"), [((2, 3), ["instancenorm"]), ((1, 2, 3), ["layernorm"])])
def test_a_norm_is_over_the_last_axes_if_only_their_number_is_known(
    axes: tuple[int, ...], kinds: list[str], tmp_path: Path
) -> None:
    for constants in (True, False):
        model = Ir()
        [out] = model.add("MVN", [model.input(1, 4, 8, 6), model.integers(*axes)], [(1, 4, 8, 6)])
        assert [step.kind for step in imported(tmp_path, model, out, constants=constants).steps] == kinds


def test_the_scale_of_quantised_weights_is_not_learnt(tmp_path: Path) -> None:
    model = Ir()
    x = model.input(1, 3, 8, 8)
    limits = [model.number(value) for value in (0, 2.55, 0, 2.55)]
    [quantised] = model.add("FakeQuantize", [x, *limits], [(1, 3, 8, 8)], levels="256")
    [floats] = model.add("Convert", [model.weight(4, 3, 3, 3, type="i8")], [(4, 3, 3, 3)], destination_type="f32")
    [scaled] = model.add("Multiply", [floats, model.weight(4, 1, 1, 1)], [(4, 3, 3, 3)])
    [out] = model.add("Convolution", [quantised, scaled], [(1, 4, 8, 8)], **WINDOW)
    graph = imported(tmp_path, model, out)
    assert [step.kind for step in graph.steps] == ["conv"]
    assert graph.dtype == {"weights": "int8", "activations": "float32"}
    totals = convcalc.summary(plain_spec(graph)).totals
    assert (totals.params, totals.weight_memory) == (4 * 3 * 9, 4 * 3 * 9)


def test_constants_in_the_body_of_a_loop_are_its_weights(tmp_path: Path) -> None:
    model = Ir()
    body = '<body><layers><layer><data element_type="f32" shape="8, 16" offset="0" size="512"/></layer></layers></body>'
    [out] = model.add("TensorIterator", [model.input(1, 10, 16)], [(1, 10, 8)], inner=body)
    totals = convcalc.summary(plain_spec(imported(tmp_path, model, out))).totals
    assert (totals.params, totals.macs) == (8 * 16, None)


# -- open sizes


def open_network(*dims: int) -> tuple[Ir, Output]:
    model = Ir()
    x = model.input(*dims)
    any4 = (-1, 4, -1, -1)
    [conv] = model.add("Convolution", [x, model.weight(4, 3, 3, 3)], [any4], **{**WINDOW, "strides": "2, 2"})
    [pool] = model.add(
        "MaxPool",
        [conv],
        [any4],
        kernel="2, 2",
        strides="2, 2",
        pads_begin="0, 0",
        pads_end="0, 0",
        rounding_type="ceil",
    )
    [shape] = model.add("ShapeOf", [pool], [(4,)], precision="I64")
    batch = [shape, model.integers(0), model.integers(0, dims=())]
    [first] = model.add("Gather", batch, [(1,)], precision="I64", version="opset8")
    [target] = model.add("Concat", [first, model.integers(-1)], [(2,)], precision="I64", axis="0")
    [flat] = model.add("Reshape", [pool, target], [(-1, -1)], special_zero="false")
    return model, flat


def test_open_sizes_are_computed_from_the_input(tmp_path: Path) -> None:
    for dims in ((-1, 3, -1, -1), (1, 3, 64, 64)):
        model, out = open_network(*dims)
        graph = imported(tmp_path, model, out, inputs={None: (3, 30, 22)})
        shapes = [str(layer.output_shape) for layer in convcalc.summary(plain_spec(graph)).layers]
        assert shapes == ["4×15×11", "4×8×6", "192"]


def test_an_open_input_needs_a_shape(tmp_path: Path) -> None:
    model, out = open_network(-1, 3, -1, 22)
    with pytest.raises(NotImported, match=re.escape("(? × 3 × ? × 22): give it without the batch: --input x=3,H,22")):
        imported(tmp_path, model, out)
    model, out = open_network(-1, 3, 30, 22)
    assert imported(tmp_path, model, out).inputs == {"x": (3, 30, 22)}


def test_a_given_shape_must_name_an_input_and_fit(tmp_path: Path) -> None:
    model, out = small_network()
    with pytest.raises(NotImported, match="available: x"):
        imported(tmp_path, model, out, inputs={"y": (3, 8, 8)})
    model, out = small_network()
    with pytest.raises(NotImported, match="leave out the batch size"):
        imported(tmp_path, model, out, inputs={"x": (1, 3, 8, 8)})


def test_a_layer_whose_output_cannot_be_computed_is_named(tmp_path: Path) -> None:
    model = Ir()
    [out] = model.add("Mystery", [model.input(1, 3, -1)], [(1, 3, -1)], name="m")
    with pytest.raises(NotImported, match="the output shape of Mystery 'm' is unknown with this input"):
        imported(tmp_path, model, out, inputs={"x": (3, 9)})


# -- untrusted files


START = '<?xml version="1.0"?><net name="n" version="11">'
PARAMETER = (
    '<layer id="0" name="x" type="Parameter"><output><port id="0"><dim>1</dim><dim>3</dim></port></output></layer>'
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "malformed XML at line 1, column 1: no element found"),
        ("<net", "malformed XML"),
        ("<model></model>", "its outermost element is <model>"),
        ('<net name="n" version="6"></net>', "version '6' of the format is not supported; supported are 10 and 11"),
        ("<net></net>", "version '' of the format is not supported"),
        (f"{START}</net>", "it has no layers"),
        (f"{START}<layers><layer id='0' name='x'/></layers></net>", "a layer has no id or no type"),
        (f"{START}<layers>{PARAMETER}{PARAMETER}</layers></net>", "two layers have the id '0'"),
        (f"{START}<layers>{PARAMETER.replace('>3<', '>x<')}</layers></net>", "has the size 'x'"),
        (f"{START}<layers>{PARAMETER.replace('>3<', '>' + '9' * 99 + '<')}</layers></net>", "not a number of at most"),
        (f"{START}<layers>{PARAMETER.replace('>3<', '>999999999999<')}</layers></net>", "at most 100,000,000,000"),
        (f"{START}<layers>{PARAMETER.replace('Parameter', 'Mystery')}</layers></net>", "it has no input"),
        (f"{START}<layers>{PARAMETER}</layers></net>", "no output depends on an input"),
        ('<!DOCTYPE net><net name="n" version="11"/>', "it has a document type"),
        (
            '<!DOCTYPE net [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><net name="&b;" version="11"/>',
            "it has a document type",
        ),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(NotImported) as caught:
        read_text(tmp_path, text)
    assert message in str(caught.value)


def test_edges_must_lead_from_existing_outputs_and_make_no_cycle(tmp_path: Path) -> None:
    model, out = small_network()
    text = model.text(out)
    edge = '<edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>'
    assert edge in text
    wrong = {
        "": "the port '0' of Convolution 'conv' reads no output of a layer",
        edge.replace('from-layer="0"', 'from-layer="77"'): "reads no output of a layer",
        edge + edge: "two edges lead to port '0' of layer '2'",
        '<edge from-layer="5" from-port="1" to-layer="2" to-port="0"/>': "is part of a cycle",
    }
    for changed, message in wrong.items():
        with pytest.raises(NotImported, match=re.escape(message)):
            read_text(tmp_path, text.replace(edge, changed))


@pytest.mark.parametrize(
    ("convolution", "names"),
    [
        ("__module.features.0/aten::_convolution/Convolution", ["features.0", "features.1"]),
        ("Multiply_5491", ["conv1", "relu1"]),  # OpenVINO merged a batch norm into it, and lost its name
    ],
)
def test_layers_have_the_names_of_modules_if_the_convolutions_do(
    convolution: str, names: list[str], tmp_path: Path
) -> None:
    model = Ir()
    inputs = [model.input(1, 3, 8, 8), model.weight(4, 3, 3, 3)]
    [conv] = model.add("Convolution", inputs, [(1, 4, 8, 8)], convolution, **WINDOW)
    [out] = model.add("ReLU", [conv], [(1, 4, 8, 8)], "__module.features.1/aten::relu/Relu")
    assert [step.name for step in imported(tmp_path, model, out).steps] == names


def test_layers_may_be_in_any_order(tmp_path: Path) -> None:
    model, out = small_network()
    in_order = imported(tmp_path, model, out)
    model.layers.reverse()
    assert imported(tmp_path, model).steps == in_order.steps


def test_a_malformed_attribute_is_named(tmp_path: Path) -> None:
    model = Ir()
    [out] = model.add("Concat", [model.input(1, 3)], [(1, 3)], name="c", axis="many")
    with pytest.raises(NotImported, match="Concat 'c' has the malformed axis 'many'"):
        imported(tmp_path, model, out)
    for more in ({"strides": "1"}, {"pads_begin": "-1, -1"}, {"strides": "0, 0"}, {"auto_pad": "x", "strides": "a"}):
        model = Ir()
        window = {**WINDOW, **more}
        inputs = [model.input(1, 3, 8, 8), model.weight(4, 3, 3, 3)]
        [out] = model.add("Convolution", inputs, [(1, 4, 8, 8)], **window)
        try:
            assert [step.kind for step in imported(tmp_path, model, out).steps] == ["opaque"]
        except NotImported as error:
            assert "malformed" in str(error)  # noqa: PT017 - either outcome is right


def test_a_layer_with_too_few_inputs_is_named(tmp_path: Path) -> None:
    for type, least in (("Convolution", 2), ("Add", 2), ("ScaledDotProductAttention", 3)):
        model = Ir()
        [out] = model.add(type, [model.input(1, 3, 8, 8)], [(1, 3, 8, 8)], name="c", **WINDOW)
        with pytest.raises(NotImported, match=f"{type} 'c' needs at least {least} inputs; got 1"):
            imported(tmp_path, model, out)


def test_the_largest_tensor_has_10_to_the_11_elements(tmp_path: Path) -> None:
    for features in (10**8, 10**8 + 1):
        model = Ir()
        weights = model.weight(1000, features)
        [out] = model.add("MatMul", [model.input(1, 1000), weights], [(1, features)])
        if features == 10**8:
            assert convcalc.summary(plain_spec(imported(tmp_path, model, out))).totals.params == 10**11
        else:
            with pytest.raises(NotImported, match="at most 100,000,000,000 are supported"):
                imported(tmp_path, model, out)


def test_a_port_has_at_most_64_axes(tmp_path: Path) -> None:
    for axes in (64, 65):
        model = Ir()
        dims = (1, 3, *[1] * (axes - 2))
        [sigmoid] = model.add("Mystery", [model.input(1, 3)], [dims])
        [out] = model.add("Reshape", [sigmoid, model.integers(1, 3)], [(1, 3)])
        if axes == 64:
            assert imported(tmp_path, model, out).steps
        else:
            with pytest.raises(NotImported, match="has a port with more than 64 axes"):
                imported(tmp_path, model, out)


def test_limits_on_size_nesting_and_elements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, out = small_network()
    text = model.text(out)
    fields = len(re.findall("<[a-z]", text)) + text.count('="') - 1  # the declaration has an attribute too
    limits = {
        "MOST_FIELDS": fields,
        "MOST_BYTES": len(text.encode()),
        "MOST_NESTED": 6,
        "MOST_LAYERS": len(model.layers),
    }
    for name, enough in limits.items():
        with monkeypatch.context() as patch:
            patch.setattr(xml_file, name, enough)
            if name == "MOST_BYTES":
                patch.setattr(xml_file, name, 2**20)
                assert read_text(tmp_path, text + " " * (2**20 - len(text))).steps
                with pytest.raises(NotImported, match="larger than 1 MiB"):
                    read_text(tmp_path, text + " " * (2**20 - len(text) + 1))
                continue
            assert read_text(tmp_path, text).steps
            patch.setattr(xml_file, name, enough - 1)
            with pytest.raises(NotImported, match=r"more than|nested"):
                read_text(tmp_path, text)


def test_constants_are_read_within_the_limits_of_their_file(tmp_path: Path) -> None:
    """A constant that lies outside of the file, or whose size is wrong, is unknown."""
    model, out = small_network()
    text = model.text(out)
    for old, new in (
        ('offset="0" size="16"', 'offset="99999" size="16"'),
        ('offset="0" size="16"', 'offset="0" size="999999"'),
        ('offset="0" size="16"', 'offset="-8" size="16"'),
        ('offset="0" size="16"', 'offset="0" size="15"'),
    ):
        assert old in text
        (tmp_path / "net.bin").write_bytes(model.content)
        steps = read_text(tmp_path, text.replace(old, new)).steps
        assert [step.kind for step in steps][:3] == [
            "conv",
            "relu",
            "global_avgpool",
        ]  # the axes follow from the shapes


def test_a_pipe_or_a_folder_in_place_of_the_constants_is_not_read(tmp_path: Path) -> None:
    model, out = small_network()
    model.save(tmp_path, out, constants=False)
    (tmp_path / "net.bin").mkdir()
    assert reader.read(str(tmp_path / "net.xml")).steps


@pytest.mark.parametrize(
    "name", ["a\u202eb", "$x", "x" * 5000, "data", "layers", "__module.", "__module./", "/", "a.b/c"]
)
def test_a_hostile_name_gives_a_valid_spec(name: str, tmp_path: Path) -> None:
    model = Ir(name)
    [relu] = model.add("ReLU", [model.input(1, 3, 8, 8, name=name)], [(1, 3, 8, 8)], name=name)
    [out] = model.add("Sigmoid", [relu], [(1, 3, 8, 8)], name=name)
    assert len(convcalc.summary(plain_spec(imported(tmp_path, model, out))).layers) == 2


def test_random_changes_of_a_file_give_a_network_or_a_clear_error(tmp_path: Path) -> None:
    choose = random.Random(2)
    texts = []
    for make in (small_network, lambda: open_network(1, 3, 16, 16)):
        model, out = make()
        texts.append(model.text(out))
        (tmp_path / "net.bin").write_bytes(model.content)
    words = ["", "-1", "0", "999999999", "x", "<", ">", "&amp;", "1, 2", "true", "Reshape", "Split", "Pad", "Transpose"]
    for number in range(400):
        text = texts[number % 2]
        for _ in range(choose.randint(1, 3)):
            [match] = choose.sample(list(re.finditer(r'"[^"]*"|>[-0-9]+<', text)), 1)
            text = f"{text[: match.start() + 1]}{choose.choice(words)}{text[match.end() - 1 :]}"
        try:
            steps = read_text(tmp_path, text).steps
        except NotImported:
            continue
        assert steps
