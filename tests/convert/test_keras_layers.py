"""Keras layers that have a layer kind of their own, and layers that convcalc does not know.

The figures are Keras's formulas for the weights that its layers create in `build`, calculated by hand.
"""

from __future__ import annotations

import copy
import json
import zipfile
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import pytest

from convcalc.cli.main import run
from convcalc.convert import keras_weights
from convcalc.convert.from_keras import read
from convcalc.convert.graph import NotImported
from convcalc.convert.keras_layers import AUGMENTATIONS
from tests.convert.test_keras import imported, report, sequential
from tests.convert.test_keras_configs import Entry, functional
from tests.support.keras_models import keras_package

SEQUENCE: Entry = ("x", "InputLayer", {"batch_shape": [None, 20, 8]}, [], None)


def kinds(graph: Any) -> list[str]:
    return [step.kind for step in graph.steps]


@pytest.mark.parametrize(
    ("layer", "expected", "params", "macs"),
    [
        (("GRU", {"units": 16, "return_sequences": True}), ["gru"], 3 * 16 * (8 + 16 + 2), 20 * 3 * 16 * (8 + 16)),
        (("GRU", {"units": 16}), ["gru", "slice", "flatten"], 3 * 16 * (8 + 16 + 2), 20 * 3 * 16 * (8 + 16)),
        (("GRU", {"units": 16, "reset_after": False}), ["opaque"], 3 * 16 * (8 + 16 + 1), 20 * 3 * 16 * (8 + 16)),
        (("LSTM", {"units": 16}), ["opaque"], 4 * 16 * (8 + 16 + 1), 20 * 4 * 16 * (8 + 16)),
        (
            ("LSTM", {"units": 16, "use_bias": False, "return_sequences": True}),
            ["lstm"],
            4 * 16 * (8 + 16),
            20 * 4 * 16 * (8 + 16),
        ),
        (
            (
                "Bidirectional",
                {"layer": {"class_name": "GRU", "config": {"units": 16, "return_sequences": True}}},
            ),
            ["gru"],
            2 * 3 * 16 * (8 + 16 + 2),
            2 * 20 * 3 * 16 * (8 + 16),
        ),
        (("Dense", {"units": 5}), ["linear"], 8 * 5 + 5, 20 * 8 * 5),
        (("LayerNormalization", {"axis": -1}), ["layernorm"], 2 * 8, 0),
        (("RMSNormalization", {"axis": -1}), ["opaque"], 8, 0),
        (("Permute", {"dims": [2, 1]}), ["permute"], 0, 0),
        (("Identity", {}), ["identity"], 0, 0),
        (("AdaptiveAveragePooling1D", {"output_size": 7}), ["adaptive_avgpool"], 0, 0),
        (("PReLU", {"shared_axes": [1, 2]}), ["prelu"], 1, 0),
        (("Dropout", {"rate": 0.1, "noise_shape": [None, 1, 1]}), ["drop_path"], 0, 0),
        (("Rescaling", {"scale": 2.0, "offset": -1.0}), ["scale", "shift"], 0, 0),
        (("Softmax", {"axis": 1}), ["softmax"], 0, 0),
        (("LocallyConnected1D", {"filters": 3, "kernel_size": [2]}), ["locally_connected"], 19 * 3 * (2 * 8 + 1), 912),
    ],
)
def test_a_layer_over_a_sequence_is_expressed(
    tmp_path: Path, layer: tuple[str, dict[str, Any]], expected: list[str], params: int, macs: int
) -> None:
    graph = imported(tmp_path, sequential(layer, shape=(20, 8)))
    totals = report(graph).totals
    assert kinds(graph) == expected
    assert (totals.params, totals.macs) == (params, macs)
    assert totals.flops is not None
    assert [step.name for step in graph.steps if step.kind == expected[0]] == ["layer1"]


def test_an_embedding_of_a_vector_of_integers_is_an_embedding_of_a_sequence(tmp_path: Path) -> None:
    graph = imported(tmp_path, sequential(("Embedding", {"input_dim": 100, "output_dim": 6}), shape=(12,)))
    assert [(step.name, step.kind) for step in graph.steps] == [("layer1_reshape", "reshape"), ("layer1", "embedding")]
    [output] = report(graph).outputs().values()
    assert (report(graph).totals.params, output.sizes) == (600, (6, 12))


