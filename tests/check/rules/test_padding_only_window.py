import pytest

from convcalc.check.rules.padding_only_window import PaddingOnlyWindow
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 1, padding: 1}
""",
        [(("layers", 0, "conv"), "2 of the 34 windows of conv1 along the height contain only padding")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: [0, [3, 0]]}
""",
        [(("layers", 0, "conv"), "1 of the 33 windows of conv1 along the width contains only padding")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: [[0, 4], 1]}
""",
        [(("layers", 0, "conv"), "1 of the 17 windows of conv1 along the height contains only padding")],
    ),
    (
        """\
input: [8, 4, 4]
layers:
  - conv: {out_channels: 8, kernel_size: 2, padding: 4, dilation: 8}
""",
        [(("layers", 0, "conv"), "4 of the 4 windows of conv1 along the height contain only padding")],
    ),
]

LEFT_ALONE = {
    "full padding": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 2}
""",
    "ceil_mode": """\
input: [8, 33, 33]
layers:
  - maxpool: {kernel_size: 2, stride: 2, ceil_mode: true}
  - avgpool: {kernel_size: 3, stride: 2, padding: 1, ceil_mode: true}
""",
    "dilated taps of which one is inside": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 36, dilation: 36}
""",
    "padding of a transposed convolution, which cuts": """\
input: [8, 32, 32]
layers:
  - conv_transpose: {out_channels: 8, kernel_size: 2, stride: 2, padding: 1}
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(PaddingOnlyWindow, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(PaddingOnlyWindow, text) == []
