"""The arguments that a layer cannot do without: those that its PyTorch module has no default for."""

from __future__ import annotations

from typing import Any

import pytest

from convcalc.layers import KINDS
from tests.support.specs import load, problem

REQUIRED: dict[str, dict[str, Any]] = {
    "conv": {"out_channels": 2, "kernel_size": 1},
    "conv_transpose": {"out_channels": 2, "kernel_size": 1},
    "pointwise_conv": {"out_channels": 2},
    "depthwise_conv": {"kernel_size": 1},
    "separable_conv": {"out_channels": 2, "kernel_size": 1},
    "locally_connected": {"out_channels": 2, "kernel_size": 1},
    "maxpool": {"kernel_size": 1},
    "avgpool": {"kernel_size": 1},
    "lppool": {"kernel_size": 1},
    "max_unpool": {"kernel_size": 1},
    "adaptive_avgpool": {"output_size": 1},
    "adaptive_maxpool": {"output_size": 1},
    "groupnorm": {"num_groups": 2},
    "pixel_shuffle": {"upscale_factor": 2},
    "pixel_unshuffle": {"downscale_factor": 2},
    "channel_shuffle": {"groups": 2},
    "reshape": {"shape": [4, 8]},
    "slice": {"channels": [0, 2]},
    "unfold": {"kernel_size": 1},
    "fold": {"kernel_size": 1, "output_size": 8},
    "permute": {"order": ["length", "channels"]},
    "mean": {"axes": "length"},
    "sum": {"axes": "length"},
    "std": {"axes": "length"},
    "attention": {"heads": 2},
    "lstm": {"hidden_size": 2},
    "gru": {"hidden_size": 2},
    "parameter": {"shape": [4, 8]},
    "opaque": {"output_shape": [4, 8]},
}
CASES = [(kind, name) for kind, arguments in REQUIRED.items() for name in arguments]
ON_OTHER_SHAPES = {
    "embedding": ([1, 8], {"num_embeddings": 5, "embedding_dim": 2}),
    "conv_lstm": ([4, 3, 8], {"hidden_size": 2}),
}
ONE_OF_SEVERAL = {"upsample", "pad", "crop", "map"}
MERGES = {"add", "multiply", "concat", "matmul"}
OTHERS = sorted(set(KINDS) - set(REQUIRED) - set(ON_OTHER_SHAPES) - {"linear", "deform_conv"} - ONE_OF_SEVERAL - MERGES)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_layer_needs_its_required_arguments(kind: str, name: str) -> None:
    arguments = REQUIRED[kind]
    assert load({"input": [4, 8], "layers": [{kind: arguments}]}).nodes
    without = {key: value for key, value in arguments.items() if key != name}
    found = problem({"input": [4, 8], "layers": [{kind: without}]})
    assert (found.code, name in found.message) == ("CV012", True)


@pytest.mark.parametrize("kind", ON_OTHER_SHAPES)
def test_a_layer_of_another_shape_needs_its_required_arguments(kind: str) -> None:
    shape, arguments = ON_OTHER_SHAPES[kind]
    assert load({"input": shape, "layers": [{kind: arguments}]}).nodes
    for name in arguments:
        without = {key: value for key, value in arguments.items() if key != name}
        found = problem({"input": shape, "layers": [{kind: without}]})
        assert (found.code, name in found.message) == ("CV012", True)


def test_a_linear_layer_needs_its_features() -> None:
    assert load({"input": [8], "layers": [{"linear": {"out_features": 2}}]}).nodes
    found = problem({"input": [8], "layers": ["linear"]})
    assert (found.code, "out_features" in found.message) == ("CV012", True)


@pytest.mark.parametrize("kind", OTHERS)
def test_all_other_layers_need_no_arguments(kind: str) -> None:
    """A kind that needs arguments is listed above, in REQUIRED."""
    assert load({"input": [4, 8], "layers": [kind]}).nodes
