import pytest

from convcalc.check.rules.misaligned_merge import MisalignedMerge
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - branches:
      - - conv: {out_channels: 8, kernel_size: 3}
        - conv: {out_channels: 8, kernel_size: 3}
      - - crop: {amount: [[0, 4], [2, 2]]}
    merge: add
""",
        [
            (
                ("layers", 0, "merge"),
                (
                    "branches1.add merges receptive fields with centres 2 input positions apart along the height, more "
                    "than half the jump of 1"
                ),
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - branches:
      - - conv: {out_channels: 8, kernel_size: 3, padding: [1, [2, 0]]}
      - []
    merge: concat
""",
        [
            (
                ("layers", 0, "merge"),
                (
                    "branches1.concat merges receptive fields with centres 1 input position apart along the width, "
                    "more than half the jump of 1"
                ),
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 2, stride: 2, name: low}
  - branches:
      - - conv: {out_channels: 8, kernel_size: 5}
      - - crop: {amount: [[4, 0], [4, 0]]}
    merge: add
""",
        [
            (
                ("layers", 1, "merge"),
                (
                    "branches1.add merges receptive fields with centres 4 input positions apart along the height, more "
                    "than half the jump of 2"
                ),
            )
        ],
    ),
]

LEFT_ALONE = {
    "both sides alike": """\
input: [8, 32, 32]
layers:
  - branches:
      - - conv: {out_channels: 8, kernel_size: 5}
      - - crop: {amount: 2}
    merge: add
""",
    "half a jump: an even kernel with same": """\
input: [8, 32, 32]
layers:
  - branches:
      - - conv: {out_channels: 8, kernel_size: 2, padding: same}
      - []
    merge: add
""",
    "what upsampling shifts": """\
input: [8, 32, 32]
layers:
  - identity: {name: skip}
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  - upsample: {scale_factor: 2}
  - upsample: {scale_factor: 2}
  - upsample: {scale_factor: 2}
  - concat: {from: [previous, skip]}
""",
    "causal convolutions": """\
input: [8, 100]
layers:
  - branches:
      - - conv: {out_channels: 8, kernel_size: 2, padding: [[8, 0]], dilation: 8}
      - []
    merge: add
""",
    "a factor for each channel": """\
input: [8, 32, 32]
layers:
  - branches:
      - - global_avgpool
        - sigmoid
      - []
    merge: multiply
""",
    "a grid that covers the map": """\
input: [8, 32, 32]
layers:
  - branches:
      - - attention: {heads: 2, grid: 8}
      - []
    merge: add
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(MisalignedMerge, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(MisalignedMerge, text) == []