def test_attention_of_a_sequence_to_itself_reads_it_once(tmp_path: Path) -> None:
    config = {"num_heads": 2, "key_dim": 3, "value_dim": 5}
    graph = imported(tmp_path, functional(SEQUENCE, ("y", "MultiHeadAttention", config, [[["x"], ["x"], ["x"]]], None)))
    assert [(step.kind, step.reads) for step in graph.steps] == [("attention", ("x",))]
    params = 2 * (8 + 1) * 6 + (8 + 1) * 10 + (10 + 1) * 8
    macs = 20 * (2 * 8 * 6 + 8 * 10 + 10 * 8) + 2 * 20 * 20 * (3 + 5)
    assert (report(graph).totals.params, report(graph).totals.macs) == (params, macs)


def test_attention_to_another_sequence_reads_the_query_first(tmp_path: Path) -> None:
    """The key and the value are given by name, in another order; the mask is no input."""
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 20, 8], "keras_history": ["x", 0, 0]}}
    other = {"class_name": "__keras_tensor__", "config": {"shape": [None, 10, 4], "keras_history": ["half", 0, 0]}}
    half: Entry = ("half", "Conv1D", {"filters": 4, "kernel_size": 2, "strides": 2}, [[["x"]]], None)
    model = functional(SEQUENCE, half, ("y", "MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, [[["x"]]], None))
    names = {"key": other, "attention_mask": tensor, "value": other, "query": tensor}
    model["config"]["layers"][2]["inbound_nodes"] = [{"args": [], "kwargs": names}]
    step = imported(tmp_path, model).steps[-1]
    assert (step.kind, step.reads) == ("attention", ("x", "half"))


# -- unknown layers


CUSTOM: tuple[str, dict[str, Any]] = ("Gate", {"rate": 3})


def test_a_custom_layer_is_opaque_and_its_params_are_said_to_be_unknown(tmp_path: Path) -> None:
    model = sequential(("Conv2D", {"filters": 6, "kernel_size": [1, 1]}), CUSTOM, ("Flatten", {}))
    model["config"]["layers"][3]["build_config"] = {"input_shape": [None, 6, 5, 2]}
    graph = imported(tmp_path, model)
    assert kinds(graph) == ["conv", "opaque", "flatten"]
    assert graph.steps[1].arguments["output_shape"] == [2, 6, 5]
    assert graph.notes == ("layer2: Gate; its params are not in the file and count as 0",)
    assert report(graph).totals.macs is None


def test_functions_that_compute_only_a_mask_are_left_out(tmp_path: Path) -> None:
    model = applying("NotEqual", {}, "x", 0, shape=(6, 4, 8))
    tensor = model["config"]["layers"][1]["inbound_nodes"][0]["args"][0]
    mask = model["config"]["layers"][2]["inbound_nodes"][0]["args"][0]
    model["config"]["layers"][2]["inbound_nodes"] = [{"args": [tensor], "kwargs": {"mask": mask}}]
    assert [step.name for step in imported(tmp_path, model).steps] == ["y"]


def test_an_unknown_class_of_shape_keeping_layers_keeps_the_shape(tmp_path: Path) -> None:
    graph = imported(tmp_path, sequential(("Activation", {"activation": {"class_name": "function", "config": "my"}})))
    assert graph.steps[0].arguments["output_shape"] == [4, 12, 10]


def test_a_lambda_states_its_output_shape(tmp_path: Path) -> None:
    code = {"function": {"class_name": "__lambda__", "config": {"code": "4wAAAA=="}}, "output_shape": [6, 5, 2]}
    graph = imported(tmp_path, sequential(("Lambda", code)))
    assert graph.steps[0].arguments["output_shape"] == [2, 6, 5]
    assert graph.notes == ("layer1: Lambda",)


def test_without_an_output_shape_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotImported, match=r"'layer1' \(Gate\) is not recorded in the file: save keras.Model"):
        imported(tmp_path, sequential(CUSTOM))


def test_the_params_of_a_custom_layer_are_those_that_the_archive_stores(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the package h5py is not installed")
    model = sequential(CUSTOM, ("Flatten", {}))
    model["config"]["layers"][2]["build_config"] = {"input_shape": [None, 12, 10, 4]}
    with h5py.File(tmp_path / "weights.h5", "w") as stored:
        group = stored.create_group("layers/gate/vars")
        group.attrs["name"] = "layer1"
        group["0"], group["1"] = [[1.0] * 4] * 3, [0.0] * 4
        stored["layers/gate/inner/vars/0"] = [1.0, 2.0]
        stored["elsewhere"] = h5py.ExternalLink("other.h5", "/")
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(model))
        archive.write(tmp_path / "weights.h5", "model.weights.h5")
    graph = read(str(tmp_path / "net.keras"))
    assert graph.notes == ("layer1: Gate",)
    assert report(graph).totals.params == 3 * 4 + 4 + 2


def test_the_params_of_a_custom_layer_are_those_that_an_hdf5_file_stores(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the package h5py is not installed")
    model = sequential(CUSTOM, ("Flatten", {}))
    model["config"]["layers"][2]["build_config"] = {"input_shape": [None, 12, 10, 4]}
    with h5py.File(tmp_path / "net.h5", "w") as stored:
        stored.attrs["model_config"] = json.dumps(model)
        stored["model_weights/layer1/layer1/kernel"] = [[1.0] * 4] * 3
    assert report(read(str(tmp_path / "net.h5"))).totals.params == 12


def test_the_output_shape_in_the_file_is_only_that_for_the_input_in_the_file(tmp_path: Path) -> None:
    model = sequential(CUSTOM, ("Flatten", {}))
    model["config"]["layers"][2]["build_config"] = {"input_shape": [None, 12, 10, 4]}
    assert imported(tmp_path, model, inputs={None: (4, 12, 10)}).steps
    with pytest.raises(NotImported, match=r"'layer1' \(Gate\) is recorded only for the input shape in the"):
        imported(tmp_path, model, inputs={None: (4, 24, 20)})


@pytest.mark.parametrize("limit", ["_MOST_BYTES", "_MOST_ITEMS", "_MOST_NESTING"])
def test_stored_weights_beyond_a_limit_are_not_counted(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    h5py = pytest.importorskip("h5py", reason="the package h5py is not installed")
    with h5py.File(tmp_path / "weights.h5", "w") as stored:
        stored.create_group("layers/gate/vars").attrs["name"] = "gate"
        stored["layers/gate/vars/0"] = [1.0] * 5
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.write(tmp_path / "weights.h5", "model.weights.h5")
    size = (tmp_path / "weights.h5").stat().st_size
    enough = {"_MOST_BYTES": size, "_MOST_ITEMS": 4, "_MOST_NESTING": 3}[limit]
    too_few = {"_MOST_BYTES": size - 1, "_MOST_ITEMS": 3, "_MOST_NESTING": 2}[limit]
    monkeypatch.setattr(keras_weights, limit, enough)
    assert keras_weights.count_stored_weights(str(tmp_path / "net.keras")) == {"gate": 5}
    monkeypatch.setattr(keras_weights, limit, too_few)
    assert keras_weights.count_stored_weights(str(tmp_path / "net.keras")) == {}


def test_a_cycle_of_stored_groups_ends(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the package h5py is not installed")
    with h5py.File(tmp_path / "net.h5", "w") as stored:
        stored["model_weights/gate/kernel"] = [1.0] * 5
        for name in ("one", "two"):
            stored[f"model_weights/gate/{name}"] = stored["model_weights/gate"]
    assert keras_weights.count_stored_weights(str(tmp_path / "net.h5")) == {}


def test_damaged_weights_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    assert keras_weights.count_stored_weights(str(tmp_path / "net.h5")) == {}


def test_a_further_output_of_a_layer_is_a_step_of_its_own(tmp_path: Path) -> None:
    model: Any = functional(SEQUENCE, ("r", "LSTM", {"units": 4, "return_state": True}, [[["x"]]], None))
    dense: Any = copy.deepcopy(model["config"]["layers"][1])
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": ["r", 0, 2]}}
    dense |= {"class_name": "Dense", "name": "y", "config": {"name": "y", "units": 3}}
    dense["inbound_nodes"] = [{"args": [tensor], "kwargs": {}}]
    model["config"]["layers"].append(dense)
    model["config"]["output_layers"] = [["y", 0, 0]]
    graph = imported(tmp_path, model)
    assert [(step.name, step.kind) for step in graph.steps] == [
        ("r", "opaque"),
        ("r_output2", "opaque"),
        ("y", "linear"),
    ]
    assert report(graph).totals.params == 4 * 4 * (8 + 4 + 1) + 4 * 3 + 3


def test_a_model_per_frame_has_the_cost_of_all_frames(tmp_path: Path) -> None:
    inner = sequential(("Conv2D", {"filters": 3, "kernel_size": [3, 3]}), ("Flatten", {}), shape=(6, 5, 2))
    graph = imported(tmp_path, sequential(("TimeDistributed", {"layer": inner}), shape=(7, 6, 5, 2)))
    totals = report(graph).totals
    assert graph.steps[0].arguments["output_shape"] == [4 * 3 * 3, 7]
    assert (totals.params, totals.macs) == (3 * 3 * 2 * 3 + 3, 7 * 4 * 3 * 3 * 18)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_does_nothing_at_inference(tmp_path: Path, name: str) -> None:
    assert kinds(imported(tmp_path, sequential((name, {}), ("ReLU", {})))) == ["identity", "relu"]


@pytest.mark.keras
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_does_nothing_at_inference_in_keras(name: str) -> None:
    import torch

    layers = keras_package().layers
    needed: dict[str, dict[str, Any]] = {
        "GaussianNoise": {"stddev": 1.0},
        "RandomColorJitter": {"brightness_factor": 0.5},
        "RandomPosterization": {"factor": 3},
        "RandomShear": {"x_factor": 0.5},
        "RandomTranslation": {"height_factor": 0.3, "width_factor": 0.3},
        "RandomZoom": {"height_factor": 0.3},
    }
    parameters = signature(getattr(layers, name).__init__).parameters
    required = "factor" in parameters and parameters["factor"].default is Parameter.empty
    layer = getattr(layers, name)(**needed.get(name, {"factor": 0.5} if required else {}))
    images = torch.rand(2, 8, 8, 3)
    assert torch.allclose(layer(images, training=False), images, atol=1e-5)


def test_a_random_crop_is_a_crop_of_the_centre_at_inference(tmp_path: Path) -> None:
    graph = imported(tmp_path, sequential(("RandomCrop", {"height": 9, "width": 10})))
    assert [(step.kind, step.arguments) for step in graph.steps] == [("crop", {"amount": [[1, 2], [0, 0]]})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense"}]}}',
            "the key 'config' is missing",
        ),
        (json.dumps(sequential(CUSTOM)), "the output shape of the unsupported layer 'layer1'"),
    ],
)
def test_a_mistake_in_a_file_is_an_annotation_of_the_file(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.json").write_text(text, encoding="utf-8")
    assert run(["check", "net.json", "-f", "github"]) == 2
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("::error file=net.json,title=convcalc CV000::")
    assert message in first


# -- functions of keras.ops


def applying(name: str, config: dict[str, Any], *arguments: Any, shape: tuple[int, ...], **options: Any) -> Any:
    """A model that applies a function to its input, as Keras 3 writes it; the output is that of an Activation."""
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 6, 4, 8], "keras_history": ["x", 0, 0]}}
    result = {"class_name": "__keras_tensor__", "config": {"shape": [None, *shape], "keras_history": ["f", 0, 0]}}
    layers = [
        {"class_name": "InputLayer", "name": "x", "config": {"batch_shape": [None, 6, 4, 8]}, "inbound_nodes": []},
        {
            "module": "keras.src.ops.numpy",
            "class_name": name,
            "name": "f",
            "config": config,
            "inbound_nodes": [{"args": [tensor if item == "x" else item for item in arguments], "kwargs": options}],
        },
        {
            "class_name": "Activation",
            "name": "y",
            "config": {"activation": "linear"},
            "inbound_nodes": [{"args": [result], "kwargs": {}}],
        },
    ]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["y", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "model", "layers": layers, **ends}}


