import pytest

from convcalc.check.rules.stacked_linear import StackedLinear
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [256]
layers:
  - linear: {out_features: 128}
  - linear: {out_features: 64, bias: false}
""",
        [
            (
                ("layers", 1, "linear"),
                (
                    "linear1 and linear2 have nothing between them: one layer with 64 outputs computes the same "
                    "with 24,640 fewer params"
                ),
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 1}
  - pointwise_conv: {out_channels: 8, stride: 2}
""",
        [
            (
                ("layers", 1, "pointwise_conv"),
                (
                    "conv1 and pointwise_conv1 have nothing between them: one layer with 8 outputs computes the "
                    "same with 72 fewer params"
                ),
            )
        ],
    ),
    (
        """\
input: [256]
layers:
  - linear: {out_features: 10}
  - linear: {out_features: 10}
  - linear: {out_features: 10}
""",
        [
            (
                ("layers", 1, "linear"),
                (
                    "linear1 and linear2 have nothing between them: one layer with 10 outputs computes the same "
                    "with 110 fewer params"
                ),
            ),
            (
                ("layers", 2, "linear"),
                (
                    "linear2 and linear3 have nothing between them: one layer with 10 outputs computes the same "
                    "with 110 fewer params"
                ),
            ),
        ],
    ),
]

LEFT_ALONE = {
    "an activation between": """\
input: [256]
layers:
  - linear: {out_features: 128}
  - relu
  - linear: {out_features: 64}
""",
    "a factorisation of fewer params": """\
input: [256]
layers:
  - linear: {out_features: 16}
  - linear: {out_features: 256}
""",
    "a kernel that sees neighbours": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3}
  - conv: {out_channels: 8, kernel_size: 1}
""",
    "groups": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 1, groups: 2}
  - conv: {out_channels: 8, kernel_size: 1}
""",
    "another reader": """\
input: [256]
layers:
  - linear: {out_features: 256}
  - linear: {out_features: 256}
  - add: {from: [linear1, linear2]}
""",
    "weights that are trained apart": """\
input: [256]
layers:
  - linear: {out_features: 256, frozen: true}
  - linear: {out_features: 10}
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(StackedLinear, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(StackedLinear, text) == []
