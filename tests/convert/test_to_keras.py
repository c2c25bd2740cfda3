"""Networks exported as Keras models: Keras builds them with convcalc's figures, and they compute what PyTorch does."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import convcalc
from convcalc.cli.main import run
from convcalc.convert.from_keras import read
from convcalc.convert.graph import NotImported, plain_spec
from convcalc.convert.keras_export.makers import MAKERS
from convcalc.convert.to_keras import model_text
from convcalc.layers import KINDS
from tests.support.keras_models import build_text, built, figures_of_model, figures_of_report
from tests.support.places import EXAMPLES, ORACLE
from tests.support.torch_networks import HOSTILE, random_spec, specs

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
INEXPRESSIBLE = {
    "coatnet_0": "attention with a relative position bias",
    "crnn": "lstm with two biases per gate",
    "mobilevit_s": "attention with a window or grid",
    "segformer_b0": "attention with a kv_stride",
}
WITHOUT_LAYER = {"opaque", "blurpool", "deform_conv", "fold", "locally_connected", "lppool", "max_unpool", "unfold"}


def example(name: str) -> convcalc.Network:
    return convcalc.load(EXAMPLES / f"{name}.yaml")


def net(shape: list[int], *layers: Any) -> convcalc.Network:
    return convcalc.load({"name": "net", "input": shape, "layers": list(layers)})


def list_last_layers(network: convcalc.Network) -> list[str]:
    """The layers that no other layer reads."""
    read = {tensor for node in network.nodes for tensor in node.reads}
    return [node.name for place, node in enumerate(network.nodes, start=len(network.inputs)) if place not in read]


def test_every_kind_is_written_or_named_as_inexpressible() -> None:
    assert set(KINDS) - set(MAKERS) == WITHOUT_LAYER


@pytest.mark.keras
@pytest.mark.parametrize("name", [name for name in NAMES if name not in INEXPRESSIBLE])
def test_keras_builds_an_example_with_the_same_figures(name: str) -> None:
    network = example(name)
    assert figures_of_model(built(network), network) == figures_of_report(network)


@pytest.mark.parametrize("name", INEXPRESSIBLE)
def test_an_example_that_keras_cannot_express_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(NotImported, match=INEXPRESSIBLE[name]):
        model_text(example(name))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in INEXPRESSIBLE])
def test_the_text_of_an_example_is_python_that_imports_only_keras(name: str) -> None:
    tree = ast.parse(model_text(example(name)))
    imported = {alias.name if isinstance(node, ast.Import) else node.module for node in ast.walk(tree)
                if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}  # fmt: skip
    assert imported == {"keras"}
    assert ast.get_docstring(tree)
    assert max(map(len, model_text(example(name)).splitlines())) <= 100


def test_uses_of_a_block_that_differ_only_in_numbers_share_a_function() -> None:
    tree = ast.parse(model_text(example("resnet50")))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert functions == ["bottleneck", "bottleneck2", "bottleneck3", "build"]


@pytest.mark.keras
@pytest.mark.parametrize("name", specs())
def test_any_wiring_and_any_names_are_built(name: str) -> None:
    spec = specs()[name]
    network = convcalc.load({**spec, "outputs": list_last_layers(convcalc.load(spec))})
    if name == "norms_with_half_their_params":
        with pytest.raises(NotImported, match=r"batchnorm2 \(batchnorm without running statistics\)"):
            model_text(network)
        return
    model = built(network)
    assert figures_of_model(model, network) == figures_of_report(network)


@pytest.mark.keras
@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_any_nesting_of_scopes_results_in_a_matching_model(source: Random) -> None:
    spec = random_spec(source.randrange)
    try:
        network = convcalc.load({**spec, "outputs": list_last_layers(convcalc.load(spec))})
    except convcalc.InvalidSpec:
        reject()
    assert figures_of_model(built(network), network) == figures_of_report(network)


@pytest.mark.keras
def test_layers_of_every_kind_have_the_figures_of_pytorch() -> None:
    taken: Counter[str] = Counter()
    wrong = []
    for line in (ORACLE / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if "output" not in case or taken[case["kind"]] >= 15:
            continue
        network = net(case["input"], {case["kind"]: case["arguments"]})
        try:
            text = model_text(network)
        except NotImported:
            continue
        taken[case["kind"]] += 1
        channels, *spatial = case["output"]
        found = figures_of_model(build_text(text), network)
        expected = (case["params"] + case["buffers"], [(*spatial, channels)])
        if (found["all"], list(found["outputs"].values())) != expected:
            wrong.append((case, found))
    assert wrong == []
    assert set(MAKERS) - set(taken) <= {"parameter"}


VALUES: list[tuple[list[int], dict[str, Any]]] = [
    ([4, 9, 8], {"conv": {"out_channels": 6, "kernel_size": [3, 2], "padding": [[1, 0], [0, 1]], "stride": 2}}),
    ([4, 9, 8], {"conv": {"out_channels": 6, "kernel_size": 3, "padding": "same", "dilation": 2, "groups": 2}}),
    ([4, 9, 8], {"conv": {"out_channels": 2, "kernel_size": 3, "padding": 1, "padding_mode": "reflect"}}),
    ([4, 9], {"conv": {"out_channels": 2, "kernel_size": 3, "padding": "causal"}}),
    ([2, 4, 5, 6], {"conv": {"out_channels": 3, "kernel_size": 2, "padding": "same", "bias": False}}),
    ([4, 9, 8], {"pointwise_conv": {"out_channels": 6, "stride": [2, 1], "groups": 2}}),
    ([4, 9, 8], {"depthwise_conv": {"kernel_size": 3, "padding": 1, "stride": 2, "multiplier": 2}}),
    ([4, 9, 8], {"depthwise_conv": {"kernel_size": 3, "stride": [1, 2], "multiplier": 2}}),
    ([3, 9], {"depthwise_conv": {"kernel_size": 3, "padding": "same", "dilation": 2}}),
    ([4, 9, 8], {"separable_conv": {"out_channels": 5, "kernel_size": 3, "padding": 1, "multiplier": 2}}),
    *(
        ([3, 5, 4], {"conv_transpose": {"out_channels": 2, **arguments}})
        for arguments in (
            {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
            {"kernel_size": 3, "stride": 2, "padding": 1},
            {"kernel_size": 4, "stride": 2, "padding": 1},
            {"kernel_size": 3, "stride": 2, "padding": "same"},
            {"kernel_size": 2, "stride": 3},
            {"kernel_size": 2, "stride": 3, "output_padding": 2},
            {"kernel_size": [3, 2], "stride": 2, "output_padding": 1},
            {"kernel_size": 3, "padding": [[1, 0], [0, 1]], "bias": False},
            {"kernel_size": 3, "dilation": 2, "padding": 2},
        )
    ),
    ([3, 7], {"conv_transpose": {"out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}}),
    ([2, 3, 4, 3], {"conv_transpose": {"out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1}}),
    ([6], {"linear": 4}),
    ([6, 5], {"linear": {"out_features": 4, "bias": False}}),
    ([6, 5], {"attention": {"heads": 2}}),
    ([6, 3, 4], {"attention": {"heads": 2, "key_dim": 5, "value_dim": 4, "out_channels": 7, "bias": False}}),
    ([4, 5], {"lstm": {"hidden_size": 3, "bias": False, "bidirectional": True, "num_layers": 2}}),
    ([4, 5], {"gru": {"hidden_size": 3}}),
    ([4, 5], {"gru": {"hidden_size": 3, "bias": False, "bidirectional": True}}),
    ([2, 4, 5, 6], {"conv_lstm": {"hidden_size": 3}}),
    ([2, 4, 5], {"conv_lstm": {"hidden_size": 3, "kernel_size": 1, "bias": False}}),
    ([3, 9, 8], {"maxpool": {"kernel_size": 3, "stride": 2, "padding": 1}}),
    ([3, 9, 8], {"maxpool": {"kernel_size": 3, "stride": 2, "padding": "same"}}),
    ([3, 8, 9], {"maxpool": {"kernel_size": 2, "stride": 3, "ceil_mode": True}}),
    ([3, 9, 8], {"avgpool": {"kernel_size": 3, "stride": 2, "padding": 1}}),
    ([3, 9, 8], {"avgpool": {"kernel_size": 3, "padding": "same", "stride": 1}}),
    ([3, 9, 8], {"adaptive_avgpool": {"output_size": [4, 3]}}),
    ([3, 9, 8], {"adaptive_avgpool": {"output_size": [3, 4]}}),
    ([3, 9, 8], {"adaptive_maxpool": {"output_size": [4, 8]}}),
    ([3, 9, 8], {"adaptive_maxpool": 1}),
    ([3, 9, 8], {"global_avgpool": {"keepdims": False}}),
    ([3, 9, 8], {"global_maxpool": {}}),
    ([3, 9, 8], {"batchnorm": {}}),
    ([3, 9, 8], {"batchnorm": {"affine": False}}),
    ([3, 9, 8], {"layernorm": {}}),
    ([3, 9, 8], {"layernorm": {"axes": "channels"}}),
    ([6, 9, 8], {"groupnorm": {"num_groups": 3}}),
    ([3, 9, 8], {"instancenorm": {"affine": True}}),
    ([6, 9, 8], {"local_response_norm": {"size": 4}}),
    ([6, 9, 8], {"global_response_norm": {}}),
    ([3, 9, 8], {"scale": {}}),
    ([3, 9, 8], {"scale": 0.5}),
    ([3, 9], {"shift": {}}),
    ([3, 9], {"shift": -2.5}),
    *(
        ([4, 3, 5], {kind: {}})
        for kind in (
            *("relu", "relu6", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid", "tanh", "softplus"),
            *("softsign", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "softmax", "log_softmax", "glu"),
            *("dropout", "drop_path", "identity", "flatten", "tokens"),
        )
    ),
    ([4, 3, 5], {"softmax": {"axes": "positions"}}),
    ([4, 15], {"softmax": {"axes": "positions"}}),
    ([4, 3, 5], {"prelu": 4}),
    ([4, 3, 5], {"prelu": 1}),
    ([4], {"prelu": 1}),
    ([3, 4, 5], {"upsample": 2}),
    ([3, 4, 5], {"upsample": {"scale_factor": [2, 3], "mode": "bilinear"}}),
    ([3, 4, 5], {"upsample": {"size": [7, 3], "mode": "bilinear"}}),
    ([3, 4], {"upsample": 3}),
    ([3, 4, 5], {"pad": [[1, 2], [0, 3]]}),
    ([3, 4, 5], {"pad": {"padding": [[1, 2], [0, 3]], "mode": "reflect"}}),
    ([3, 8, 9], {"crop": [[1, 2], [0, 3]]}),
    ([12], {"reshape": [3, 4]}),
    ([6, 4, 5], {"reshape": [3, 8, 5]}),
    ([6, 4, 5], {"reshape": [6, 20]}),
    ([6, 4, 5], {"reshape": [120]}),
    ([6, 20], {"map": [4, 5]}),
    ([3, 4, 5], {"permute": ["width", "channels", "height"]}),
    ([3, 4, 5, 2], {"permute": ["height", "channels", "width", "depth"]}),
    ([6, 4, 5], {"slice": [1, 5]}),
    ([6, 4, 5], {"slice": {"channels": [0], "step": 2}}),
    ([6, 4, 5], {"slice": {"width": [1, 4]}}),
    ([6, 4, 5], {"slice": {"height": [1], "step": 2}}),
    ([6, 4, 5], {"channel_shuffle": 3}),
    *(([24, 4, 6, 2][: axes + 1], {"pixel_shuffle": 2}) for axes in (1, 2, 3)),
    *(([3, 4, 6, 2][: axes + 1], {"pixel_unshuffle": 2}) for axes in (1, 2, 3)),
    ([4, 4, 6], {"pixel_shuffle": 2}),
    ([1, 4, 6], {"pixel_unshuffle": 2}),
    ([3, 4, 5], {"mean": ["width", "height"]}),
    ([3, 4, 5], {"sum": {"axes": ["height"], "keepdims": False}}),
    ([3, 4, 5], {"mean": {"axes": ["height", "channels"], "keepdims": False}}),
    ([3, 4, 5], {"std": {"axes": ["width"], "correction": 0, "keepdims": False}}),
    ([3, 4, 5], {"add": ["input", "input"]}),
    ([3, 4, 5], {"multiply": ["input", "input"]}),
    ([3, 4, 5], {"concat": {"from": ["input", "input"], "axis": "width"}}),
    ([3, 4, 5], {"concat": ["input", "input"]}),
    *(
        ([4, 4], {"matmul": {"from": ["input", "input"], "transpose_first": one, "transpose_second": other}})
        for one in (False, True)
        for other in (False, True)
    ),
]


def weights_for_keras(kind: str, model: Any, module: Any) -> list[Any]:
    """The weights of a PyTorch module, in the order and with the axes of the weights of the Keras model."""
    state = [value for name, value in module.state_dict().items() if not name.endswith("num_batches_tracked")]
    if kind in ("lstm", "gru"):
        state = list(weights_of_cells(kind, state))
    if kind == "conv_lstm":  # Keras has a kernel of the input, and one of the state
        gates, *biases = state
        state = [gates[:, : model.input.shape[-1]], gates[:, model.input.shape[-1] :], *biases]
    return [arranged(kind, weight, value) for weight, value in zip(model.weights, state, strict=True)]


def weights_of_cells(kind: str, state: list[Any]) -> Iterator[Any]:
    """The weights of recurrent layers; a GRU's gates are reset, update, new in PyTorch, and update first in Keras."""
    for place in range(0, len(state), 2):
        pair = state[place : place + 2]
        if kind == "gru":
            pair = [value.view(3, -1, *value.shape[1:])[[1, 0, 2]].flatten(0, 1) for value in pair]
        # each gate has two biases, which Keras has in one tensor
        yield from pair if pair[0].dim() == 2 else [pair[0].new_tensor([value.tolist() for value in pair]).T]


