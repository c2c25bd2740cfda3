"""Embeddings, recurrent layers and learnt tensors: published counts, brute force, refusals, and a class token."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.specs import only_layer, problem, report


@pytest.mark.parametrize(("kind", "gates"), [("lstm", 4), ("gru", 3)])
def test_a_recurrent_layer_has_its_known_params(kind: str, gates: int) -> None:
    inputs, hidden = 10, 7
    one = gates * hidden * (inputs + hidden + 2)
    assert only_layer([inputs, 5], {kind: hidden})["params"] == one
    assert only_layer([inputs, 5], {kind: {"hidden_size": hidden, "bias": False}})["params"] == one - 2 * gates * hidden
    both = only_layer([inputs, 5], {kind: {"hidden_size": hidden, "bidirectional": True, "num_layers": 2}})
    assert both["params"] == 2 * one + 2 * gates * hidden * (2 * hidden + hidden + 2)
    assert both["output_shape"] == [2 * hidden, 5]


def lstm_step(inputs: int, hidden: int, bias: bool) -> tuple[int, int]:
    """Multiplications and additions of one step, by torch.nn.LSTM's formulas."""
    gate = inputs + hidden, (inputs - 1) + (hidden - 1) + 1 + 2 * bias
    return hidden * (4 * gate[0] + 3), hidden * (4 * gate[1] + 1)  # f c + i g, then o tanh(c)


def gru_step(inputs: int, hidden: int, bias: bool) -> tuple[int, int]:
    """Multiplications and additions of one step, by torch.nn.GRU's formulas."""
    gate = inputs + hidden, (inputs - 1) + (hidden - 1) + 1 + 2 * bias
    return hidden * (3 * gate[0] + 1 + 2), hidden * (3 * gate[1] + 2)  # r (W h), then (1 - z) n + z h


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kind", "step"), [("lstm", lstm_step), ("gru", gru_step)])
def test_a_recurrent_layer_costs_its_formulas_at_every_step(kind: str, step: Any, bias: bool) -> None:
    layer = only_layer([6, 9], {kind: {"hidden_size": 5, "bias": bias}})
    multiplications, additions = step(6, 5, bias)
    assert (layer["multiplications"], layer["additions"]) == (9 * multiplications, 9 * additions)
    assert layer["macs"] == 9 * {"lstm": 4, "gru": 3}[kind] * 5 * (6 + 5)


@pytest.mark.parametrize(("kind", "step"), [("lstm", lstm_step), ("gru", gru_step)])
@pytest.mark.parametrize(("directions", "layers"), [(1, 3), (2, 1), (2, 3)])
def test_recurrent_layers_cost_the_sum_of_all_layers_and_directions(
    kind: str, step: Any, directions: int, layers: int
) -> None:
    """Every layer after the first reads the states of all directions."""
    entry = {kind: {"hidden_size": 5, "num_layers": layers, "bidirectional": directions == 2}}
    steps = [step(6, 5, True)] * directions + [step(5 * directions, 5, True)] * directions * (layers - 1)
    found = only_layer([6, 9], entry)
    assert found["multiplications"] == 9 * sum(multiplications for multiplications, _ in steps)
    assert found["additions"] == 9 * sum(additions for _, additions in steps)


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolutional_lstm_costs_a_convolution_at_every_step(bias: bool) -> None:
    arguments = {"out_channels": 4 * 5, "kernel_size": 3, "padding": 1, "bias": bias}
    gates = only_layer([2 + 5, 6, 7], {"conv": arguments})
    layer = only_layer([2, 4, 6, 7], {"conv_lstm": {"hidden_size": 5, "bias": bias}})
    states = 4 * 5 * 6 * 7
    assert (layer["output_shape"], layer["params"]) == ([5, 4, 6, 7], gates["params"])
    assert (layer["macs"], layer["multiplications"]) == (4 * gates["macs"], 4 * gates["macs"] + 3 * states)
    assert layer["additions"] == 4 * gates["additions"] + states


def test_an_embedding_is_a_table() -> None:
    layer = only_layer([1, 128], {"embedding": {"num_embeddings": 1000, "embedding_dim": 64}})
    assert (layer["output_shape"], layer["params"], layer["flops"]) == ([64, 128], 64_000, 0)


def test_what_recurrent_layers_save_is_unknown() -> None:
    assert report({"input": [6, 9], "layers": [{"lstm": 5}]})["totals"]["training_memory"] is None


