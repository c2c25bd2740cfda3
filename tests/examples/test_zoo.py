"""The examples that follow torchvision: convcalc's figures match PyTorch's counts and the published ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

import convcalc
from tests.support.places import EXAMPLES


class Published(NamedTuple):
    """torchvision's `meta` data of its weights: `num_params`, and `_ops` in GMACs (since 0.15)."""

    weights: str
    params: int
    gmacs: float
    training_only: int = 0
    """The params of auxiliary classifiers that `num_params` counts and a network for inference has not."""


class Row(NamedTuple):
    """The exact figures, from PyTorch in oracle/reference_zoo.py, and the published ones."""

    params: int
    buffers: int
    macs: int
    published: Published

    def figures(self) -> dict[str, Any]:
        return {"params": self.params, "buffers": self.buffers, "macs": self.macs, "output_shape": [1000]}


ZOO = {
    "googlenet": Row(6_624_904, 14_560, 1_498_376_192, Published("GoogLeNet_Weights", 6_624_904, 1.498)),
    "inception_v3": Row(
        23_834_568, 34_432, 5_713_216_096, Published("Inception_V3_Weights", 27_161_264, 5.713, training_only=3_326_696)
    ),
    "densenet121": Row(7_978_856, 83_648, 2_834_161_664, Published("DenseNet121_Weights", 7_978_856, 2.834)),
    "efficientnet_b0": Row(5_288_548, 42_016, 385_814_752, Published("EfficientNet_B0_Weights", 5_288_548, 0.386)),
    "mobilenet_v3_large": Row(
        5_483_032, 24_400, 216_589_760, Published("MobileNet_V3_Large_Weights", 5_483_032, 0.217)
    ),
    "shufflenet_v2_x1_0": Row(
        2_278_604, 16_180, 144_907_992, Published("ShuffleNet_V2_X1_0_Weights", 2_278_604, 0.145)
    ),
    "mnasnet1_0": Row(4_383_312, 37_920, 314_415_872, Published("MNASNet1_0_Weights", 4_383_312, 0.314)),
    "regnet_y_400mf": Row(4_344_144, 27_152, 401_842_848, Published("RegNet_Y_400MF_Weights", 4_344_144, 0.402)),
    "resnext50_32x4d": Row(25_028_904, 68_224, 4_230_479_872, Published("ResNeXt50_32X4D_Weights", 25_028_904, 4.23)),
    "convnext_tiny": Row(28_589_128, 0, 4_455_531_264, Published("ConvNeXt_Tiny_Weights", 28_589_128, 4.456)),
}

OTHER_MNASNETS = {
    0.5: Published("MNASNet0_5_Weights", 2_218_512, 0.104),
    0.75: Published("MNASNet0_75_Weights", 3_170_208, 0.215),
    1.3: Published("MNASNet1_3_Weights", 6_282_256, 0.526),
}


def counted(name: str, **params: float) -> dict[str, Any]:
    report = convcalc.analyse(convcalc.load(EXAMPLES / f"{name}.yaml", params=params)).to_dict()
    [output_shape] = report["outputs"].values()
    return {figure: report["totals"][figure] for figure in ("params", "buffers", "macs")} | {
        "output_shape": output_shape
    }


@pytest.mark.parametrize("name", ZOO)
def test_counts_match_pytorch(name: str) -> None:
    assert counted(name) == ZOO[name].figures()


@pytest.mark.parametrize("name", ZOO)
def test_counts_match_the_published_ones(name: str) -> None:
    row = ZOO[name]
    assert row.params + row.published.training_only == row.published.params
    assert round(row.macs / 1e9, 3) == row.published.gmacs


@pytest.mark.parametrize("name", ZOO)
def test_the_comment_of_a_spec_states_its_figures(name: str) -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    comment = " ".join(text[: text.index("description:")].replace("#", " ").split())
    assert f"{ZOO[name].params:,} params, {ZOO[name].macs / 1e9:.3f} GMACs" in comment


@pytest.mark.parametrize("width", OTHER_MNASNETS)
def test_other_widths_are_the_other_mnasnets(width: float) -> None:
    found, published = counted("mnasnet1_0", width=width), OTHER_MNASNETS[width]
    assert found["params"] == published.params
    assert round(found["macs"] / 1e9, 3) == published.gmacs


@pytest.mark.torch
def test_the_table_is_what_pytorch_counts() -> None:
    from tests.oracle.reference_zoo import MODELS, figures

    assert {name: figures(name) for name in MODELS} == {name: row.figures() for name, row in ZOO.items()}