def arranged(kind: str, weight: Any, value: Any) -> Any:
    if value.dim() < 2:
        return value.reshape(weight.shape)
    if kind == "attention":
        return value.T.reshape(weight.shape)
    if kind == "layernorm":
        return value.permute(*range(1, value.dim()), 0)
    last = value.permute(*range(2, value.dim()), 1, 0)
    if last.shape == weight.shape:
        return last
    *_, channels, multiplier = weight.shape  # of a depthwise convolution
    return value.reshape(channels, multiplier, *value.shape[2:]).permute(*range(2, value.dim()), 0, 1)


def module_of(network: convcalc.Network) -> Any:
    """The PyTorch module that the exported file of a network defines."""
    from tests.convert import test_exported_values  # which is skipped without PyTorch

    return test_exported_values.module_of(network)


def moved_last(value: Any) -> Any:
    return value.permute(0, *range(2, value.dim()), 1)


@pytest.mark.keras
@pytest.mark.parametrize(("shape", "entry"), VALUES, ids=[str(entry) for _, entry in VALUES])
def test_the_model_computes_what_the_module_does(shape: list[int], entry: dict[str, Any]) -> None:
    import torch

    network = net(shape, entry)
    torch.manual_seed(1)
    module, model = module_of(network), built(network, "cpu")
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.1)
    weights = weights_for_keras(network.nodes[0].layer.kind, model, module)
    model.set_weights([weight.numpy() for weight in weights])
    given = torch.randn(2, *shape)
    with torch.no_grad():
        assert torch.allclose(model(moved_last(given)), moved_last(module(given)), atol=1e-4)


