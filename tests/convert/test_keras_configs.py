"""Keras models with arguments of the wrong type, with values that no spec can hold, and with data types."""

import copy
import io
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.convert.decompile.spec_writer import spec_text
from convcalc.convert.graph import NotImported
from tests.convert.test_keras import imported, report, said, sequential


@pytest.mark.parametrize("wrong", [True, "x", [6], {}, 1e999, 10**30])
def test_a_non_numeric_max_value_makes_the_layer_opaque(tmp_path: Path, wrong: Any) -> None:
    graph = imported(tmp_path, sequential(("ReLU", {"max_value": wrong})))
    assert [step.kind for step in graph.steps] == ["opaque"]
    assert "max_value" in graph.notes[0]


def test_a_hard_sigmoid_with_a_non_numeric_max_value_is_decomposed(tmp_path: Path) -> None:
    """Reported: `max_value: true` in the ReLU of a hard sigmoid ended in an uncaught error."""
    model = said("MobileNetV3Small")["keras"]
    [first, *_] = [layer for layer in model["config"]["layers"] if layer["config"].get("max_value") == 6.0]
    before = imported(tmp_path, model)
    first["config"]["max_value"] = True
    after = imported(tmp_path, model)
    assert [note for note in after.notes if "max_value" in note]
    assert [step.kind for step in after.steps].count("conv") == [step.kind for step in before.steps].count("conv")


@pytest.mark.parametrize("name", ["use_bias", "filters", "kernel_size", "strides", "padding", "groups"])
@pytest.mark.parametrize("wrong", ["x", 1.5, {}, -1, 10**30])
def test_a_convolution_with_an_argument_of_the_wrong_type_is_refused(tmp_path: Path, name: str, wrong: Any) -> None:
    layer = ("Conv2D", {"filters": 4, "kernel_size": [3, 3], name: wrong})
    with pytest.raises(NotImported, match="layer1"):
        imported(tmp_path, sequential(layer))


def test_a_layer_with_two_inputs_instead_of_one_is_opaque(tmp_path: Path) -> None:
    """Reported: the written spec was refused because global_avgpool has only one input."""
    model: Any = copy.deepcopy(said("graphs")["gated"]["keras"])
    pooling = next(layer for layer in model["config"]["layers"] if layer["class_name"] == "GlobalAveragePooling2D")
    [node] = pooling["inbound_nodes"]
    node["args"] *= 2
    graph = imported(tmp_path, model)
    [opaque] = [step for step in graph.steps if step.kind == "opaque"]
    [note] = [note for note in graph.notes if note.startswith(opaque.name)]
    assert "(global_avgpool)" in note
    convcalc.load(io.StringIO(spec_text(graph)))


Entry = tuple[str, str, dict[str, Any], Any, Any]


def functional(*layers: Entry) -> Any:
    """A model as Keras writes it: per layer its name, class, configuration, inputs of each call and first shapes."""
    items: list[Any] = [
        {
            "class_name": kind,
            "name": name,
            "config": {"name": name, **config},
            "build_config": {"input_shape": built},
            "inbound_nodes": [[[read, int(*number or "0"), 0, {}] for read, *number in call] for call in calls],
        }
        for name, kind, config, calls, built in layers
    ]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [[layers[-1][0], 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "model", "layers": items, **ends}}


INPUT: Entry = ("x", "InputLayer", {"batch_shape": [None, 12, 12, 4]}, [], None)


def test_a_layer_called_on_two_sizes_is_read(tmp_path: Path) -> None:
    """Keras stores only the shape of the first call: 4 · 4 · 9 + 4 params, and 100 + 16 positions."""
    graph = imported(
        tmp_path,
        functional(
            INPUT,
            ("half", "MaxPooling2D", {"pool_size": 2}, [[["x"]]], [None, 12, 12, 4]),
            ("head", "Conv2D", {"filters": 4, "kernel_size": 3}, [[["x"]], [["half"]]], [None, 12, 12, 4]),
            ("p", "GlobalAveragePooling2D", {}, [[["head"]]], [None, 10, 10, 4]),
            ("q", "GlobalAveragePooling2D", {}, [[["head", "1"]]], [None, 4, 4, 4]),
            ("y", "Add", {}, [[["p"], ["q"]]], [[None, 4], [None, 4]]),
        ),
    )
    totals = report(graph).totals
    assert (totals.params, totals.macs) == (4 * 4 * 9 + 4, (100 + 16) * 4 * 4 * 9)


