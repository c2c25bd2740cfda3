"""Networks and commands on which convcalc was once wrong, as strangers reported them.

Each case has its source and the right value, derived independently: by hand, by a published figure, or by a run of
the framework.
"""

from pathlib import Path

import pytest

import convcalc
from convcalc.convert.graph import plain_spec
from tests.onnx_models import imported, made

# -- shapes and inputs


# -- receptive field and drawings


# -- memory and data types


# -- budgets, fit and alternatives


# -- the command line


# -- imports: PyTorch


# -- imports: ONNX and Keras


@pytest.mark.parametrize("spatial", [(8, 10), (80, 100)])
def test_a_constant_of_the_size_of_the_data_is_no_weight(spatial: tuple[int, int], tmp_path: Path) -> None:
    """Reported: 332 params at 8×10 and 32,012 at 80×100. A 1×1 convolution of 2 to 4 channels has 2 · 4 + 4 = 12."""
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    nodes = "y = Conv(x, w, b)\ns = Shape(y)\no = ConstantOfShape(s)\nz = Mul(y, o)"
    weights = {"w": (4, 2, 1, 1), "b": (4,)}
    graph = imported(tmp_path, made(nodes, {"x": (1, 2, *spatial)}, weights, outputs=["z"]))
    assert convcalc.summary(plain_spec(graph)).totals.params == 12


def test_weights_of_half_precision_take_two_bytes(tmp_path: Path) -> None:
    """Reported: an fp16 file of 72,234 params was said to have 288,936 B of weights; 2 · 72,234 = 144,468."""
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
    nodes = "a = Conv(x, w, b)\nf = Flatten(a)\ny = Gemm(f, v, c)"
    weights = {"w": (8, 3, 3, 3), "b": (8,), "v": (7200, 10), "c": (10,)}
    model = made(nodes, {"x": (1, 3, 32, 32)}, weights)
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    for tensor in model.graph.initializer:
        tensor.data_type = onnx.TensorProto.FLOAT16
    totals = convcalc.summary(plain_spec(imported(tmp_path, model))).totals
    assert (totals.params, totals.weight_bytes) == (72_234, 144_468)
