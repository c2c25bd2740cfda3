import pytest

from convcalc.check.rules.late_pooling import LatePooling
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 10, kernel_size: 1}
  - global_avgpool
""",
        [(("layers", 0, "conv"), "conv1 could follow global_avgpool1: the same values for 1/1024 of its 81,920 MACs")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - pointwise_conv: {out_channels: 10, bias: false}
  - adaptive_avgpool: {output_size: 1}
""",
        [
            (
                ("layers", 0, "pointwise_conv"),
                "pointwise_conv1 could follow adaptive_avgpool1: the same values for 1/1024 of its 81,920 MACs",
            )
        ],
    ),
    (
        """\
input: [8, 100]
layers:
  - depthwise_conv: {kernel_size: 1}
  - global_avgpool: {keepdims: false}
""",
        [
            (
                ("layers", 0, "depthwise_conv"),
                "depthwise_conv1 could follow global_avgpool1: the same values for 1/100 of its 800 MACs",
            )
        ],
    ),
]

LEFT_ALONE = {
    "an activation between": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 10, kernel_size: 1}
  - relu
  - global_avgpool
""",
    "a maximum": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 10, kernel_size: 1}
  - global_maxpool
""",
    "a kernel that sees neighbours": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 10, kernel_size: 3, padding: 1}
  - global_avgpool
""",
    "padding": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 10, kernel_size: 1, padding: 1}
  - global_avgpool
""",
    "one position": """\
input: [8, 32, 32]
layers:
  - global_avgpool
  - conv: {out_channels: 10, kernel_size: 1}
  - global_avgpool
""",
    "a map that leaves the network": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 10, kernel_size: 1}
  - global_avgpool
outputs: [conv1, global_avgpool1]
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(LatePooling, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(LatePooling, text) == []
