"""The roofline and the energy of small networks equal figures computed by hand, and ridge points the published ones."""

import pytest

from convcalc.analysis.report import Report, analyse
from convcalc.device.device_file import Device, find_device, read_device
from convcalc.device.energy import estimate_energy
from convcalc.device.latency import EAGER, FUSED, Latency, estimate_latency
from convcalc.problems import Flaw
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text

MAP = 56 * 56 * 64 * 2  # bytes of 64 maps of 56×56 in float16
WEIGHTS = 64 * 64 * 9 * 2  # bytes of a 3×3 convolution between them
MACS = 56 * 56 * 64 * 64 * 9
CONV = "conv: {out_channels: 64, kernel_size: 3, padding: 1, bias: false}"
NAMED = CONV.replace("bias: false", "bias: false, name: first")
GPU = """
description: round figures
kind: gpu
bandwidth: {value: 1 TB/s, source: s}
dense: true
peak: {float16: {value: 100 TFLOPS, source: s}, int8: {value: 200 TOPS, source: s}}
"""
BOARD = """
description: round figures
kind: microcontroller
clock: {value: 100 MHz, source: s}
cycles_per_mac:
  conv: {value: [1.5, 4], source: s}
  depthwise_conv: {value: [2, 5], source: s}
  pointwise_conv: {value: 3, source: s}
"""


def device(text: str, name: str = "mine") -> Device:
    return read_device(read_text(text, f"{name}.yaml"), name)


def report(layers: str, shape: str = "[64, 56, 56]", dtype: str = "float16", batch: int = 1) -> Report:
    text = f"input: {shape}\ndtype: {dtype}\nbatch: {batch}\nlayers:\n{layers}"
    return analyse(read_network(read_text(text, "net.yaml")))


def listed(*layers: str) -> str:
    return "".join(f"  - {layer}\n" for layer in layers)


def moved(found: Latency) -> list[int | None]:
    return [layer.moved for layer in found.layers]


def test_a_layer_above_the_ridge_point_takes_as_long_as_its_operations() -> None:
    found = estimate_latency(report(listed(CONV)), device(GPU))
    assert moved(found) == [2 * MAP + WEIGHTS]
    assert found.ridge == 100
    assert found.layers[0].intensity == pytest.approx(263.77, abs=0.01)  # 231,211,008 / 876,544
    assert found.layers[0].bound == "compute"
    assert found.total == pytest.approx((2.31211e-6, 2.31211e-6), rel=1e-5)  # 231,211,008 / 100e12


def test_a_layer_below_the_ridge_point_takes_as_long_as_its_tensors() -> None:
    found = estimate_latency(report(listed("depthwise_conv: {kernel_size: 3, padding: 1, bias: false}")), device(GPU))
    assert moved(found) == [2 * MAP + 64 * 9 * 2]
    assert found.layers[0].intensity == pytest.approx(4.4936, abs=1e-4)  # 2 · 1,806,336 / 803,968
    assert found.layers[0].bound == "memory"
    assert found.total == pytest.approx((0.803968e-6, 0.803968e-6), rel=1e-6)


def test_times_are_divided_by_the_efficiency_of_the_mode() -> None:
    text = GPU + "efficiency: {value: 0.5, source: s}\neager_efficiency: {value: 0.8, source: s}\n"
    once = 2 * MACS / 100e12
    for mode, share in ((FUSED, 0.5), (EAGER, 0.8)):
        total = estimate_latency(report(listed(CONV)), device(text), mode).total
        assert total == pytest.approx((once / share, once / share))
    alone = GPU + "efficiency: {value: [0.4, 0.5], source: s}\n"
    assert estimate_latency(report(listed(CONV)), device(alone), EAGER).total == pytest.approx((once / 0.5, once / 0.4))


def test_batch_norms_and_activations_cost_nothing_unless_eager() -> None:
    found = report(listed(CONV, "batchnorm", "relu", "gelu", "flatten"))
    conv = 2 * MAP + WEIGHTS
    assert moved(estimate_latency(found, device(GPU), FUSED)) == [conv, 0, 0, 0, 0]
    # a batch norm has a scale, a bias, a mean and a variance per channel
    assert moved(estimate_latency(found, device(GPU), EAGER)) == [conv, 2 * MAP + 4 * 64 * 2, 2 * MAP, 2 * MAP, 0]


