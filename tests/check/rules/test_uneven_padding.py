import pytest

from convcalc import summary
from convcalc.check.rules.uneven_padding import UnevenPadding
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
""",
        [
            (
                ("layers", 0, "conv"),
                "with stride 2, windows read 1 of the padding before the height and 0 of the padding after it",
            )
        ],
    ),
    (
        """\
input: [8, 33, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
""",
        [
            (
                ("layers", 0, "conv"),
                "with stride 2, windows read 1 of the padding before the width and 0 of the padding after it",
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - depthwise_conv: {kernel_size: 3, stride: 2, padding: same}
""",
        [
            (
                ("layers", 0, "depthwise_conv"),
                "with stride 2, windows read 0 of the padding before the height and 1 of the padding after it",
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - avgpool: {kernel_size: 3, stride: 2, padding: 1}
""",
        [
            (
                ("layers", 0, "avgpool"),
                "with stride 2, windows read 1 of the padding before the height and 0 of the padding after it",
            )
        ],
    ),
    (
        """\
input: [8, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 7, stride: 4, padding: 3}
""",
        [
            (
                ("layers", 0, "conv"),
                "with stride 4, windows read 3 of the padding before the length and 0 of the padding after it",
            )
        ],
    ),
]

LEFT_ALONE = [
    """\
input: [8, 33, 33]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 4, stride: 2, padding: 1}
""",
    """\
input: [8, 32, 32]
layers:
  - maxpool: {kernel_size: 3, stride: 2, padding: 1}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 4, padding: same}
""",
    """\
input: [8, 33, 33]
layers:
  - avgpool: {kernel_size: 3, stride: 2, padding: 1}
""",
    """\
input: [8, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, dilation: 2, stride: 2, padding: causal}
  - depthwise_conv: {kernel_size: 4, stride: 3, padding: [[3, 0]]}
""",
]


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(UnevenPadding, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(UnevenPadding, text) == []


def test_finds_resnet_at_224_and_not_at_225() -> None:
    # the first convolution, and the 3×3 convolutions of stride 2 in three stages; max pooling does not pad with zeros
    found_at_224 = list(UnevenPadding().findings(summary("examples/resnet50.yaml")))
    assert len(found_at_224) == 4
    assert found_at_224[0].hint == "with an input height of 225, the last window would end at the end of the padding"
    assert list(UnevenPadding().findings(summary("examples/resnet50.yaml", input=[3, 225, 225]))) == []
    assert list(UnevenPadding().findings(summary("examples/vgg16.yaml"))) == []
