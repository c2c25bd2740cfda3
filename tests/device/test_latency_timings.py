"""Estimated latencies against published timings; the tables of the manual state exactly what is found here.

The timings of GPUs and of a CPU are those of timm's benchmark, those of microcontrollers are results of MLPerf Tiny
(see `tests/data/SOURCES.md`). The efficiency of a device is fitted to every other network of its table, in alphabetical
order, and judged on the others.
"""

import csv
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from statistics import median
from typing import NamedTuple

import pytest

from convcalc.analysis.report import Report, analyse
from convcalc.api import load
from convcalc.cli.latency_report import CPU_ERROR, SMALLEST_BATCH
from convcalc.cli.latency_report import DEPTHWISE as STATED
from convcalc.device.device_file import Device, Figure, find_device
from convcalc.device.device_names import list_device_names
from convcalc.device.latency import estimate_latency
from tests.support.places import ROOT

FOLDER = ROOT / "tests" / "data" / "latency"
MANUAL = (ROOT / "convcalc" / "manual" / "latency.md").read_text(encoding="utf-8")
DEPTHWISE = ("efficientnet_b0", "mnasnet1_0", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilevit_s")
NETWORKS = {"resnet8": "conv", "anomaly_detection": "linear", "person_detection": "pointwise_conv"}


class Timing(NamedTuple):
    """A network, and per sample: its measured time, the time of the roofline, and its multiply-accumulates."""

    example: str
    measured: float
    roofline: float
    macs: float


def read_table(name: str) -> list[dict[str, str]]:
    with open(FOLDER / name, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


FACTS = read_table("timm.csv")
MACHINES = list(dict.fromkeys((row["device"], row["mode"]) for row in FACTS))
RESULTS = read_table("mlperf_tiny.csv")
BOARDS = list(dict.fromkeys(row["device"] for row in RESULTS))


@lru_cache(maxsize=1)
def cpu() -> Device:
    """Return the CPU of the table: 14 cores, each with two units for 16 float32 values, at 3.3 GHz; 4 × DDR4-2933."""
    peak, bandwidth = (Figure(value, value, "Intel") for value in (14 * 64 * 3.3e9, 94e9))
    empty = {"efficiency": None, "eager_efficiency": None}
    return Device("i9-10940x", "", "cpu", None, {**empty, "bandwidth": bandwidth}, {"float32": peak}, {})


@lru_cache(maxsize=200)
def network(example: str, size: int, batch: int, dtype: str) -> Report:
    return analyse(load(f"example:{example}", input=(3, size, size), batch=batch, dtype=dtype))


def time_one(row: dict[str, str]) -> Timing:
    """Return a row of the table with the time of the roofline itself, at an efficiency of 1."""
    on_cpu = row["device"] == "i9-10940x"
    device = cpu() if on_cpu else find_device(row["device"])
    batch = int(row["batch"])
    report = network(row["example"], int(row["size"]), batch, "float32" if on_cpu else "float16")
    found = estimate_latency(report, device, row["mode"])
    assert found.total is not None
    assert report.totals.macs is not None
    roofline = found.total.low * found.efficiency.low / batch
    return Timing(row["example"], 1 / float(row["samples_per_second"]), roofline, report.totals.macs / batch)


@lru_cache(maxsize=20)
def timings(device: str, mode: str) -> tuple[Timing, ...]:
    rows = [row for row in FACTS if (row["device"], row["mode"]) == (device, mode)]
    return tuple(map(time_one, sorted(rows, key=lambda row: row["example"])))


def fit(found: Sequence[Timing]) -> float:
    """Return the efficiency: the median over every other network."""
    return median(one.roofline / one.measured for one in found[::2])


def errors(found: Sequence[Timing], efficiency: float) -> list[float]:
    return [abs(one.roofline / efficiency / one.measured - 1) for one in found]


def errors_by_macs(found: Sequence[Timing]) -> list[float]:
    speed = median(one.macs / one.measured for one in found[::2])
    return [abs(one.macs / speed / one.measured - 1) for one in found]


def correlate_ranks(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Spearman's rank correlation of numbers without ties: 1 - 6 Σd² / (n (n² - 1))."""
    ranks = [sorted(range(len(values)), key=values.__getitem__) for values in (first, second)]
    places = [{index: place for place, index in enumerate(order)} for order in ranks]
    squares = sum((places[0][index] - places[1][index]) ** 2 for index in range(len(first)))
    return 1 - 6 * squares / (len(first) * (len(first) ** 2 - 1))


def machine_row(device: str, mode: str) -> str:
    """Return the row of a machine in the table of the manual."""
    found = timings(device, mode)
    efficiency = round(fit(found), 2)
    measured, macs = [one.measured for one in found], errors_by_macs(found)
    wrong = errors(found, efficiency)
    cells = [
        f"`{device}`" if device in list_device_names() else device,
        mode,
        str(len(found)),
        f"{efficiency:.2f}",
        f"{median(wrong[1::2]):.0%}",
        f"{median(wrong):.0%}",
        f"{max(wrong):.0%}",
        f"{correlate_ranks([one.roofline for one in found], measured):.3f}",
        f"{median(macs):.0%}",
        f"{correlate_ranks([one.macs for one in found], measured):.3f}",
    ]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize(("device", "mode"), MACHINES)
def test_the_manual_states_the_errors_of_each_machine(device: str, mode: str) -> None:
    assert len(timings(device, mode)) >= 15
    assert machine_row(device, mode) in MANUAL


@pytest.mark.parametrize(("device", "mode"), [pair for pair in MACHINES if pair[0] != "i9-10940x"])
def test_the_efficiency_of_a_device_is_fitted_to_half_of_its_networks(device: str, mode: str) -> None:
    key = "efficiency" if mode == "fused" else "eager_efficiency"
    stated = find_device(device).figures[key]
    assert stated is not None
    assert stated.low == round(fit(timings(device, mode)), 2)


@pytest.mark.parametrize(("key", "mode"), [("efficiency", "fused"), ("eager_efficiency", "eager")])
def test_the_efficiency_of_a_device_that_was_not_measured_is_the_mean_of_the_others(key: str, mode: str) -> None:
    measured = [fit(timings(*pair)) for pair in MACHINES if pair[1] == mode and pair[0] != "i9-10940x"]
    others = [name for name in list_device_names(("gpu",)) if (name, mode) not in MACHINES]
    assert others
    for name in others:
        stated = find_device(name).figures[key]
        assert stated is not None
        assert stated.low == round(sum(measured) / len(measured), 2)
        assert stated.source.startswith("not measured on this GPU")


@pytest.mark.parametrize(("device", "mode"), [pair for pair in MACHINES if pair[0] != "i9-10940x"])
def test_the_roofline_is_nearer_than_multiply_accumulates_alone(device: str, mode: str) -> None:
    found = timings(device, mode)
    measured = [one.measured for one in found]
    assert median(errors(found, fit(found))) < 0.5 * median(errors_by_macs(found))
    by_macs = correlate_ranks([one.macs for one in found], measured)
    assert correlate_ranks([one.roofline for one in found], measured) > by_macs


def test_the_share_that_compiled_depthwise_networks_reach_is_the_one_in_the_note() -> None:
    pairs = [pair for pair in MACHINES if pair[1] == "fused" and pair[0] != "i9-10940x"]
    reached = [one.roofline / one.measured for pair in pairs for one in timings(*pair) if one.example in DEPTHWISE]
    assert (round(min(reached), 2), round(max(reached), 2)) == STATED
    assert f"{STATED[0]} to {STATED[1]} of the roofline" in MANUAL
    assert min(int(row["batch"]) for row in FACTS if row["device"] != "i9-10940x") == SMALLEST_BATCH
    found = timings("i9-10940x", "fused")
    assert round(median(errors(found, round(fit(found), 2))[1::2]), 2) == CPU_ERROR


def test_the_share_that_a_transformer_reaches_is_the_one_in_the_manual() -> None:
    pairs = [pair for pair in MACHINES if pair[0] != "i9-10940x"]
    reached = [one.roofline / one.measured for pair in pairs for one in timings(*pair) if one.example == "vit_tiny"]
    assert f"ViT-Tiny reached {min(reached):.2f} to {max(reached):.2f} of the roofline" in MANUAL


def test_the_examples_do_the_published_multiply_accumulates() -> None:
    """The examples are the networks that were timed: timm's count in G, at the size of the benchmark, is within 6%."""
    for row in FACTS:
        if row["device"] == "rtx4090":
            found = network(row["example"], int(row["size"]), int(row["batch"]), "float16").totals.macs
            assert found is not None
            assert found / int(row["batch"]) / 1e9 == pytest.approx(float(row["gmacs"]), rel=0.06, abs=0.006)


# -- microcontrollers


def board_times(board: str, example: str) -> tuple[float, float]:
    """Return the shortest and the longest published time of a network on a board, in seconds."""
    speeds = [float(row[example]) for row in RESULTS if row["device"] == board and row[example]]
    return 1 / max(speeds), 1 / min(speeds)


def name_ends(board: str, example: str) -> str:
    """Return what the source of cycles says about the slowest and the fastest submission of a network on a board."""
    rows = sorted(
        ((float(row[example]), row) for row in RESULTS if row["device"] == board and row[example]), key=itemgetter(0)
    )
    return f"at {rows[0][1][example]} to {rows[-1][1][example]} inferences per second; fastest {rows[-1][1]['round']} "


@pytest.mark.parametrize("board", BOARDS)
def test_cycles_of_a_board_are_those_of_published_results(board: str) -> None:
    device = find_device(board)
    clock = device.figures["clock"]
    assert clock is not None
    for example, kind in NETWORKS.items():
        macs = analyse(load(f"example:{example}")).totals.macs
        assert macs is not None
        expected = [round(time * clock.low / macs, 2) for time in board_times(board, example)]
        cycles = device.cycles_per_mac[kind]
        assert [cycles.low, cycles.high] == expected
        assert name_ends(board, example) in cycles.source
    assert device.cycles_per_mac["depthwise_conv"] == device.cycles_per_mac["pointwise_conv"]


@pytest.mark.parametrize("board", BOARDS)
def test_the_manual_states_the_error_for_a_network_that_was_not_fitted(board: str) -> None:
    """The cycles come from three networks; DS-CNN is the fourth."""
    found = estimate_latency(analyse(load("example:ds_cnn")), find_device(board)).total
    assert found is not None
    measured = board_times(board, "ds_cnn")
    cells = [f"{1000 * time:.1f}" for time in (*found, *measured)]
    row = f"| `{board}` | {cells[0]} to {cells[1]} ms | {cells[2]} to {cells[3]} ms |"
    assert row in MANUAL
    for estimate, time in zip(found, measured, strict=True):
        assert estimate == pytest.approx(time, rel=0.35)


def test_the_manual_states_the_measured_energy_per_multiply_accumulate() -> None:
    found = []
    for row in read_table("mlperf_tiny_energy.csv"):
        macs = analyse(load(f"example:{row['example']}")).totals.macs
        assert macs is not None
        found.append(float(row["microjoules"]) * 1000 / macs)
    assert f"{min(found):.1f} to {max(found):.1f} nJ per multiply-accumulate" in MANUAL


def test_the_table_of_the_manual_has_no_other_rows() -> None:
    rows = re.findall(r"^\| (?:`[\w-]+`|i9-10940x) \| (?:fused|eager) \|.*$", MANUAL, re.MULTILINE)
    assert rows == [machine_row(*pair) for pair in MACHINES]
    assert all(first[0] <= second[0] or second[0] == "i9-10940x" for first, second in pairwise(MACHINES))