@pytest.mark.keras
def test_attention_reads_keys_and_values_from_its_second_input() -> None:
    import torch

    layer = {"attention": {"heads": 2, "from": ["q", "kv"], "out_channels": 5}}
    network = convcalc.load({"name": "net", "inputs": {"q": [6, 3], "kv": [4, 7]}, "layers": [layer]})
    torch.manual_seed(1)
    module, model = module_of(network), built(network, "cpu")
    model.set_weights([weight.detach().numpy() for weight in weights_for_keras("attention", model, module)])
    query, source = torch.randn(2, 6, 3), torch.randn(2, 4, 7)
    with torch.no_grad():
        expected = moved_last(module(query, source))
        assert torch.allclose(model([moved_last(query), moved_last(source)]), expected, atol=1e-5)


HIDING = """
input: [4, 16, 16]
blocks:
  filters:
    params: {width: }
    layers:
      - conv: {out_channels: $width, kernel_size: 3, padding: 1}
  unit:
    params: {filters2: , inputs1: }
    layers:
      - filters: {width: $filters2}
      - filters: {width: $inputs1, from: input, name: other}
      - add: {from: [filters1, other]}
layers:
  - unit: {filters2: 4, inputs1: 4}
  - unit: {filters2: 8, inputs1: 8}
  - concat: {from: [unit1, unit2]}
"""


