import pytest

from convcalc.check.rules.unread_output import UnreadOutput
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - relu: {name: lost}
  - sigmoid: {from: input}
""",
        [(("layers", 0, "relu"), "the output of lost (8×32×32) is not used by any layer or output")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3}
  - relu
  - batchnorm: {from: conv1}
""",
        [(("layers", 1), "the output of relu1 (8×30×30) is not used by any layer or output")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - relu: {name: size}
  - maxpool: {kernel_size: 2, from: input}
  - upsample: {like: size}
""",
        [(("layers", 0, "relu"), "the output of size (8×32×32) is not used by any layer or output")],
    ),
]

LEFT_ALONE = {
    "a chain": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3}
  - relu
""",
    "outputs": """\
input: [8, 32, 32]
layers:
  - relu: {name: one}
  - sigmoid: {from: input}
outputs: [one, sigmoid1]
""",
    "a skip": """\
input: [8, 32, 32]
layers:
  - relu: {name: skip}
  - conv: {out_channels: 8, kernel_size: 1}
  - add: {from: [previous, skip]}
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(UnreadOutput, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(UnreadOutput, text) == []
