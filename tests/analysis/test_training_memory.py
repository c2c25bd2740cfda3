"""What training saves for backward, compared with a table of PyTorch's behaviour made by oracle/make_saved.py."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

import convcalc
from convcalc.analysis.cost import activation_bytes
from convcalc.analysis.optimizers import OPTIMIZERS
from convcalc.analysis.training import Training, compute_training_memory, count_saved_bytes
from convcalc.layers import KINDS
from convcalc.layers.base import SavedForBackward
from convcalc.layers.mixins import Free, KeepsShape
from convcalc.network import Network
from convcalc.shape import Shape
from tests.support.places import TESTS
from tests.support.specs import Spec, load

EXAMPLES = TESTS.parent / "examples"
Case = dict[str, Any]


class Difference(NamedTuple):
    """Bytes that convcalc counts more than PyTorch saves for the network written by hand, and why."""

    more: int
    why: str


DIFFERENCES = {
    "ddpm_unet": Difference(
        -((33**2 - 32**2) * 128 + (17**2 - 16**2 + 9**2 - 8**2) * 256) * 2 * 4,
        "the one by hand pads before its strided convolutions, which then keep the padded inputs",
    ),
    "tcn": Difference(
        -(784 + 6 + 25 * 6 + 7 * 25 * 784 + 2 * 25 * 6 * (2 + 4 + 8 + 16 + 32 + 64 + 128)) * 2 * 4,
        "the one by hand pads before its convolutions, which then keep the padded inputs: 6 zeros times the dilation; "
        "the first convolution of a level keeps them in addition to its input, kept by the shortcut or the activation",
    ),
    "convnext_tiny": Difference(
        17 * 2 * 4, "the one by hand has no stochastic depth: 17 of 18 blocks keep a factor of each of 2 samples"
    ),
    "vit_tiny": Difference(
        -196 * 192 * 2 * 4, "in the one by hand, the class token is a view that keeps the values of all 197 tokens"
    ),
    "ds_cnn": Difference(
        (49 * 10 - (49 + 9) * (10 + 2)) * 2 * 4,
        "the one by hand pads before its first convolution, which then keeps the padded input: 4 + 5 and 1 + 1 zeros",
    ),
    "person_detection": Difference(
        -((97**2 - 96**2) * 3 + 16 * 49**2 + 32 * 25**2 + 64 * 13**2 + 128 * 7**2) * 2 * 4,
        "the one by hand pads before its strided convolutions, which then keep the padded inputs, in addition to the "
        "outputs that activations keep",
    ),
    "resnet8": Difference(
        -(16 * 33**2 + 32 * 17**2) * 2 * 4,
        "the one by hand pads before its strided convolutions, which then keep the padded inputs, in addition to the "
        "outputs that activations keep",
    ),
    "wavenet": Difference(
        -(256 + 32 * 3 * 1023) * 2 * 4,
        "the one by hand pads before its dilated convolutions, which then keep the padded inputs: as many zeros as the "
        "dilation, for 32 channels, and one for the 256 of the input",
    ),
}
NEITHER_WAY = {"locally_connected", "deform_conv", "opaque", "reshape", "parameter", "lstm", "gru", "conv_lstm"}
"""Kinds that PyTorch lacks, has in a form of its own, or computes in several ways, and a source without input."""


def committed_cases() -> list[Case]:
    text = (TESTS / "oracle" / "saved.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


LAYERS = [case for case in committed_cases() if "kind" in case]
NETWORKS = {case["network"]: case for case in committed_cases() if "network" in case}


def sizes(network: Network) -> list[int]:
    tensors = range(len(network.inputs) + len(network.nodes))
    return [activation_bytes(network.tensor_shape(tensor), network.dtype, network.batch) for tensor in tensors]


def kept(spec: Spec, **overrides: Any) -> int | None:
    network = load(spec, **overrides)
    return count_saved_bytes(network, sizes(network))


def training(spec: Spec, optimizer: str, weight_memory: int = 0, **overrides: Any) -> Training:
    network = load(spec, **overrides)
    return compute_training_memory(network, sizes(network), weight_memory, optimizer)


def rule(case: Case) -> SavedForBackward | None:
    """What convcalc states about the layer of a case."""
    inputs = {f"input{number}": shape for number, shape in enumerate(case["shapes"])}
    reads: Any = list(inputs) if len(inputs) > 1 else "input0"
    network = load({"inputs": inputs, "layers": [{case["kind"]: case["arguments"] | {"from": reads}}]})
    return network.nodes[0].layer.saved_for_backward()


def expected(case: Case) -> Case:
    return {name: case[name] for name in ("keeps_inputs", "keeps_output", "other_bytes")}


def answer(case: Case) -> Case:
    found = rule(case)
    assert found is not None
    rest = {
        batch: 4 * (int(batch) * found.values + found.batch_values) + int(batch) * found.mask_bytes
        for batch in case["other_bytes"]
    }
    return {"keeps_inputs": found.inputs, "keeps_output": found.output, "other_bytes": rest}


# --- As PyTorch ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted({case["kind"] for case in LAYERS}))
def test_a_kind_saves_what_pytorch_saves(kind: str) -> None:
    cases = [case for case in LAYERS if case["kind"] == kind]
    assert [(case, answer(case)) for case in cases if answer(case) != expected(case)] == []


def test_the_table_has_every_kind_that_pytorch_has() -> None:
    assert {case["kind"] for case in LAYERS} == KINDS.keys() - NEITHER_WAY, "run python -m tests.oracle.make_saved"


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_saves_what_pytorch_saves(name: str) -> None:
    case = NETWORKS[name]
    network = convcalc.load(EXAMPLES / f"{name}.yaml", batch=case["batch"], dtype="float32")
    more = DIFFERENCES[name].more if name in DIFFERENCES else 0
    assert count_saved_bytes(network, sizes(network)) == case["kept_bytes"] + more


def test_every_example_is_in_the_table() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == {*NETWORKS, "crnn"}  # whose lstm saves an unknown amount


@pytest.mark.torch
def test_the_table_is_what_pytorch_saves() -> None:
    from tests.oracle.make_saved import lines

    assert [json.loads(line) for line in lines()] == committed_cases()


@pytest.mark.torch
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "m5"])
def test_real_tensors_are_saved_like_those_of_the_table(name: str) -> None:
    from tests.oracle.make_saved import kept_by_network

    assert kept_by_network(name, "cpu") == NETWORKS[name]["kept_bytes"]


# --- A tensor counts once --------------------------------------------------------------------------------------------

LINEAR = {"linear": {"out_features": 8, "bias": False}}


def vector(*layers: Any, **top: Any) -> Spec:
    return {"input": [8], "layers": list(layers), **top}


def test_the_input_counts_if_a_layer_saves_it() -> None:
    assert kept(vector(LINEAR)) == 8 * 4


def test_a_tensor_saved_by_two_layers_counts_once() -> None:
    assert kept(vector(LINEAR, "relu", LINEAR)) == (8 + 8) * 4
    assert kept(vector(LINEAR, "gelu", LINEAR)) == (8 + 8 + 8) * 4


def test_a_tensor_multiplied_with_itself_counts_once() -> None:
    assert kept(vector({"linear": {"out_features": 8, "name": "a"}}, {"multiply": {"from": ["a", "a"]}})) == 2 * 8 * 4


def test_a_view_shares_the_memory_of_its_tensor() -> None:
    spec = {"input": [2, 4], "layers": [{"conv": {"out_channels": 2, "kernel_size": 1}}, "relu", "flatten", LINEAR]}
    assert kept(spec) == (8 + 8) * 4


def test_the_output_of_dropout_is_saved_in_addition_to_its_input() -> None:
    assert kept(vector(LINEAR, "relu", "dropout", LINEAR)) == (8 + 8 + 8) * 4 + 8


def test_dropout_of_nothing_is_a_view() -> None:
    assert kept(vector(LINEAR, "relu", {"dropout": {"p": 0}}, LINEAR)) == (8 + 8) * 4


def test_a_slice_of_the_channels_keeps_the_memory_of_all() -> None:
    assert kept(vector(LINEAR, {"slice": {"channels": [0, 2]}}, LINEAR)) == (8 + 8) * 4


def test_a_batch_multiplies_all_but_the_statistics_of_the_batch() -> None:
    assert kept(vector("batchnorm"), batch=1) == (8 + 16) * 4
    assert kept(vector("batchnorm"), batch=10) == (80 + 16) * 4


def test_indices_have_64_bits_whatever_the_type_of_the_activations() -> None:
    spec = {
        "input": [1, 8],
        "layers": [{"conv": {"out_channels": 1, "kernel_size": 1}}, {"maxpool": {"kernel_size": 2}}],
    }
    assert kept(spec, dtype="float16") == (8 + 8) * 2 + 4 * 8


# --- What learns -----------------------------------------------------------------------------------------------------


def test_nothing_is_saved_if_no_earlier_layer_learns() -> None:
    assert kept(vector("gelu", "softmax")) == 0
    frozen = {"linear": {"out_features": 8, "frozen": True}}
    assert kept(vector(frozen, "gelu", frozen, "gelu")) == 0
    assert kept(vector(frozen, "gelu", LINEAR)) == 8 * 4


@pytest.mark.parametrize("order", [["linear1", "input"], ["input", "linear1"]])
def test_a_merge_learns_if_one_of_its_inputs_does(order: list[str]) -> None:
    """The linear layer saves the input, and sigmoid its own output, whose gradient reaches the linear layer."""
    assert kept(vector(LINEAR, {"add": {"from": order}}, "sigmoid")) == (8 + 8) * 4


def test_a_frozen_layer_after_one_that_learns_saves_its_input() -> None:
    assert kept(vector(LINEAR, {"linear": {"out_features": 8, "frozen": True}})) == (8 + 8) * 4


SHARED = vector(
    {"linear": {"out_features": 8, "bias": False, "name": "first"}},
    {"linear": {"out_features": 8, "bias": False, "share": "first"}},
    "relu",
)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimizer_has_its_states_for_every_learnt_weight(optimizer: str) -> None:
    states = {"sgd": 0, "momentum": 1, "adam": 2}[optimizer]
    found = training(vector(LINEAR), optimizer, weight_memory=64 * 4)
    assert found == (32, 256, states * 256, 256, 32 + 256 + states * 256 + 256)


def test_shared_weights_have_one_gradient() -> None:
    assert training(SHARED, "momentum").gradients == training(SHARED, "momentum").optimizer == 64 * 4


def test_frozen_layers_have_neither_gradients_nor_states() -> None:
    frozen = {"linear": {"out_features": 8, "frozen": True}}
    assert training(vector(frozen, LINEAR), "adam", weight_memory=500) == (32, 256, 512, 500, 1300)


@pytest.mark.parametrize("part", ["weights", "activations"])
def test_a_single_integer_type_makes_training_unknown(part: str) -> None:
    """PyTorch: only tensors of floating point can require gradients."""
    found = training(vector(LINEAR, "relu"), "adam", weight_memory=64, dtype={part: "int8", "bias": "float32"})
    assert found == (None, None, None, 64, None)


def test_weights_and_biases_have_gradients_of_their_own_types() -> None:
    found = training(vector({"linear": {"out_features": 3}}), "sgd", dtype={"weights": "float16", "bias": "float32"})
    assert found.gradients == 24 * 2 + 3 * 4


def test_resnet18_with_adam() -> None:
    """11,689,512 params and 9,600 buffers of four bytes."""
    network = convcalc.load(EXAMPLES / "resnet18.yaml", batch=2)
    weights = (11_689_512 + 9_600) * 4
    found = compute_training_memory(network, sizes(network), weights, "adam")
    params = 11_689_512 * 4
    assert found == (44_398_080, params, 2 * params, weights, 44_398_080 + 3 * params + weights)


# --- Declared by the kind --------------------------------------------------------------------------------------------


def test_a_kind_without_a_rule_for_saved_tensors_cannot_be_created() -> None:
    class Forgetful(KeepsShape, Free):
        """A kind without the rule."""

    with pytest.raises(TypeError, match="saved_for_backward"):
        Forgetful((Shape(8),), {})  # type: ignore[abstract]