def test_layers_that_need_all_values_are_not_fused() -> None:
    found = report(listed("layernorm", "softmax", "maxpool: 2"))
    # this layernorm has a scale and a bias per value
    assert moved(estimate_latency(found, device(GPU), FUSED)) == [2 * MAP + 2 * MAP, 2 * MAP, MAP + MAP // 4]


def test_a_fused_sum_reads_its_other_operand() -> None:
    residual = listed(NAMED, CONV, "add: {from: [conv2, first]}")
    found = report(residual)
    assert moved(estimate_latency(found, device(GPU), FUSED))[2] == MAP
    assert moved(estimate_latency(found, device(GPU), EAGER))[2] == 3 * MAP


def test_a_fused_gate_reads_the_map_that_it_scales() -> None:
    gate = listed(NAMED, "global_avgpool", "sigmoid", "multiply: {from: [first, sigmoid1]}")
    found = report(gate)
    assert moved(estimate_latency(found, device(GPU), FUSED))[3] == MAP
    assert moved(estimate_latency(found, device(GPU), EAGER))[3] == 2 * MAP + 64 * 2


def test_weights_are_read_once_per_batch() -> None:
    one, eight = (estimate_latency(report(listed(CONV), batch=batch), device(GPU)) for batch in (1, 8))
    assert moved(one) == [2 * MAP + WEIGHTS]
    assert moved(eight) == [16 * MAP + WEIGHTS]
    assert eight.layers[0].macs == 8 * MACS


def test_the_time_of_a_layer_of_unknown_cost_is_unknown() -> None:
    found = estimate_latency(report(listed("opaque: {output_shape: [8]}", "linear: 4")), device(GPU))
    assert found.total is None
    assert [layer.name for layer in found.unknown] == ["opaque1"]


def test_integers_have_a_peak_of_their_own() -> None:
    found = estimate_latency(report(listed(CONV), dtype="int8"), device(GPU))
    assert found.ridge == 200
    assert moved(found) == [MAP + WEIGHTS // 2]


@pytest.mark.parametrize(
    ("name", "dtype", "ridge"),
    [
        # 4090, A100 and H100: gist.github.com/mikasenghaas/d63ded03f1f0417b1677627119bacc0d, rounded down
        ("rtx4090", "float16", 163),
        ("a100-40gb", "float16", 200),
        ("h100-sxm", "bfloat16", 295),
    ],
)
def test_the_ridge_point_is_the_published_one(name: str, dtype: str, ridge: int) -> None:
    found = estimate_latency(report(listed(CONV), dtype=dtype), find_device(name))
    assert found.ridge is not None
    assert int(found.ridge) == ridge


@pytest.mark.parametrize(
    ("name", "cores", "per_clock", "gigahertz", "dtype"),
    [
        ("rtx3090", 328, 64, 1.695, "float16"),
        ("rtx4090", 512, 64, 2.52, "float16"),
        ("rtx5090", 680, 64, 2.407, "float16"),
        ("rtx3090", 328, 256, 1.695, "int8"),
        ("rtx4090", 512, 256, 2.52, "int8"),
        ("rtx5090", 680, 256, 2.407, "int8"),
        ("a100-40gb", 432, 256, 1.41, "float16"),
        ("h100-sxm", 528, 512, 1.83, "float16"),
    ],
)
def test_peaks_are_dense(name: str, cores: int, per_clock: int, gigahertz: float, dtype: str) -> None:
    """Tensor cores × multiply-accumulates per clock without sparsity × 2 × clock."""
    assert find_device(name).peak[dtype].low == pytest.approx(cores * per_clock * 2 * gigahertz * 1e9, rel=0.002)


# -- microcontrollers


def test_cycles_are_counted_by_kernel() -> None:
    layers = listed(
        "conv: {out_channels: 8, kernel_size: 3, padding: 1}",
        "conv: {out_channels: 8, kernel_size: 3, padding: 1, groups: 8}",
        "conv: {out_channels: 4, kernel_size: 1}",
        "relu",
    )
    found = estimate_latency(report(layers, "[2, 10, 10]", "int8"), device(BOARD))
    # 100 positions: 8 · 9 · 2, 8 · 9 and 4 · 8 multiply-accumulates each
    assert [layer.macs for layer in found.layers] == [14_400, 7_200, 3_200, 0]
    times = [layer.time for layer in found.layers]
    assert times[0] == pytest.approx((14_400 * 1.5 / 1e8, 14_400 * 4 / 1e8))
    assert times[1] == pytest.approx((7_200 * 2 / 1e8, 7_200 * 5 / 1e8))
    assert times[2] == pytest.approx((3_200 * 3 / 1e8, 3_200 * 3 / 1e8))
    assert found.total == pytest.approx((456e-6, 1032e-6))


def test_a_separable_convolution_takes_as_long_as_its_two_parts() -> None:
    """Depthwise: 100 positions · 2 · 9 multiply-accumulates; pointwise: 100 · 2 · 8; for 3 samples."""
    layer = listed("separable_conv: {out_channels: 8, kernel_size: 3, padding: 1}")
    whole = estimate_latency(report(layer, "[2, 10, 10]", "int8", batch=3), device(BOARD))
    macs = 3 * 1_800, 3 * 1_600
    assert whole.layers[0].macs == sum(macs)
    assert whole.total == pytest.approx(((2 * macs[0] + 3 * macs[1]) / 1e8, (5 * macs[0] + 3 * macs[1]) / 1e8))


def test_a_kind_without_cycles_is_unknown() -> None:
    found = estimate_latency(report(listed("linear: 4"), "[8]", "int8"), device(BOARD))
    assert found.total is None
    assert found.unknown[0].reason == "mine has no cycles_per_mac for linear"


# -- bad devices


@pytest.mark.parametrize(
    ("text", "dtype", "message"),
    [
        (GPU, "float32", "mine has no peak for float32"),
        ("description: x\nkind: gpu\n", "float16", "mine has no peak"),
        (GPU.replace("bandwidth", "memory").replace("TB/s", "TB"), "float16", "memory has the unknown unit 'TB'"),
        (GPU.replace("bandwidth: {value: 1 TB/s, source: s}\n", ""), "float16", "mine has no bandwidth"),
        (BOARD.replace("clock: {value: 100 MHz, source: s}\n", ""), "int8", "mine has no clock"),
    ],
)
def test_a_device_without_a_needed_figure_is_refused(text: str, dtype: str, message: str) -> None:
    with pytest.raises(Exception, match=message.replace("(", "[(]")):
        estimate_latency(report(listed(CONV), dtype=dtype), device(text))


# -- energy


def test_the_energy_is_that_of_operations_and_dram() -> None:
    found = report(listed(CONV))
    energy = estimate_energy(found, estimate_latency(found, device(GPU)))
    assert energy.arithmetic == pytest.approx(115_605_504 * 1.5e-12)  # 1.1 + 0.4 pJ
    assert energy.dram_horowitz == pytest.approx(876_544 / 8 * 1.3e-9)
    assert energy.dram_eyeriss == pytest.approx(876_544 / 2 * 200 * 1.5e-12)
    assert energy.total == pytest.approx(115_605_504 * 1.5e-12 + 876_544 / 2 * 200 * 1.5e-12)


def test_the_energy_on_a_microcontroller_is_that_of_operations() -> None:
    found = report(listed("conv: {out_channels: 8, kernel_size: 3}"), "[2, 10, 10]", "int8")
    energy = estimate_energy(found, estimate_latency(found, device(BOARD)))
    assert energy.arithmetic == pytest.approx(64 * 8 * 9 * 2 * 0.23e-12)  # 0.2 + 0.03 pJ
    assert (energy.dram_horowitz, energy.dram_eyeriss, energy.total) == (None, None, energy.arithmetic)


def test_the_energy_in_a_type_that_was_not_published_is_refused() -> None:
    text = GPU.replace("float16", "bfloat16")
    found = report(listed(CONV), dtype="bfloat16")
    with pytest.raises(Flaw, match="the energy of an operation in bfloat16 is unknown"):
        estimate_energy(found, estimate_latency(found, device(text)))