@pytest.mark.parametrize(
    ("shape", "entry", "message"),
    [
        ([8, 4, 4], {"lstm": 5}, "lstm needs a sequence (C×N), but its input is 8×4×4"),
        ([8, 4, 4], {"gru": 5}, "gru needs a sequence (C×N), but its input is 8×4×4"),
        ([8, 4], {"conv_lstm": 5}, "conv_lstm needs maps and time (C×T×H×W), but its input is 8×4"),
        ([8, 4, 4], {"conv_lstm": {"hidden_size": 5, "kernel_size": 2}}, "kernel_size must be odd; got 2"),
        (
            [9, 1],
            {"embedding": {"num_embeddings": 5, "embedding_dim": 2}},
            "embedding needs an input of one channel, an integer per position; this one is 9×1",
        ),
        (
            [8],
            {"parameter": {"shape": []}},
            "shape must be a list of 1 to 4 positive integers, channels first; got an empty list",
        ),
        ([8, 4, 4], {"linear": 5}, "linear needs a vector or tokens (C×N), but its input is 8×4×4"),
        (
            [8],
            {"softmax": {"axes": "positions"}},
            "axes: positions needs spatial axes, but the input is a vector of 8 features",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(shape: list[int], entry: dict[str, Any], message: str) -> None:
    assert problem({"input": shape, "layers": [entry]}).message == message


def test_a_linear_layer_has_one_matrix_for_all_tokens() -> None:
    layer, one = only_layer([6, 9], {"linear": 5}), only_layer([6], {"linear": 5})
    assert (layer["output_shape"], layer["params"]) == ([5, 9], one["params"])
    assert (layer["macs"], layer["additions"]) == (9 * one["macs"], 9 * one["additions"])


# -- learnt tensors and class tokens

CLASS_TOKEN: list[Any] = [
    {"conv": {"out_channels": 6, "kernel_size": 4, "stride": 4}},
    {"tokens": {"name": "patches"}},
    {"parameter": {"shape": [6, 1], "name": "class"}},
    {"concat": {"from": ["class", "patches"], "axis": "length"}},
    {"parameter": {"shape": [6, 13], "name": "position"}},
    {"add": {"from": ["concat1", "position"]}},
]


def test_a_class_token_and_a_position_embedding() -> None:
    found = report({"input": [3, 16, 12], "layers": CLASS_TOKEN})
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert layers["class"]["from"] == []
    assert (layers["concat1"]["output_shape"], layers["add1"]["output_shape"]) == ([6, 13], [6, 13])
    assert found["totals"]["params"] == 3 * 6 * 16 + 6 + 6 + 6 * 13
    assert layers["class"]["receptive_field"]["size"] == [0, 0]
    assert layers["add1"]["receptive_field"]["size"] == [4, 4]
    assert found["complete"]


def test_a_class_token_behind_an_attention_depends_on_the_whole_input() -> None:
    head = [{"attention": 2}, {"crop": {"amount": [[0, 12]]}}, "flatten"]
    found = report({"input": [3, 16, 12], "layers": [*CLASS_TOKEN, *head]})
    assert found["layers"][-1]["output_shape"] == [6]
    assert found["layers"][-1]["receptive_field"]["global"]


def test_a_class_token_before_an_attention_depends_on_nothing() -> None:
    head = [{"crop": {"amount": [[0, 12]]}}, {"global_avgpool": {"keepdims": False}}]
    found = report({"input": [3, 48], "layers": [CLASS_TOKEN[0] | {}, *CLASS_TOKEN[1:], *head]})
    assert found["layers"][-1]["receptive_field"]["size"] == [0]


@pytest.mark.parametrize("offset", [0, 2])
def test_positions_move_in_a_concatenation_along_an_axis(offset: int) -> None:
    """Of a sequence behind `offset` learnt positions, the receptive field begins earlier by as many."""
    layers = [
        {"parameter": {"shape": [3, max(offset, 1)], "name": "learnt"}},
        {"concat": {"from": ["learnt", "input"] if offset else ["input", "learnt"], "axis": "length"}},
    ]
    field = report({"input": [3, 20], "layers": layers})["layers"][-1]["receptive_field"]
    assert (field["size"], field["jump"], field["center"]) == ([1], [1], [-offset])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"parameter": {"shape": [4], "from": "input"}}], "parameter has no input"),
        ([{"parameter": {"shape": [0, 4]}}], "each entry of shape must be a positive integer; got 0"),
        ([{"concat": {"from": ["input", "input"], "axis": "depth"}}], "the input 3×8×8 of concat has no axis depth"),
        (
            [{"crop": {"amount": 1}}, {"concat": {"from": ["input", "crop1"], "axis": "height"}}],
            "the input sizes of concat do not fit: 3×8×8 and 3×6×6",
        ),
    ],
)
def test_a_wrong_source_or_concatenation_is_refused(entries: list[Any], message: str) -> None:
    assert problem({"input": [3, 8, 8], "layers": entries}).message == message


def test_a_kind_from_a_parameter_of_the_spec_cannot_be_a_source() -> None:
    found = problem({"input": [3, 8, 8], "params": {"k": "parameter"}, "layers": [{"$k": {"shape": [3, 8, 8]}}]})
    assert found.message == "parameter needs no input; got 1"


def test_networks_may_begin_with_a_learnt_tensor() -> None:
    spec = {
        "inputs": {"a": [3, 8], "b": [3, 8]},
        "layers": [{"parameter": {"shape": [3, 8], "name": "p"}}, {"add": {"from": ["a", "b", "p"]}}],
    }
    assert report(spec)["totals"]["params"] == 24
