"""The residual, segmentation, detection, video and small networks of examples/, compared exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

import convcalc
from tests.support.places import EXAMPLES

Shape = list[int]


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a network and who else reports them."""

    params: int
    buffers: int
    macs: int
    output_shapes: list[Shape]
    source: str


TABLE = {
    "conv_autoencoder": Figures(
        28_353, 0, 4_515_840, [[1, 28, 28]],
        "keras.io/examples/vision/autoencoder: Total params 28,353",
    ),
    "deeplabv3_resnet50": Figures(
        39_638_869, 56_704, 168_731_205_888, [[21, 520, 520]],
        "torchvision, DeepLabV3_ResNet50_Weights: 42,004,074 params, 178.722 GFLOPS, with the auxiliary classifier",
    ),
    "ds_cnn": Figures(
        23_756, 1_152, 2_656_768, [[12]],
        "mlcommons/tiny, keyword_spotting/keras_model.py, in Keras: Total params 24,908, trainable 23,756",
    ),
    "espcn": Figures(
        22_729, 0, 1_135_181_824, [[1, 672, 672]],
        "Shi et al. 2016: (f, n) = (5, 64), (3, 32), (3, 9); PyTorch ports print 22,729 params, 1.14 GFlops at 224×224",
    ),
    "fcn_resnet50": Figures(
        32_957_013, 54_144, 142_725_772_800, [[21, 520, 520]],
        "torchvision, FCN_ResNet50_Weights: 35,322,218 params, 152.717 GFLOPS, with the auxiliary classifier",
    ),
    "r3d_18": Figures(
        33_371_472, 9_600, 40_696_553_472, [[400]],
        "torchvision, R3D_18_Weights: 33,371,472 params, 40.697 GFLOPS",
    ),
    "resnet34": Figures(
        21_797_672, 17_024, 3_663_761_408, [[1000]],
        "torchvision, ResNet34_Weights: 21,797,672 params, 3.664 GFLOPS",
    ),
    "resnet101": Figures(
        44_549_160, 105_344, 7_801_405_440, [[1000]],
        "torchvision, ResNet101_Weights: 44,549,160 params, 7.801 GFLOPS",
    ),
    "resnet152": Figures(
        60_192_808, 151_424, 11_513_626_624, [[1000]],
        "torchvision, ResNet152_Weights: 60,192,808 params, 11.514 GFLOPS",
    ),
    "yolov3": Figures(
        61_949_149, 52_608, 32_932_037_632, [[255, 13, 13], [255, 26, 26], [255, 52, 52]],
        "ultralytics/yolov3 v9.5: 61,949,149 parameters; pjreddie.com/darknet/yolo: YOLOv3-416, 65.86 Bn FLOPS",
    ),
    "yolov8n": Figures(
        3_157_200, 10_592, 4_371_993_600,
        [[channels, size, size] for size in (80, 40, 20) for channels in (4, 80)],
        "the model file yolov8.yaml of Ultralytics 8.4: 3,157,200 parameters, 3,157,184 gradients, 8.9 GFLOPs",
    ),
}  # fmt: skip

AUXILIARY_CLASSIFIER: dict[str, Any] = {
    "input": [1024, 65, 65],
    "layers": [
        {"conv": {"out_channels": 256, "kernel_size": 3, "padding": 1, "bias": False}},
        "batchnorm",
        "relu",
        "dropout",
        {"conv": {"out_channels": 21, "kernel_size": 1}},
    ],
}  # the auxiliary classifier of torchvision's segmentation networks, on the features of the second-last stage


def report(name: str, **overrides: Any) -> dict[str, Any]:
    return convcalc.analyse(convcalc.load(EXAMPLES / f"{name}.yaml", **overrides)).to_dict()


def billions(macs: int) -> float:
    return round(macs / 1e9, 3)


@pytest.mark.parametrize("name", TABLE)
def test_an_example_has_the_figures_in_the_table(name: str) -> None:
    found, known = report(name), TABLE[name]
    totals = found["totals"]
    assert (totals["params"], totals["buffers"], totals["macs"]) == (known.params, known.buffers, known.macs)
    assert list(found["outputs"].values()) == known.output_shapes


@pytest.mark.parametrize(
    ("name", "published"), [("resnet34", 3.664), ("resnet101", 7.801), ("resnet152", 11.514), ("r3d_18", 40.697)]
)
def test_macs_match_torchvision(name: str, published: float) -> None:
    assert billions(TABLE[name].macs) == published


@pytest.mark.parametrize(
    ("name", "params", "published"),
    [("fcn_resnet50", 35_322_218, 152.717), ("deeplabv3_resnet50", 42_004_074, 178.722)],
)
def test_torchvision_publishes_segmentation_with_the_auxiliary_classifier(
    name: str, params: int, published: float
) -> None:
    beside = convcalc.analyse(convcalc.load(AUXILIARY_CLASSIFIER)).to_dict()["totals"]
    assert TABLE[name].params + beside["params"] == params
    assert billions(TABLE[name].macs + beside["macs"]) == published


def test_yolov3_matches_its_authors_file_and_page() -> None:
    assert TABLE["yolov3"].params + TABLE["yolov3"].buffers == 62_001_757  # 248,007,048 bytes with a header of 20
    assert round(2 * TABLE["yolov3"].macs / 1e9, 2) == 65.86


def test_keras_counts_running_statistics_as_params() -> None:
    assert TABLE["ds_cnn"].params + TABLE["ds_cnn"].buffers == 24_908


def test_a_wide_resnet101_is_a_resnet101_with_another_width() -> None:
    """torchvision publishes 126,886,696 params and 22.753 GFLOPS."""
    totals = report("resnet101", params={"width": 2})["totals"]
    assert (totals["params"], billions(totals["macs"])) == (126_886_696, 22.753)


def test_the_cost_of_yolov3_scales_with_the_area_of_the_picture() -> None:
    found = report("yolov3", params={"size": 608})
    assert list(found["outputs"].values()) == [[255, 19, 19], [255, 38, 38], [255, 76, 76]]
    assert found["totals"]["params"] == TABLE["yolov3"].params
    assert found["totals"]["macs"] * 13**2 == TABLE["yolov3"].macs * 19**2


@pytest.mark.parametrize(
    ("params", "published"),  # the params and gradients of yolov8s to yolov8x in the model file of Ultralytics 8.4
    [
        ({"channels": 32, "deepest": 512}, (11_166_560, 11_166_544)),
        ({"channels": 48, "deepest": 576, "depth": 2}, (25_902_640, 25_902_624)),
        ({"channels": 64, "deepest": 512, "depth": 3}, (43_691_520, 43_691_504)),
        ({"channels": 80, "deepest": 640, "depth": 3}, (68_229_648, 68_229_632)),
    ],
)
def test_the_larger_sizes_of_yolov8_have_their_published_params(
    params: dict[str, int], published: tuple[int, int]
) -> None:
    totals = report("yolov8n", params=params)["totals"]
    assert (totals["params"], totals["trainable_params"]) == published


@pytest.mark.torch
@pytest.mark.parametrize("name", TABLE)
def test_the_table_is_what_pytorch_counts(name: str) -> None:
    from tests.oracle.reference_dense import figures

    known = TABLE[name]
    assert figures(name) == {
        "params": known.params,
        "buffers": known.buffers,
        "macs": known.macs,
        "output_shapes": known.output_shapes,
    }
