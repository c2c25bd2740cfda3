"""Layers that need positions refuse a vector; all others accept it."""

from __future__ import annotations

from typing import Any

import pytest

from convcalc.layers import KINDS
from tests.support.specs import only_layer, problem

CONVOLVED = {"out_channels": 8, "kernel_size": 1}
# Kinds whose PyTorch module refuses an input without a spatial axis: (N, C) instead of (N, C, L).
NEED_POSITIONS: dict[str, dict[str, Any]] = {
    "conv": CONVOLVED,
    "conv_transpose": CONVOLVED,
    "pointwise_conv": {"out_channels": 8},
    "depthwise_conv": {"kernel_size": 1},
    "separable_conv": CONVOLVED,
    "locally_connected": CONVOLVED,
    "deform_conv": CONVOLVED,
    "maxpool": {"kernel_size": 1},
    "avgpool": {"kernel_size": 1},
    "lppool": {"kernel_size": 1},
    "adaptive_avgpool": {"output_size": 1},
    "adaptive_maxpool": {"output_size": 1},
    "global_avgpool": {},
    "global_maxpool": {},
    "max_unpool": {"kernel_size": 1},
    "blurpool": {},
    "instancenorm": {},
    "local_response_norm": {},
    "global_response_norm": {},
    "upsample": {"scale_factor": 2},
    "pixel_shuffle": {"upscale_factor": 2},
    "pixel_unshuffle": {"downscale_factor": 2},
    "channel_shuffle": {"groups": 2},
    "pad": {"padding": 0},
    "crop": {"amount": 0},
    "tokens": {},
    "attention": {"heads": 1},
    "embedding": {"num_embeddings": 9, "embedding_dim": 8},
    "lstm": {"hidden_size": 8},
    "gru": {"hidden_size": 8},
    "conv_lstm": {"hidden_size": 8},
    "map": {"size": [1, 1]},
    "unfold": {"kernel_size": 1},
    "fold": {"kernel_size": 1, "output_size": 1},
}
TAKE_VECTORS: dict[str, dict[str, Any]] = {
    "linear": {"out_features": 8},
    "groupnorm": {"num_groups": 2},
    "reshape": {"shape": [8]},
    "slice": {"channels": [0, 8]},
    "parameter": {"shape": [8]},
    "permute": {"order": ["channels"]},
    "mean": {"axes": "channels"},
    "sum": {"axes": "channels"},
    "std": {"axes": "channels"},
    "opaque": {"output_shape": [8]},
}
MERGE = ("add", "multiply", "concat", "matmul")
SMALLEST = {"embedding": [1, 1], "conv_lstm": [8, 1, 1]}  # other kinds accept 8×1


@pytest.mark.parametrize("kind", NEED_POSITIONS)
def test_a_layer_over_positions_refuses_a_vector(kind: str) -> None:
    found = problem({"input": [8], "layers": [{kind: NEED_POSITIONS[kind]}]})
    assert (found.code, found.message) == (
        "CV016",
        f"{kind} needs spatial axes, but its input is a vector of 8 features",
    )


@pytest.mark.parametrize(
    "entry",
    [
        {"conv": {"out_channels": 8, "kernel_size": [3, 3]}},
        {"maxpool": {"kernel_size": 2, "stride": [2]}},
        {"upsample": {"scale_factor": [2, 1.5]}},
        {"upsample": {"size": [2, 2]}},
        {"pad": {"padding": [[1, 1], [1, 1]]}},
    ],
)
def test_a_list_per_axis_is_not_blamed_for_a_vector(entry: dict[str, Any]) -> None:
    assert "needs spatial axes, but its input is a vector" in problem({"input": [8], "layers": [entry]}).message


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NEED_POSITIONS and kind not in MERGE])
def test_all_other_layers_accept_a_vector(kind: str) -> None:
    """A kind that needs arguments or refuses vectors is listed above: in TAKE_VECTORS or in NEED_POSITIONS."""
    assert len(only_layer([8], {kind: TAKE_VECTORS.get(kind, {})})["output_shape"]) == 1


@pytest.mark.parametrize("kind", [kind for kind in NEED_POSITIONS if kind != "deform_conv"])
def test_a_layer_over_positions_accepts_a_single_one(kind: str) -> None:
    alone = {"blurpool": {"kernel_size": 1}, "pixel_unshuffle": {"downscale_factor": 1}}
    assert only_layer(SMALLEST.get(kind, [8, 1]), {kind: alone.get(kind, NEED_POSITIONS[kind])})["output_shape"][0] in (
        4,
        8,
    )
