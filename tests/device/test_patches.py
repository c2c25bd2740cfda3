"""Patch-based inference has the figures of MCUNetV2, and those of a naive count of positions."""

import re
from itertools import product

import pytest

import convcalc
from convcalc import examples
from convcalc.cli.main import run
from convcalc.device.patches import PatchPlanner, choose_patching
from convcalc.device.program import NoOperator
from convcalc.device.runtimes import RUNTIMES
from convcalc.layers.base import Layer

TINYENGINE = RUNTIMES["tinyengine"]
KIB = 1024


def planner(name: str) -> PatchPlanner:
    return PatchPlanner(convcalc.load(examples.find_file(name)), TINYENGINE)


def test_mobilenet_v2_has_the_peaks_of_mcunet_v2() -> None:
    """Lin et al. 2021, figure 1: 1,372 kB per layer, 172 kB per patch, for 4×4 patches; 10% more computation."""
    found = planner("mobilenet_v2")
    patched = found.patch(found.find_cut("inverted_residual3.0.pointwise_conv1"), 4)
    assert found.peak == 1_372 * KIB
    assert patched.peak == 171.5 * KIB
    assert patched.shape.sizes == (32, 28, 28)
    assert round(100 * patched.extra_macs / patched.macs, 1) == 9.3


def test_the_patching_of_the_paper_is_chosen() -> None:
    front = planner("mobilenet_v2").list_front()
    chosen = choose_patching(front, None)
    assert chosen is not None
    assert (chosen.layer, chosen.grid) == ("inverted_residual3.0.pointwise_conv1", 4)
    small = choose_patching(front, 256 * KIB)
    assert small is not None
    assert (small.grid, small.peak <= 256 * KIB) == (3, True)
    assert choose_patching(front, 1) == front[-1]
    assert choose_patching([], 1) is None


def test_no_patching_on_the_front_is_beaten_in_both_figures() -> None:
    front = planner("person_detection").list_front()
    assert len(front) > 2
    for one, other in product(front, front):
        assert one == other or not (one.peak <= other.peak and one.extra_macs <= other.extra_macs)


# -- by counting positions

LAYERS = [
    {"conv": {"out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 1}},
    {"maxpool": {"kernel_size": 3, "stride": 2, "padding": 1}},
    {"depthwise_conv": {"kernel_size": 5, "padding": 2}},
    {"pointwise_conv": 6},
    "global_avgpool",
    "flatten",
    {"linear": 2},
]


def read_positions(layer: Layer, axis: int, outputs: set[int]) -> set[int]:
    """The positions inside the input that a layer reads for these outputs, tap by tap."""
    size = layer.input.spatial[axis]
    kernel = getattr(layer, "kernel_size", (1, 1))[axis]
    stride = getattr(layer, "stride", (1, 1))[axis]
    before = getattr(layer, "padding", ((0, 0), (0, 0)))[axis][0]
    read = {output * stride - before + tap for output in outputs for tap in range(kernel)}
    return {position for position in read if 0 <= position < size}


@pytest.mark.parametrize("grid", [2, 3, 5])
@pytest.mark.parametrize("last", [0, 1, 2, 3])
def test_the_macs_and_bytes_of_patches_are_those_of_a_naive_count(last: int, grid: int) -> None:
    network = convcalc.load({"input": [3, 21, 18], "layers": LAYERS})
    layers = [node.layer for node in network.nodes[: last + 1]]
    height, width = layers[-1].output.spatial
    macs, peak = 0, 0
    for row, column in product(range(grid), range(grid)):
        needed = [
            set(range(row * height // grid, (row + 1) * height // grid)),
            set(range(column * width // grid, (column + 1) * width // grid)),
        ]
        sizes = [len(needed[0]) * len(needed[1])]
        for layer in reversed(layers):
            macs += layer.count_macs() // layer.output.positions * sizes[0]  # type: ignore[operator]
            needed = [read_positions(layer, axis, needed[axis]) for axis in (0, 1)]
            sizes.insert(0, len(needed[0]) * len(needed[1]))
        for index, layer in enumerate(layers):
            read = layer.input.channels * sizes[index]
            written = 0 if index == last else layer.output.channels * sizes[index + 1]
            in_place = layer.kind == "depthwise_conv"
            peak = max(peak, max(read, written) if in_place else read + written)
    found = PatchPlanner(network, TINYENGINE).patch(last, grid)
    once = sum(layer.count_macs() or 0 for layer in layers)
    assert found.extra_macs == macs - once
    assert found.patch_peak == peak + layers[-1].output.elements
    rest = PatchPlanner(
        convcalc.load({"input": list(layers[-1].output.sizes), "layers": LAYERS[last + 1 :]}), TINYENGINE
    )
    assert found.rest_peak == rest.peak


def test_later_layers_read_only_the_output_of_the_patched_stage() -> None:
    """A tensor that a later layer adds must be whole, so the stage ends before it is written or after it is read."""
    spec = {
        "input": [4, 16, 16],
        "layers": [
            {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1, "name": "a"}},
            {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1, "name": "b"}},
            {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1, "name": "c"}},
            {"add": {"from": ["a", "c"], "name": "d"}},
            {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1, "name": "e"}},
        ],
    }
    found = PatchPlanner(convcalc.load(spec), TINYENGINE)
    assert [found.network.nodes[cut].name for cut in found.find_cuts()] == ["a", "d", "e"]
    with pytest.raises(NoOperator, match="'b' cannot end a patched stage"):
        found.find_cut("b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4@conv9", "'conv9' is not a layer: did you mean conv1?"),
        ("4", "must be auto, or patches per axis"),
        ("1@conv1", "must be auto, or patches per axis"),
        ("9999999999@conv1", "must be auto, or patches per axis"),
        ("40@separable2.depthwise_conv1", "40×40 patches do not fit the output"),
    ],
)
def test_a_wrong_patching_gets_a_message(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["mcu", "example:person_detection", "--patches", text]) == 2
    assert message in capsys.readouterr().err


def test_tensorflow_lite_micro_does_not_run_patches(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["mcu", "example:person_detection", "--patches", "auto", "--runtime", "tflm-reference"]
    assert run(arguments) == 2
    assert "tflm-reference does not run patches; use --runtime tinyengine" in capsys.readouterr().err


def test_patches_that_cost_much_are_named_so_unless_the_ram_decides(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["mcu", "example:ds_cnn", "--patches", "auto", "-q"]
    note = "every way to run in patches costs more than 10% more MACs; the cheapest is marked"
    assert run(arguments) == 0
    out = " ".join(capsys.readouterr().out.split())
    [extra] = re.findall(r"\* [0-9.]+ KiB \+([0-9.]+)%", out)
    assert float(extra) > 10
    assert note in out
    assert run([*arguments, "--ram", "15KiB"]) == 0
    assert note not in " ".join(capsys.readouterr().out.split())
    assert run(["mcu", "example:person_detection", "--patches", "auto", "-q"]) == 0
    assert note not in " ".join(capsys.readouterr().out.split())


def test_a_network_without_a_map_has_no_patches(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["mcu", "example:anomaly_detection", "--patches", "auto"]) == 0
    assert "no way to run the first layers in patches lowers the peak" in capsys.readouterr().out
