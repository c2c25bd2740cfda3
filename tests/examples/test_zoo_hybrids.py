"""The examples that mix convolutions with attention, or follow those, compared with PyTorch, timm and the papers."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

import convcalc
from tests.convert.test_timm import build
from tests.support.places import EXAMPLES


class Figures(NamedTuple):
    """The cost of a network for one sample."""

    params: int
    buffers: int
    macs: int
    output_shape: list[int]


class Row(NamedTuple):
    """The exact figures, from PyTorch in oracle/reference_hybrids.py, and who else reports them."""

    figures: Figures
    source: str


TABLE = {
    "coatnet_0": Row(
        Figures(25_036_820, 13_696, 4_546_507_776, [1000]),
        "Dai et al. 2021: 25 M params, 4.2 G FLOPs (multiply-adds); timm, coatnet_0_224: 25,036,820 params",
    ),
    "convnext_v2_tiny": Row(
        Figures(28_635_496, 0, 4_455_531_264, [1000]),
        "the authors' table of weights: 28.6 M params, 4.47 G FLOPs (multiply-adds)",
    ),
    "ddpm_unet": Row(
        Figures(35_746_307, 0, 6_221_856_768, [3, 32, 32]),
        "Ho et al. 2020, appendix B: 35.7 M params; diffusers, google/ddpm-cifar10-32: 35,746,307",
    ),
    "mobilevit_s": Row(
        Figures(5_578_632, 12_256, 2_000_831_488, [1000]),
        "Mehta and Rastegari 2021: 5.6 M params, 2.0 G FLOPs (multiply-adds)",
    ),
    "segformer_b0": Row(
        Figures(3_752_694, 512, 8_387_821_568, [150, 128, 128]),
        "Xie et al. 2021, table 1: 3.8 M params, 8.4 G FLOPs (multiply-adds); transformers: 3,752,694 params",
    ),
}

Setting = tuple[str, dict[str, Any], Figures]

# Other values for the examples' spec parameters, and published figures for them
VARIANTS: list[Setting] = [
    # Dai et al. 2021: 42 M params, 8.4 G FLOPs; timm, coatnet_1_224: 42,225,776 params
    ("coatnet_0", {"depths": [2, 6, 14, 2]}, Figures(42_225_776, 24_064, 8_643_499_008, [1000])),
    ("coatnet_0", {"size": 256}, Figures(25_053_428, 13_696, 5_999_732_736, [1000])),
    # Woo et al. 2023, table of the authors' weights: 3.7 M params; timm, convnextv2_atto: 3,708,400
    (
        "convnext_v2_tiny",
        {"width": 40, "depths": [2, 2, 6, 2]},
        Figures(3_708_400, 0, 547_332_480, [1000]),
    ),
    # 15.6 M; timm, convnextv2_nano: 15,623,800
    (
        "convnext_v2_tiny",
        {"width": 80, "depths": [2, 2, 8, 2]},
        Figures(15_623_800, 0, 2_445_528_320, [1000]),
    ),
    ("mobilevit_s", {"size": 320}, Figures(5_578_632, 12_256, 3_282_064_000, [1000])),
    ("ddpm_unet", {"width": 64, "size": 64}, Figures(8_952_067, 0, 7_402_094_592, [3, 64, 64])),
    ("segformer_b0", {"classes": 19, "size": 1024}, Figures(3_719_027, 512, 43_835_719_680, [19, 256, 256])),
]

# Xie et al. 2021, table 1: the spec parameters of SegFormer-B1 to B5, millions of params, and billions of
# multiply-adds; B5 reads images of 640×640
WIDE = {"widths": [64, 128, 320, 512]}
LARGER_SEGFORMERS = [
    (WIDE, 13.7, 15.9),
    (WIDE | {"decoder": 768, "depths": [3, 4, 6, 3]}, 27.5, 62.4),
    (WIDE | {"decoder": 768, "depths": [3, 4, 18, 3]}, 47.3, 79.0),
    (WIDE | {"decoder": 768, "depths": [3, 8, 27, 3]}, 64.1, 95.7),
    (WIDE | {"decoder": 768, "depths": [3, 6, 40, 3], "size": 640}, 84.7, 183.3),
]


def report(name: str, **params: Any) -> dict[str, Any]:
    return convcalc.analyse(convcalc.load(EXAMPLES / f"{name}.yaml", params=params)).to_dict()


def reported(name: str, **params: Any) -> Figures:
    found = report(name, **params)
    totals = found["totals"]
    [output_shape] = found["outputs"].values()
    return Figures(totals["params"], totals["buffers"], totals["macs"], output_shape)


@pytest.mark.parametrize("name", TABLE)
def test_costs_are_those_in_the_table(name: str) -> None:
    assert reported(name) == TABLE[name].figures


@pytest.mark.parametrize(("name", "params", "expected"), VARIANTS)
def test_params_of_an_example_change_its_costs(name: str, params: dict[str, Any], expected: Figures) -> None:
    assert reported(name, **params) == expected


@pytest.mark.parametrize("name", TABLE)
def test_the_comment_of_a_spec_states_its_params(name: str) -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    assert f"{TABLE[name].figures.params:,}" in text[: text.index("description:")]


@pytest.mark.parametrize(("params", "millions", "billions"), LARGER_SEGFORMERS)
def test_the_larger_segformers_have_their_published_costs(
    params: dict[str, Any], millions: float, billions: float
) -> None:
    found = reported("segformer_b0", **params)
    assert round(found.params / 1e6, 1) == millions
    assert found.macs / 1e9 == pytest.approx(billions, rel=0.002)


DEFAULTS: list[Setting] = [(name, {}, row.figures) for name, row in TABLE.items()]


@pytest.mark.torch
@pytest.mark.parametrize(("name", "params", "expected"), DEFAULTS + VARIANTS)
def test_the_table_is_what_pytorch_counts(name: str, params: dict[str, Any], expected: Figures) -> None:
    from tests.oracle.reference_hybrids import figures

    assert Figures(**figures(name, **params)) == expected


# networks of timm, and the examples with the spec parameters that make them
TIMM: list[tuple[str, str, dict[str, Any]]] = [
    ("coatnet_0_224", "coatnet_0", {}),
    ("coatnet_1_224", "coatnet_0", {"depths": [2, 6, 14, 2]}),
    ("convnextv2_tiny", "convnext_v2_tiny", {}),
    ("convnextv2_atto", "convnext_v2_tiny", {"width": 40, "depths": [2, 2, 6, 2]}),
    ("convnextv2_base", "convnext_v2_tiny", {"width": 128, "depths": [3, 3, 27, 3]}),
    ("mobilevit_s", "mobilevit_s", {}),
]


@pytest.mark.torch
@pytest.mark.parametrize(("network", "name", "params"), TIMM, ids=[network for network, _, _ in TIMM])
def test_the_network_of_timm_has_the_same_costs(network: str, name: str, params: dict[str, Any]) -> None:
    from tests.oracle.reference_hybrids import count

    found = report(name, **params)
    shapes = [tuple(shape) for shape in found["inputs"].values()]
    assert Figures(**count(build(network), shapes)) == reported(name, **params)