def test_a_merge_built_on_other_shapes_is_refused(tmp_path: Path) -> None:
    relu: Entry = ("r", "ReLU", {}, [[["x"]]], [None, 12, 12, 4])
    merge: Entry = ("y", "Add", {}, [[["x"], ["r"]]], [[None, 12, 12, 4], [None, 6, 6, 4]])
    with pytest.raises(NotImported, match="y was built for an input of 4×6×6, but its input here is 4×12×12"):
        imported(tmp_path, functional(INPUT, relu, merge))


# -- data types as in Keras 3.15: `[weight.dtype for weight in model.weights]` and `layer.output.dtype`


def policy(name: str) -> dict[str, Any]:
    return {"dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}}}


QUANTISED = {
    "dtype": {
        "module": "keras.dtype_policies",
        "class_name": "QuantizedDTypePolicy",
        "config": {"mode": "int8", "source_name": "float32"},
    }
}
BATCH_NORM: tuple[str, dict[str, Any]] = ("BatchNormalization", {})
DENSE = ("Dense", {"units": 5})


@pytest.mark.parametrize(
    ("given", "weight", "activation", "line"),
    [
        (policy("float32"), 4, 4, None),
        (policy("float16"), 2, 2, "dtype: float16"),
        (policy("bfloat16"), 2, 2, "dtype: bfloat16"),
        (policy("float64"), 8, 8, "dtype: float64"),
        (policy("mixed_float16"), 4, 2, "dtype: {weights: float32, activations: float16}"),
        (policy("mixed_bfloat16"), 4, 2, "dtype: {weights: float32, activations: bfloat16}"),
        ({"dtype": "float16"}, 2, 2, "dtype: float16"),
        ({"dtype": {"class_name": "Policy", "config": {"name": "mixed_float16"}}}, 4, 2, None),
    ],
)
def test_the_data_types_of_a_policy_are_imported(
    tmp_path: Path, given: Any, weight: int, activation: int, line: str | None
) -> None:
    conv = ("Conv2D", {"filters": 4, "kernel_size": [3, 3]})
    layers = [(name, {**config, **given}) for name, config in (conv, BATCH_NORM, ("Flatten", {}), DENSE)]
    graph = imported(tmp_path, sequential(*layers))
    totals = report(graph).totals
    flat = 10 * 8 * 4
    stored = 9 * 4 * 4 + 4 + 4 * 4 + flat * 5 + 5
    assert (totals.weight_memory, totals.activation_memory) == (weight * stored, activation * (3 * flat + 5))
    assert line is None or line in spec_text(graph).splitlines()
    assert graph.notes == ()


def test_a_quantised_layer_stores_its_kernel_as_integers(tmp_path: Path) -> None:
    graph = imported(tmp_path, sequential(("Flatten", {}), ("Dense", {"units": 5, **QUANTISED})))
    totals = report(graph).totals
    assert (totals.weight_memory, totals.activation_memory) == (480 * 5 + 4 * 5, 4 * 485)


def test_layers_of_several_data_types_are_noted(tmp_path: Path) -> None:
    graph = imported(tmp_path, sequential(BATCH_NORM, ("Flatten", {}), ("Dense", {"units": 5, **QUANTISED})))
    [note] = graph.notes
    assert f"of {480 * 5 + 3 * 4:,} elements of weights, 12 are float32" in note
    assert graph.dtype["weights"] == "int8"


@pytest.mark.parametrize("kind", ["Conv1D", "DepthwiseConv1D", "SeparableConv1D"])
def test_causal_padding_stays_causal(tmp_path: Path, kind: str) -> None:
    filters = {} if kind == "DepthwiseConv1D" else {"filters": 4}
    one = (kind, {**filters, "kernel_size": [3], "padding": "causal", "strides": [2], "dilation_rate": [1]})
    two = (kind, {**filters, "kernel_size": [1], "padding": "causal"})
    text = spec_text(imported(tmp_path, sequential(one, two, shape=(12, 4))))
    assert text.count("padding: causal") == 1
    layers = convcalc.load(io.StringIO(text)).nodes
    assert [node.layer.output.spatial for node in layers] == [(6,), (6,)]
    assert [node.layer.arguments().get("padding", [[0, 0]]) for node in layers] == [[[2, 0]], [[0, 0]]]


def test_causal_padding_of_an_image_is_not_imported(tmp_path: Path) -> None:
    layer = ("Conv2D", {"filters": 4, "kernel_size": [3, 3], "padding": "causal"})
    with pytest.raises(NotImported, match="layer1"):
        imported(tmp_path, sequential(layer))
