import pytest

from convcalc.check.rules.instance_norm_of_a_point import InstanceNormOfAPoint
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - global_avgpool
  - instancenorm
""",
        [(("layers", 1), "instancenorm1 normalises one position per channel (8×1×1): its output is always zero")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 32}
  - instancenorm: {affine: true}
""",
        [
            (
                ("layers", 1, "instancenorm"),
                "instancenorm1 normalises one position per channel (8×1×1): its output is always its bias",
            )
        ],
    ),
    (
        """\
input: [8, 32]
layers:
  - adaptive_maxpool: {output_size: 1}
  - instancenorm
""",
        [(("layers", 1), "instancenorm1 normalises one position per channel (8×1): its output is always zero")],
    ),
]

LEFT_ALONE = {
    "two positions": """\
input: [8, 32, 32]
layers:
  - adaptive_avgpool: {output_size: [1, 2]}
  - instancenorm
""",
    "a layer norm of a point": """\
input: [8, 32, 32]
layers:
  - global_avgpool
  - layernorm
""",
    "a group norm of a point": """\
input: [8, 32, 32]
layers:
  - global_avgpool
  - groupnorm: {num_groups: 2}
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(InstanceNormOfAPoint, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(InstanceNormOfAPoint, text) == []
