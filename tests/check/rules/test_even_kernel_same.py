import pytest

from convcalc import summary
from convcalc.check.rules.even_kernel_same import EvenKernelSame
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 2, padding: same}
""",
        [
            (
                ("layers", 0, "conv"),
                "padding: same pads the height by 0 before and 1 after for an even kernel of 2: "
                "a shift of half a position",
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: [3, 4], padding: same}
""",
        [
            (
                ("layers", 0, "conv"),
                "padding: same pads the width by 1 before and 2 after for an even kernel of 4: "
                "a shift of half a position",
            )
        ],
    ),
    (
        """\
input: [8, 32]
layers:
  - depthwise_conv: {kernel_size: 4, padding: same, dilation: 3}
""",
        [
            (
                ("layers", 0, "depthwise_conv"),
                "padding: same pads the length by 4 before and 5 after for an even kernel of 4: "
                "a shift of half a position",
            )
        ],
    ),
]

LEFT_ALONE = [
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: same}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 4, padding: [[1, 2], [1, 2]]}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 2, padding: same, dilation: 2}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 2, stride: 2, padding: same}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 4, stride: 2, padding: same}
""",
    """\
input: [8, 32, 32]
layers:
  - maxpool: {kernel_size: 2, stride: 1, padding: same}
""",
]


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(EvenKernelSame, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(EvenKernelSame, text) == []


def test_finds_the_first_convolution_of_ds_cnn() -> None:
    # its kernel is 10 × 4 over 49 × 10: 9 elements of padding along the height, 2 along the width
    (problem,) = EvenKernelSame().findings(summary("examples/ds_cnn.yaml"))
    assert (problem.path, problem.message) == (
        ("layers", 0, "conv"),
        "padding: same pads the height by 4 before and 5 after for an even kernel of 10: a shift of half a position",
    )
    assert list(EvenKernelSame().findings(summary("examples/vgg16.yaml"))) == []
