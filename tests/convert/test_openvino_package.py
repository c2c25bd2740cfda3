"""Files that OpenVINO writes have the params of the PyTorch module that they were made of, and the MACs of PyTorch."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.convert import from_onnx
from convcalc.convert.graph import Graph, plain_spec
from convcalc.convert.openvino import reader
from tests.support.onnx_models import made

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
openvino: Any = pytest.importorskip("openvino", reason="OpenVINO is not installed")
pytest.importorskip("onnx", reason="the package onnx is not installed")

from tests.convert.test_onnx_torch_exports import build, count_macs, count_params  # noqa: E402 (needs PyTorch)
from tests.support.exported_modules import CASES  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.openvino]
NAMES = (
    "plain residual inverted convnext unet group_norm instance_norm pixel_shuffle channel_shuffle focus pool_pyramid "
    "attention causal volume two_inputs gated"
)
MERGED_BIASES = {"lstm": 2 * 2 * 4 * 16, "gru": 2 * 16, "rnn": 16}  # OpenVINO adds the two biases of a gate


def convert(name: str, folder: Path, is_open: bool) -> tuple[Path, Any, tuple[Any, ...]]:
    """The XML of a module, with open sizes except that of the channels if `is_open`, the module and its inputs."""
    module, inputs = build(CASES[name])
    shapes = [[-1, tensor.shape[1], *[-1] * (tensor.dim() - 2)] if is_open else [*tensor.shape] for tensor in inputs]
    with warnings.catch_warnings(action="ignore"):
        example = inputs if len(inputs) > 1 else inputs[0]
        model = openvino.convert_model(module, example_input=example, input=shapes)
        openvino.save_model(model, folder / "net.xml")
    return folder / "net.xml", module, inputs


def measure(graph: Graph) -> tuple[int, int | None]:
    totals = convcalc.summary(plain_spec(graph)).totals
    return totals.params, totals.macs


@pytest.mark.parametrize("name", NAMES.split())
def test_a_file_has_the_params_and_macs_of_its_module(name: str, tmp_path: Path) -> None:
    path, module, inputs = convert(name, tmp_path, False)
    expected = count_params(module, True), count_macs(module, inputs)
    assert measure(reader.read(str(path))) == expected
    path.with_suffix(".bin").unlink()
    assert measure(reader.read(str(path))) == expected


@pytest.mark.parametrize("name", ["inverted", "channel_shuffle", "unet", "attention"])
def test_open_sizes_are_computed_as_openvino_does(name: str, tmp_path: Path) -> None:
    path, module, inputs = convert(name, tmp_path, True)
    graph = reader.read(str(path), {None: tuple(inputs[0].shape[1:])})
    assert measure(graph) == (count_params(module, True), count_macs(module, inputs))


@pytest.mark.parametrize("name", MERGED_BIASES)
def test_a_recurrent_layer_has_one_bias_per_gate(name: str, tmp_path: Path) -> None:
    path, module, inputs = convert(name, tmp_path, False)
    expected = count_params(module, True) - MERGED_BIASES[name], count_macs(module, inputs)
    assert measure(reader.read(str(path))) == expected


def test_layers_have_the_names_of_the_modules(tmp_path: Path) -> None:
    path, _, _ = convert("convnext", tmp_path, False)
    names = {step.name for step in reader.read(str(path)).steps}
    assert {"0", "1.depthwise", "1.norm", "1.wide"} <= names


QUANTISED = """
xq = QuantizeLinear(x, s, z)
xd = DequantizeLinear(xq, s, z)
wd = DequantizeLinear<axis=0>(w, ws, wz)
a = Conv<pads=[1,1,1,1]>(xd, wd, b)
aq = QuantizeLinear(a, s, z)
ad = DequantizeLinear(aq, s, z)
vd = DequantizeLinear<axis=0>(v, ws, wz)
y = Conv<group=8>(ad, vd, b)
"""


def test_a_quantised_network_is_read_like_the_onnx_file_that_it_was_made_of(tmp_path: Path) -> None:
    import numpy
    import onnx

    random = numpy.random.default_rng(0)
    arrays = {
        "s": numpy.float32(0.1),
        "z": numpy.uint8(0),
        "w": random.integers(-127, 127, (8, 4, 3, 3), dtype=numpy.int8),
        "v": random.integers(-127, 127, (8, 1, 3, 3), dtype=numpy.int8),
        "ws": random.random(8, numpy.float32) + numpy.float32(0.1),
        "wz": numpy.zeros(8, numpy.int8),
        "b": random.random(8, numpy.float32),
    }
    model = made(QUANTISED, {"x": (1, 4, 12, 10)})
    for name, array in arrays.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.asarray(array), name))
    onnx.save(model, tmp_path / "net.onnx")
    openvino.save_model(openvino.convert_model(tmp_path / "net.onnx"), tmp_path / "net.xml")
    ours, theirs = reader.read(str(tmp_path / "net.xml")), from_onnx.read(str(tmp_path / "net.onnx"))
    assert [step.kind for step in ours.steps] == [step.kind for step in theirs.steps] == ["conv", "depthwise_conv"]
    assert measure(ours) == measure(theirs)
    assert ours.dtype["weights"] == theirs.dtype["weights"] == "int8"
    assert ours.dtype["activations"] == theirs.dtype["activations"] == "uint8"


def test_a_copy_under_another_name_is_read_without_its_constants(tmp_path: Path) -> None:
    path, module, inputs = convert("unet", tmp_path, False)
    shutil.copy(path, tmp_path / "copy.xml")
    assert measure(reader.read(str(tmp_path / "copy.xml"))) == (count_params(module, True), count_macs(module, inputs))
