"""The search spaces in examples/: their sizes are the published ones, and their networks cost what PyTorch counts."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

import convcalc
from convcalc.metrics.figures import figure
from convcalc.space.counting import FigureCounts
from convcalc.space.design_space import DesignSpace, read_space
from convcalc.space.extent import count_networks
from convcalc.spec.inputs import Overrides
from convcalc.spec.source import read_text
from tests.support.places import EXAMPLES

FBNET_C = [
    "k3_e1",
    "k3_e6",
    "skip",
    "k3_e1",
    "k3_e1",
    "k5_e6",
    "k5_e3",
    "k5_e6",
    "k3_e6",
    "k5_e6",
    "k5_e3",
    "k5_e6",
    "k5_e6",
    "k5_e6",
    "k5_e6",
    "k5_e6",
    "k5_e3",
    "k5_e6",
    "k5_e6",
    "k5_e6",
    "k5_e6",
    "k3_e6",
]

# The params and MACs of the defaults. FBNet-C: timm, fbnetc_100: 5,572,200 params (5.57 M, 0.4 GMACs); the paper
# (table 3) has 375 M MACs, and 1504 channels in the last convolution: 376 M MACs here. OFA: PyTorch
TABLE = {
    "ofa_mobilenet_v3": (7_664_760, 566_170_656),
    "fbnet": (5_572_200, 384_960_160),
}


@cache
def read(name: str) -> DesignSpace:
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    return read_space(read_text(text), Overrides())


def counted(name: str, **params: Any) -> dict[str, Any]:
    report = convcalc.analyse(convcalc.load(EXAMPLES / f"{name}.yaml", params=params))
    [output] = report.outputs().values()
    figures = {metric: figure(report, metric) for metric in ("params", "buffers", "macs")}
    return {**figures, "output_shape": list(output.sizes)}


@pytest.mark.parametrize("name", TABLE)
def test_the_default_network_has_the_published_figures(name: str) -> None:
    found = counted(name)
    assert (found["params"], found["macs"]) == TABLE[name]
    assert found["output_shape"] == [1000]


def test_fbnet_with_the_last_convolution_of_the_paper_has_the_macs_of_the_paper() -> None:
    assert round(counted("fbnet", last=1504)["macs"] / 1e6) in (375, 376)


@pytest.mark.parametrize("name", TABLE)
def test_a_space_has_a_description(name: str) -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "\ndescription: " in text


def test_ofa_has_as_many_networks_as_published() -> None:
    """Per unit 9² + 9³ + 9⁴ networks."""
    space = read("ofa_mobilenet_v3")
    assert count_networks(space.graph)[space.graph.start] == 7371**5 == 21_758_655_492_572_485_851


def test_fbnet_has_as_many_networks_as_published() -> None:
    space = read("fbnet")
    assert count_networks(space.graph)[space.graph.start] == 9**22


def stages_only() -> str:
    """Return the text of a space that has only the units of OFA, without squeeze-and-excite."""
    text = (EXAMPLES / "ofa_mobilenet_v3.yaml").read_text(encoding="utf-8")
    head, units = text.split("\nlayers:\n  - conv")
    lines = [line for line in units.split("\n") if line.startswith("  - unit")]
    assert len(lines) == 5
    shortened = head.replace("input: [3, $size, $size]", "input: [16, 112, 112]") + "\nlayers:\n" + "\n".join(lines)
    return shortened.replace("squeeze: true, ", "").replace(", squeeze: true", "")


def test_the_macs_of_the_units_of_ofa_are_distributed_as_another_program_counted() -> None:
    """A separate script multiplied the distributions of five units, from formulas for their MACs, in 23 seconds."""
    counts = FigureCounts(read_space(read_text(stages_only()), Overrides()).graph, "macs")
    assert counts.error == 0
    assert counts.count_at_most(200_000_000) == 239_329_941_419_050
    assert counts.count_at_most(300_000_000) == 3_252_592_213_042_914_861
    assert counts.count_at_most(400_000_000) == 21_562_243_663_457_203_926
    assert round(counts.most / 1e6, 4) == 543.1944
    assert f"{3_252_592_213_042_914_861 / 7371**5:.1%}" == "14.9%"


def list_drawn(name: str) -> list[dict[str, Any]]:
    return [found.params for found in read(name).restrict([]).draw(8, seed=1)]


@pytest.mark.parametrize("name", TABLE)
def test_drawn_networks_have_the_promised_figures(name: str) -> None:
    for params, promised in read(name).restrict([]).draw(8, seed=1):
        totals = convcalc.analyse(convcalc.load(EXAMPLES / f"{name}.yaml", params=params)).totals
        assert {metric: getattr(totals, metric) for metric in promised} == promised


@pytest.mark.torch
def test_networks_of_ofa_cost_what_pytorch_counts() -> None:
    from tests.oracle.reference_spaces import figures, ofa_mobilenet_v3

    for params in list_drawn("ofa_mobilenet_v3"):
        depths = [params[f"depth{unit}"] for unit in range(1, 6)]
        module = ofa_mobilenet_v3(depths, params["kernel"], params["expand"])
        assert counted("ofa_mobilenet_v3", **params) == figures(module)


@pytest.mark.torch
def test_networks_of_fbnet_cost_what_pytorch_counts() -> None:
    from tests.oracle.reference_spaces import fbnet, figures

    for params in list_drawn("fbnet"):
        assert counted("fbnet", **params) == figures(fbnet(params["op"]))


@pytest.mark.torch
def test_the_defaults_are_what_pytorch_counts() -> None:
    from tests.oracle.reference_spaces import fbnet, figures, ofa_mobilenet_v3

    assert counted("ofa_mobilenet_v3") == figures(ofa_mobilenet_v3([4] * 5, [7] * 20, [6] * 20))
    assert counted("fbnet") == figures(fbnet(FBNET_C))
