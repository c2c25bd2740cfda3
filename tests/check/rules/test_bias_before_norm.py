import pytest

from convcalc.check.rules.bias_before_norm import BiasBeforeNorm
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3}
  - batchnorm
""",
        [(("layers", 0, "conv"), "batchnorm1 cancels the bias of conv1: 16 params without effect")],
    ),
    (
        """\
input: [256]
layers:
  - linear: {out_features: 10}
  - batchnorm: {affine: false}
""",
        [(("layers", 0, "linear"), "batchnorm1 cancels the bias of linear1: 10 params without effect")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - separable_conv: {out_channels: 16, kernel_size: 3}
  - batchnorm
  - relu
  - conv_transpose: {out_channels: 4, kernel_size: 2}
  - batchnorm
""",
        [
            (
                ("layers", 0, "separable_conv"),
                "batchnorm1 cancels the bias of separable_conv1: 16 params without effect",
            ),
            (
                ("layers", 3, "conv_transpose"),
                "batchnorm2 cancels the bias of conv_transpose1: 4 params without effect",
            ),
        ],
    ),
]

LEFT_ALONE = {
    "no bias": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, bias: false}
  - batchnorm
""",
    "an activation between": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3}
  - relu
  - batchnorm
""",
    "another reader": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - batchnorm
  - add: {from: [previous, conv1]}
""",
    "a norm that does not take the mean of one channel off": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3}
  - groupnorm: {num_groups: 4}
""",
    "what leaves the network": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3}
  - batchnorm
outputs: [conv1, batchnorm1]
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(BiasBeforeNorm, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(BiasBeforeNorm, text) == []