@pytest.mark.keras
def test_parameters_of_a_block_do_not_hide_functions(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(HIDING, encoding="utf-8")
    network = convcalc.load(tmp_path / "net.yaml")
    assert figures_of_model(built(network), network) == figures_of_report(network)


@pytest.mark.keras
@pytest.mark.parametrize(
    "layers",
    [
        [{"conv": {"out_channels": 4, "kernel_size": 3}}, "relu", "flatten", {"linear": 5}],
        [{"linear": 12}, "relu", {"reshape": [3, 2, 2]}, {"conv": {"out_channels": 2, "kernel_size": 1}}],
        [{"conv": {"out_channels": 8, "kernel_size": 1}}, {"pixel_shuffle": 2}],
    ],
)
def test_an_order_of_values_that_weights_can_follow_needs_no_permute(layers: list[Any]) -> None:
    text = model_text(net([12] if "linear" in layers[0] else [12, 5, 4], *layers))
    assert "Permute" not in text
    build_text(text)


@pytest.mark.parametrize(
    ("layers", "permutes"),
    [
        ([{"conv": {"out_channels": 4, "kernel_size": 3}}, "flatten"], 1),
        ([{"conv": {"out_channels": 4, "kernel_size": 3}}, "flatten", {"slice": [0, 7]}], 1),
        ([{"conv": {"out_channels": 4, "kernel_size": 3}}, "global_avgpool", "flatten"], 0),
        ([{"reshape": [48, 5]}], 2),
        ([{"pixel_shuffle": 2}], 1),
    ],
)
def test_an_order_of_values_that_matters_is_that_of_the_spec(layers: list[Any], permutes: int) -> None:
    assert model_text(net([12, 4, 5], *layers)).count("layers.Permute") == permutes


def test_padding_of_a_maximum_is_zeros_only_if_no_value_is_negative() -> None:
    pool = {"maxpool": {"kernel_size": 3, "stride": 2, "padding": 1}}
    assert "ZeroPadding2D" in model_text(net([4, 8, 8], "relu", "dropout", pool))
    assert 'constant_values=float("-inf")' in model_text(net([4, 8, 8], "relu", "batchnorm", pool))


@pytest.mark.parametrize(
    ("kind", "arguments", "reason"),
    [
        (
            "conv",
            {"out_channels": 4, "kernel_size": 3, "stride": 2, "dilation": 2},
            "conv with both stride and dilation",
        ),
        ("conv", {"out_channels": 4, "kernel_size": 3, "weight_standardized": True}, "conv with weight_standardized"),
        (
            "conv",
            {"out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": "circular"},
            "padding with the mode",
        ),
        ("conv_transpose", {"out_channels": 4, "kernel_size": 3, "groups": 2}, "conv_transpose with groups"),
        ("maxpool", {"kernel_size": 3, "dilation": 2}, "maxpool with dilation"),
        ("avgpool", {"kernel_size": 3, "stride": 3, "ceil_mode": True}, "avgpool with ceil_mode"),
        ("upsample", {"scale_factor": 2, "mode": "bicubic"}, "upsample with the mode bicubic"),
        ("upsample", {"scale_factor": 1.5}, "upsample with the mode nearest to a size that is not a multiple"),
        ("attention", {"heads": 2, "window": 2}, "attention with a window or grid"),
        ("blurpool", {}, "blurpool"),
        ("opaque", {"output_shape": [4, 8, 8], "what": "Custom"}, "opaque"),
    ],
)
def test_a_layer_that_keras_cannot_express_is_named_with_the_reason(
    kind: str, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NotImported, match=rf"Keras cannot express odd \({reason}.* exactly; replace"):
        model_text(net([4, 8, 8], {kind: {**arguments, "name": "odd"}}))


def test_a_layer_that_no_output_depends_on_is_named() -> None:
    spec = {"input": [4, 8, 8], "layers": [{"relu": {"name": "dead"}}, {"relu": {"from": "input", "name": "live"}}]}
    with pytest.raises(NotImported, match="no output depends on dead"):
        model_text(convcalc.load({**spec, "outputs": ["live"]}))


@pytest.mark.keras
def test_layers_on_inputs_of_different_sizes_share_weights() -> None:
    """The padding is that of `same` on 7×7, but not on 8×8."""
    conv = {"out_channels": 4, "kernel_size": 3, "padding": 1, "stride": 2}
    first, second = {**conv, "from": "small", "name": "first"}, {**conv, "from": "large", "share": "first"}
    spec = {"inputs": {"small": [4, 7, 7], "large": [4, 8, 8]}, "layers": [{"conv": first}, {"conv": second}]}
    network = convcalc.load({**spec, "outputs": ["first", "conv2"]})
    assert figures_of_model(built(network), network) == figures_of_report(network)


def test_weights_can_only_be_shared_between_equal_layers() -> None:
    first = {"attention": {"heads": 2, "from": "map", "name": "first"}}
    second = {"attention": {"heads": 2, "from": "tokens", "share": "first"}}
    spec = {"inputs": {"map": [4, 7, 7], "tokens": [4, 8]}, "layers": [first, second]}
    with pytest.raises(NotImported, match="attention2 shares the weights of first but has other arguments"):
        model_text(convcalc.load({**spec, "outputs": ["first", "attention2"]}))


def test_the_text_has_nothing_but_sanitised_names_of_a_hostile_spec() -> None:
    text = model_text(convcalc.load({**HOSTILE, "outputs": list_last_layers(convcalc.load(HOSTILE))}))
    [documented, *others] = ast.parse(text).body
    assert isinstance(documented, ast.Expr)
    assert {type(node) for node in others} <= {ast.Import, ast.ImportFrom, ast.FunctionDef, ast.If}


def read_back(model: Any, file: Path) -> convcalc.Report:
    file.write_text(model.to_json(), encoding="utf-8")
    return convcalc.summary(plain_spec(read(str(file))))


def list_figures(layer: Any) -> tuple[Any, ...]:
    return layer.kind, layer.output_shape, layer.params, layer.macs, layer.flops, layer.receptive_field


# padding that Keras has no argument for becomes a layer of its own in all others
ROUND_TRIPS = (
    *("conv_autoencoder", "convnext_tiny", "dcgan_generator", "ds_cnn", "espcn", "lenet5", "m5", "squeezenet1_0"),
    *("squeezenet1_1", "unet_padded", "wavenet"),
)


@pytest.mark.keras
@pytest.mark.parametrize("name", [name for name in NAMES if name not in INEXPRESSIBLE])
def test_importing_an_exported_example_yields_the_same_figures(tmp_path: Path, name: str) -> None:
    network = example(name)
    found, expected = read_back(built(network), tmp_path / "model.json"), convcalc.analyse(network)
    figures = ("params", "macs", "buffers", "trainable_params")
    assert [getattr(found.totals, key) for key in figures] == [getattr(expected.totals, key) for key in figures]
    assert list(found.outputs().values()) == list(expected.outputs().values())
    assert not any(layer.kind == "opaque" for layer in found.layers)
    if name in ROUND_TRIPS:
        assert [list_figures(layer) for layer in found.layers] == [list_figures(layer) for layer in expected.layers]


def test_the_command_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["export", "example:lenet5", "--to", "keras", "-o", "net.py"]) == 0
    assert (tmp_path / "net.py").read_text(encoding="utf-8") == model_text(convcalc.load("example:lenet5"))
