import pytest

from convcalc.check.rules.unread_input import UnreadInput
from convcalc.problems import Path
from tests.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - pointwise_conv: {out_channels: 16, stride: 2}
""",
        [
            (
                ("layers", 1, "pointwise_conv"),
                (
                    "3/4 of conv1 is never read: pointwise_conv1 steps over 1 in 2 along the height and 1 in 2 "
                    "along the width"
                ),
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - maxpool: {kernel_size: [2, 1], stride: [2, 3]}
""",
        [(("layers", 0, "maxpool"), "2/3 of input is never read: maxpool1 steps over 2 in 3 along the width")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 2, dilation: 2}
""",
        [
            (
                ("layers", 0, "conv"),
                ("3/4 of input is never read: conv1 steps over 1 in 2 along the height and 1 in 2 along the width"),
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - identity: {name: x}
  - avgpool: {kernel_size: 1, stride: 2, name: one}
  - conv: {out_channels: 8, kernel_size: 1, stride: 4, from: x}
  - global_avgpool
  - global_avgpool: {from: one}
  - add: {from: [previous, global_avgpool1]}
""",
        [
            (
                ("layers", 1, "avgpool"),
                ("3/4 of x is never read: one and conv1 step over 1 in 2 along the height and 1 in 2 along the width"),
            )
        ],
    ),
]

LEFT_ALONE = {
    "a sibling reads the rest": """\
input: [8, 32, 32]
layers:
  - branches:
      - - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
      - - conv: {out_channels: 8, kernel_size: 1, stride: 2}
    merge: add
""",
    "rows at the far border": """\
input: [8, 31, 31]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2}
  - maxpool: {kernel_size: 2}
""",
    "what also leaves the network": """\
input: [8, 32, 32]
layers:
  - relu: {name: map}
  - conv: {out_channels: 8, kernel_size: 1, stride: 2}
outputs: [map, conv1]
""",
    "dilation that has no factor in common with the stride": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 3, dilation: 3}
""",
    "two that step over different rows": """\
input: [8, 32, 32]
layers:
  - identity: {name: x}
  - avgpool: {kernel_size: 1, stride: [2, 1]}
  - global_avgpool
  - conv: {out_channels: 8, kernel_size: 1, stride: [2, 1], padding: [[1, 0], 0], from: x}
  - global_avgpool
  - add: {from: [global_avgpool1, global_avgpool2]}
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(UnreadInput, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(UnreadInput, text) == []


def test_its_own_examples() -> None:
    assert len(found(UnreadInput, UnreadInput.wrong)) == 1
    assert found(UnreadInput, UnreadInput.right) == []
