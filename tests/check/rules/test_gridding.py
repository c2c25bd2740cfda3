import pytest

from convcalc.check.rules.gridding import Gridding
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 2, dilation: 2}
  - relu
  - conv: {out_channels: 8, kernel_size: 1}
  - conv: {out_channels: 8, kernel_size: 3, padding: 2, dilation: 2}
""",
        [
            (
                ("layers", 3, "conv"),
                (
                    "the dilations from conv1 to conv3 have the common factor 2 along the height: outputs "
                    "depend on only 1 in 2 positions"
                ),
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - maxpool: {kernel_size: 2}
  - conv: {out_channels: 8, kernel_size: 3, padding: 3, dilation: 3}
  - conv: {out_channels: 8, kernel_size: 3, padding: 6, dilation: 6}
  - pad: {padding: 1}
  - global_avgpool
""",
        [
            (
                ("layers", 3, "conv"),
                (
                    "the dilations from conv2 to conv3 have the common factor 3 along the height: outputs "
                    "depend on only 1 in 3 positions"
                ),
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - depthwise_conv: {kernel_size: [3, 1], dilation: [2, 1]}
  - depthwise_conv: {kernel_size: [3, 3], dilation: [4, 1]}
""",
        [
            (
                ("layers", 1, "depthwise_conv"),
                (
                    "the dilations from depthwise_conv1 to depthwise_conv2 have the common factor 2 along the "
                    "height: outputs depend on only 1 in 2 positions"
                ),
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - branches:
      - - conv: {out_channels: 8, kernel_size: 3, padding: 2, dilation: 2}
        - conv: {out_channels: 8, kernel_size: 3, padding: 4, dilation: 4}
      - []
    merge: add
  - relu
""",
        [
            (
                ("layers", 0, "branches", 0, 1, "conv"),
                (
                    "the dilations from branches1.0.conv1 to branches1.0.conv2 have the common factor 2 along "
                    "the height: outputs depend on only 1 in 2 positions"
                ),
            )
        ],
    ),
]

LEFT_ALONE = {
    "an undilated convolution first": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - conv: {out_channels: 8, kernel_size: 3, padding: 2, dilation: 2}
  - conv: {out_channels: 8, kernel_size: 3, padding: 4, dilation: 4}
""",
    "an undilated convolution last": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 2, dilation: 2}
  - conv: {out_channels: 8, kernel_size: 3, padding: 2, dilation: 2}
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
""",
    "no common factor": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 2, dilation: 2}
  - conv: {out_channels: 8, kernel_size: 3, padding: 5, dilation: 5}
""",
    "one dilated convolution": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 2, dilation: 2}
  - relu
  - conv: {out_channels: 8, kernel_size: 1}
""",
    "dilated branches side by side": """\
input: [8, 32, 32]
layers:
  - branches:
      - - conv: {out_channels: 8, kernel_size: 3, padding: 6, dilation: 6}
      - - conv: {out_channels: 8, kernel_size: 3, padding: 12, dilation: 12}
    merge: concat
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(Gridding, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(Gridding, text) == []
