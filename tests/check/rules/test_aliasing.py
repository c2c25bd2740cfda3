import pytest

from convcalc import summary
from convcalc.check.rules.aliasing import Aliasing
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
""",
        [(("layers", 0, "conv"), "conv has stride 2 and no low-pass filter before it")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - maxpool: {kernel_size: 3, stride: [2, 1]}
""",
        [(("layers", 0, "maxpool"), "maxpool has stride 2×1 and no low-pass filter before it")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - pointwise_conv: {out_channels: 8, stride: 2}
  - depthwise_conv: {kernel_size: 4, stride: 4}
""",
        [
            (("layers", 0, "pointwise_conv"), "pointwise_conv has stride 2 and no low-pass filter before it"),
            (("layers", 1, "depthwise_conv"), "depthwise_conv has stride 4 and no low-pass filter before it"),
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - blurpool: {stride: 1}
  - maxpool: {kernel_size: 2}
""",
        [(("layers", 1, "maxpool"), "maxpool has stride 2 and no low-pass filter before it")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - blurpool
  - conv: {out_channels: 8, kernel_size: 3, stride: 2}
""",
        [(("layers", 1, "conv"), "conv has stride 2 and no low-pass filter before it")],
    ),
]

LEFT_ALONE = [
    """\
input: [8, 32, 32]
layers:
  - avgpool: {kernel_size: 2}
""",
    """\
input: [8, 32, 32]
layers:
  - maxpool: {kernel_size: 2, stride: 1}
  - blurpool
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - relu
  - blurpool
""",
    """\
input: [8, 32, 32]
layers:
  - blurpool: {stride: 1}
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 32, stride: 32}
""",
    """\
input: [8, 32, 32]
layers:
  - conv_transpose: {out_channels: 8, kernel_size: 2, stride: 2}
""",
]


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(Aliasing, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(Aliasing, text) == []


def count(name: str) -> int:
    return len(list(Aliasing().findings(summary(f"examples/{name}.yaml"))))


def test_counts_the_strides_of_published_networks() -> None:
    # the first convolution, the pooling, and two in the first block of each of the last three stages
    assert count("resnet50") == 2 + 3 * 2
    # one convolution and three poolings; five poolings
    assert count("alexnet") == 4
    assert count("vgg16") == 5
    # as ResNet up to the first stage; the transitions pool by averages
    assert count("densenet121") == 2


def test_leaves_an_anti_aliased_vgg_alone() -> None:
    with open("examples/vgg16.yaml", encoding="utf-8") as file:
        text = file.read()
    blurred = text.replace("- maxpool: 2", "- maxpool: {kernel_size: 2, stride: 1}\n      - blurpool")
    assert found(Aliasing, blurred) == []
