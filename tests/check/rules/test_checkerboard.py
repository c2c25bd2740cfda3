import pytest

from convcalc.check.rules.checkerboard import Checkerboard
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv_transpose: {out_channels: 3, kernel_size: 3, stride: 2}
""",
        [
            (
                ("layers", 0, "conv_transpose"),
                (
                    "the windows of conv_transpose1 overlap unevenly along the height: stride 2 does not "
                    "divide kernel size 3"
                ),
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv_transpose: {out_channels: 8, kernel_size: 5, stride: 2}
  - relu
  - conv_transpose: {out_channels: 8, kernel_size: [4, 3], stride: [2, 2]}
  - conv: {out_channels: 3, kernel_size: 1}
""",
        [
            (
                ("layers", 0, "conv_transpose"),
                (
                    "the windows of conv_transpose1 overlap unevenly along the height: stride 2 does not "
                    "divide kernel size 5"
                ),
            ),
            (
                ("layers", 2, "conv_transpose"),
                (
                    "the windows of conv_transpose2 overlap unevenly along the width: stride 2 does not "
                    "divide kernel size 3"
                ),
            ),
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv_transpose: {out_channels: 8, kernel_size: 4, stride: 2, dilation: 2}
""",
        [
            (
                ("layers", 0, "conv_transpose"),
                (
                    "some outputs of conv_transpose1 along the height depend on no input value: stride 2 and "
                    "dilation 2 have a common factor"
                ),
            )
        ],
    ),
]

LEFT_ALONE = {
    "a kernel that the stride divides": """\
input: [8, 32, 32]
layers:
  - conv_transpose: {out_channels: 8, kernel_size: 6, stride: 3}
""",
    "stride 1": """\
input: [8, 32, 32]
layers:
  - conv_transpose: {out_channels: 8, kernel_size: 3}
""",
    "a convolution after it": """\
input: [8, 32, 32]
layers:
  - conv_transpose: {out_channels: 8, kernel_size: 3, stride: 2}
  - relu
  - conv: {out_channels: 3, kernel_size: 3, padding: 1}
""",
    "a classifier after it": """\
input: [8, 32, 32]
layers:
  - conv_transpose: {out_channels: 8, kernel_size: 3, stride: 2}
  - global_avgpool
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(Checkerboard, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(Checkerboard, text) == []
