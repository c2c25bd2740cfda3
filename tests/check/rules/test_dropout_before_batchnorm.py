import pytest

from convcalc.check.rules.dropout_before_batchnorm import DropoutBeforeBatchnorm
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [256]
layers:
  - dropout
  - batchnorm
""",
        [(("layers", 1), "batchnorm1 learns a variance that dropout1 changes in training but not at inference")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3}
  - relu
  - dropout: {p: 0.1}
  - batchnorm
""",
        [(("layers", 3), "batchnorm1 learns a variance that dropout1 changes in training but not at inference")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - dropout: {name: dropped}
  - batchnorm
  - batchnorm: {from: dropped}
  - add: {from: [batchnorm1, batchnorm2]}
""",
        [
            (("layers", 1), "batchnorm1 learns a variance that dropped changes in training but not at inference"),
            (
                ("layers", 2, "batchnorm"),
                "batchnorm2 learns a variance that dropped changes in training but not at inference",
            ),
        ],
    ),
]

LEFT_ALONE = {
    "p 0": """\
input: [8, 32, 32]
layers:
  - dropout: {p: 0}
  - batchnorm
""",
    "dropout after the batch norm": """\
input: [8, 32, 32]
layers:
  - batchnorm
  - dropout
""",
    "a convolution between": """\
input: [8, 32, 32]
layers:
  - dropout
  - conv: {out_channels: 8, kernel_size: 3}
  - batchnorm
""",
    "statistics of the batch at inference too": """\
input: [8, 32, 32]
layers:
  - dropout
  - batchnorm: {track_running_stats: false}
""",
    "another norm": """\
input: [8, 32, 32]
layers:
  - dropout
  - layernorm
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(DropoutBeforeBatchnorm, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(DropoutBeforeBatchnorm, text) == []
