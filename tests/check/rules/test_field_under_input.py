import pytest

from convcalc import summary
from convcalc.check.rules.field_under_input import FieldUnderInput
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - global_avgpool
""",
        [
            (
                ("layers", 1),
                "the input of global_avgpool has a receptive field of 3×3, smaller than the network input of 32×32",
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: [31, 63], padding: same}
  - global_maxpool
  - flatten
""",
        [
            (
                ("layers", 1),
                "the input of global_maxpool has a receptive field of 31×63, smaller than the network input of 32×32",
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - adaptive_avgpool: {output_size: 1}
  - flatten
  - linear: {out_features: 4}
""",
        [
            (
                ("layers", 1, "adaptive_avgpool"),
                "the input of adaptive_avgpool has a receptive field of 3×3, smaller than the network input of 32×32",
            )
        ],
    ),
]

LEFT_ALONE = [
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 33, padding: 16}
  - global_avgpool
""",
    """\
input: [8, 32, 32]
layers:
  - {branches: [[global_avgpool, pointwise_conv: {out_channels: 8}, sigmoid], []], merge: multiply}
""",
    """\
input: [8, 32, 32]
layers:
  - {branches: [[global_avgpool, pointwise_conv: {out_channels: 8}, sigmoid], []], merge: multiply}
  - global_avgpool
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - adaptive_avgpool: {output_size: 2}
  - flatten
  - linear: {out_features: 4}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - flatten
  - linear: {out_features: 4}
""",
]


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(FieldUnderInput, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(FieldUnderInput, text) == []


def test_knows_the_published_fields() -> None:
    # Araujo et al. 2019: MobileNet 315, ResNet-50 483; both cover 224
    assert list(FieldUnderInput().findings(summary("examples/mobilenet_v1.yaml"))) == []
    assert list(FieldUnderInput().findings(summary("examples/resnet50.yaml"))) == []
    large = summary("examples/mobilenet_v1.yaml", params={"size": 320})
    assert [problem.message for problem in FieldUnderInput().findings(large)] == [
        "the input of global_avgpool has a receptive field of 315×315, smaller than the network input of 320×320"
    ]


def test_finds_squeezenet() -> None:
    (problem,) = FieldUnderInput().findings(summary("examples/squeezenet1_0.yaml"))
    assert (
        problem.message
        == "the input of global_avgpool has a receptive field of 155×155, smaller than the network input of 224×224"
    )