def bounds(start: int | None = None, stop: int | None = None, step: int | None = None) -> dict[str, Any]:
    return {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}


ELLIPSIS = {"class_name": "__ellipsis__", "config": {}}


@pytest.mark.parametrize(
    ("model", "kind", "arguments"),
    [
        (applying("Pad", {"pad_width": [[0, 0], [1, 1], [2, 0], [0, 0]], "mode": "reflect"}, "x", shape=(8, 6, 8)),
         "pad", {"padding": [[1, 1], [2, 0]], "mode": "reflect"}),
        (applying("Pad", {"pad_width": [[0, 0], [1, 1], [2, 0], [0, 0]], "mode": "constant"}, "x", shape=(8, 6, 8),
                  constant_values=float("-inf")), "opaque", None),
        (applying("GetItem", {}, "x", [bounds(), bounds(), bounds(), bounds(0, 4)], shape=(6, 4, 4)),
         "slice", {"channels": [0, 4], "step": 1}),
        (applying("GetItem", {}, "x", [ELLIPSIS, bounds(1, None, 2)], shape=(6, 4, 4)),
         "slice", {"channels": [1], "step": 2}),
        (applying("GetItem", {}, "x", [bounds(), 0], shape=(4, 8)), "opaque", None),
        (applying("Mean", {"axis": [1, 2], "keepdims": True}, "x", shape=(1, 1, 8)),
         "mean", {"axes": ["height", "width"], "keepdims": True}),
        (applying("Std", {"axis": 1, "keepdims": False}, "x", shape=(4, 8)),
         "std", {"axes": ["height"], "keepdims": False, "correction": 0}),
        (applying("Sum", {"axis": -1, "keepdims": False}, "x", shape=(6, 4)), "opaque", None),
        (applying("DepthToSpace", {"block_size": 2}, "x", shape=(12, 8, 2)), "pixel_shuffle", {"upscale_factor": 2}),
        (applying("SpaceToDepth", {"block_size": 2}, "x", shape=(3, 2, 32)),
         "pixel_unshuffle", {"downscale_factor": 2}),
        (applying("Transpose", {"axes": [0, 3, 1, 2]}, "x", shape=(8, 6, 4)),
         "permute", {"order": ["width", "channels", "height"]}),
        (applying("Reshape", {"newshape": [-1, 24, 8]}, "x", shape=(24, 8)), "reshape", {"shape": [8, 24]}),
        (applying("Glu", {"axis": -1}, "x", shape=(6, 4, 4)), "glu", {}),
        (applying("Relu", {}, "x", shape=(6, 4, 8)), "relu", {}),
        (applying("Multiply", {}, "x", 2.0, shape=(6, 4, 8)), "scale", {"factor": 2.0}),
        (applying("Add", {}, "x", -3, shape=(6, 4, 8)), "shift", {"amount": -3}),
        (applying("Subtract", {}, "x", 3, shape=(6, 4, 8)), "shift", {"amount": -3}),
        (applying("Subtract", {}, 3, "x", shape=(6, 4, 8)), "opaque", None),
        (applying("TrueDivide", {}, "x", 4, shape=(6, 4, 8)), "scale", {"factor": 0.25}),
        (applying("Softmax", {"axis": [1, 2]}, "x", shape=(6, 4, 8)), "softmax", {"axes": "positions"}),
        (applying("Exp", {}, "x", shape=(6, 4, 8)), "opaque", None),
    ],
)  # fmt: skip
def test_a_function_is_expressed(tmp_path: Path, model: Any, kind: str, arguments: dict[str, Any] | None) -> None:
    graph = imported(tmp_path, model)
    assert graph.steps[0].kind == kind
    if arguments is not None:
        assert graph.steps[0].arguments == arguments
    totals = report(graph).totals
    assert (totals.params, totals.macs) == (0, 0)
    assert totals.flops is not None
    *spatial, channels = model["config"]["layers"][2]["inbound_nodes"][0]["args"][0]["config"]["shape"][1:]
    [output] = report(graph).outputs().values()
    assert output.sizes == (channels, *spatial)


def test_a_function_without_a_known_cost_is_opaque_with_an_unknown_cost(tmp_path: Path) -> None:
    graph = imported(tmp_path, applying("Einsum", {"subscripts": "bhwc->bhw"}, "x", shape=(6, 4)))
    assert kinds(graph) == ["opaque", "identity"]
    assert report(graph).totals.macs is None
