import pytest

from convcalc.check.rules.repeated_activation import RepeatedActivation
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - relu
  - relu
""",
        [(("layers", 1), "relu2 changes nothing: it directly follows relu1, which is also relu")],
    ),
    (
        """\
input: [256]
layers:
  - softmax
  - softmax
""",
        [(("layers", 1), "softmax2 repeats the activation: it directly follows softmax1, which is also softmax")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - leaky_relu: {negative_slope: 0.1}
  - leaky_relu: {negative_slope: 0.2}
""",
        [
            (
                ("layers", 1, "leaky_relu"),
                "leaky_relu2 repeats the activation: it directly follows leaky_relu1, which is also leaky_relu",
            )
        ],
    ),
    (
        """\
input: [256]
layers:
  - log_softmax
  - log_softmax
""",
        [(("layers", 1), "log_softmax2 changes nothing: it directly follows log_softmax1, which is also log_softmax")],
    ),
]

LEFT_ALONE = {
    "a layer between": """\
input: [8, 32, 32]
layers:
  - relu
  - conv: {out_channels: 8, kernel_size: 3}
  - relu
""",
    "two different ones": """\
input: [8, 32, 32]
layers:
  - relu
  - sigmoid
""",
    "layers that are no activations": """\
input: [8, 32, 32]
layers:
  - batchnorm
  - batchnorm
  - dropout
  - dropout
""",
    "two that read the same": """\
input: [8, 32, 32]
layers:
  - identity: {name: x}
  - relu
  - relu: {from: x}
  - add: {from: [relu1, relu2]}
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(RepeatedActivation, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(RepeatedActivation, text) == []
