import io

import pytest

from convcalc import summary
from convcalc.check.rules.channel_multiple import ChannelMultiple
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 30, kernel_size: 3}
  - conv: {out_channels: 8, kernel_size: 3}
""",
        [(("layers", 0, "conv"), "conv has 30 output channels, not a multiple of 8")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - flatten
  - linear: {out_features: 100}
  - relu
  - linear: {out_features: 10}
""",
        [(("layers", 1, "linear"), "linear has 100 output features, not a multiple of 8")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - pointwise_conv: {out_channels: 6}
  - depthwise_conv: {kernel_size: 3}
  - conv: {out_channels: 8, kernel_size: 3}
""",
        [(("layers", 0, "pointwise_conv"), "pointwise_conv has 6 output channels, not a multiple of 8")],
    ),
]

LEFT_ALONE = [
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3}
  - conv: {out_channels: 8, kernel_size: 3}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 10, kernel_size: 3}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3}
  - conv: {out_channels: 10, kernel_size: 3}
  - relu
  - global_avgpool
  - flatten
  - softmax
""",
    """\
input: [8, 32, 32]
layers:
  - {branches: [[pointwise_conv: {out_channels: 3}], [pointwise_conv: {out_channels: 4}]], merge: concat}
""",
    """\
input: [3, 32, 32]
layers:
  - depthwise_conv: {kernel_size: 3}
  - conv: {out_channels: 8, kernel_size: 3}
""",
]


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(ChannelMultiple, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(ChannelMultiple, text) == []


def test_knows_which_networks_round_their_channels() -> None:
    # MobileNet rounds to multiples of 8; LeNet has 6, 16, 120 and 84; ShuffleNet halves 116 to 58
    assert list(ChannelMultiple().findings(summary("examples/mobilenet_v2.yaml"))) == []
    assert list(ChannelMultiple().findings(summary("examples/resnet50.yaml"))) == []
    lenet = [problem.message for problem in ChannelMultiple().findings(summary("examples/lenet5.yaml"))]
    assert lenet == [
        "conv has 6 output channels, not a multiple of 8",
        "linear has 84 output features, not a multiple of 8",
    ]
    shuffle = ChannelMultiple().findings(summary("examples/shufflenet_v2_x1_0.yaml"))
    assert "58 output channels" in next(shuffle).message


def test_the_multiple_can_be_another() -> None:
    rule = ChannelMultiple({"channel-multiple": 64})
    report = summary(io.StringIO(ChannelMultiple.right))
    assert [(problem.message, problem.hint) for problem in rule.findings(report)] == [
        ("conv has 32 output channels, not a multiple of 64", "use 64")
    ]
