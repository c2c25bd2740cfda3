import pytest

from convcalc import summary
from convcalc.check.rules.unproductive_layers import UnproductiveLayers
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 5, 5]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
""",
        [
            (
                ("layers", 2, "conv"),
                "the input of conv already has a receptive field as large as the network input (5×5)",
            )
        ],
    ),
    (
        """\
input: [8, 5, 5]
layers:
  - conv: {out_channels: 8, kernel_size: [3, 9], padding: same}
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
""",
        [
            (
                ("layers", 2, "conv"),
                "the input of conv already has a receptive field as large as the network input (5×5)",
            )
        ],
    ),
    (
        """\
input: [8, 7, 7]
layers:
  - conv: {out_channels: 8, kernel_size: 7, padding: 3}
  - {branches: [[conv: {out_channels: 8, kernel_size: 3, padding: 1}], []], merge: add}
  - pointwise_conv: {out_channels: 4}
""",
        [
            (
                ("layers", 1, "branches", 0, 0, "conv"),
                "the input of conv already has a receptive field as large as the network input (7×7)",
            ),
            (
                ("layers", 2, "pointwise_conv"),
                "the input of pointwise_conv already has a receptive field as large as the network input (7×7)",
            ),
        ],
    ),
]

LEFT_ALONE = [
    """\
input: [8, 5, 5]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
""",
    """\
input: [8, 5, 5]
layers:
  - conv: {out_channels: 8, kernel_size: [9, 3], padding: same}
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
""",
    """\
input: [8, 5, 5]
layers:
  - {branches: [[conv: {out_channels: 8, kernel_size: 5, padding: 2}], []], merge: add}
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
""",
    """\
input: [8, 32, 32]
layers:
  - global_avgpool
  - pointwise_conv: {out_channels: 4}
""",
    """\
input: [8, 32, 32]
layers:
  - flatten
  - linear: {out_features: 4}
""",
]


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(UnproductiveLayers, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(UnproductiveLayers, text) == []


def test_finds_the_end_of_mobilenet_and_nothing_in_vgg_at_224() -> None:
    # the field of MobileNet is 315 (Araujo et al. 2019), before its last block 315 - 2 × 32 = 251, before that 219
    places = [problem.path for problem in UnproductiveLayers().findings(summary("examples/mobilenet_v1.yaml"))]
    assert [path[-1] for path in places] == ["pointwise_conv", "depthwise_conv", "pointwise_conv"]
    assert list(UnproductiveLayers().findings(summary("examples/vgg16.yaml"))) == []
    assert list(UnproductiveLayers().findings(summary("examples/resnet50.yaml"))) == []


def test_finds_most_of_alexnet_for_small_pictures() -> None:
    # 64 × 64: the fields before the five convolutions are 1, 19, 67, 99 and 131
    report = summary("examples/alexnet.yaml", input=[3, 64, 64])
    assert [problem.path[1] for problem in UnproductiveLayers().findings(report)] == [6, 8, 10]
