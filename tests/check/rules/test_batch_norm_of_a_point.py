import pytest

from convcalc import summary
from convcalc.check.rules.batch_norm_of_a_point import BatchNormOfAPoint
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - global_avgpool
  - batchnorm
""",
        [
            (
                ("layers", 1),
                "batchnorm normalises 8×1×1, one value per channel and sample: its statistics come from the batch only",
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 4, kernel_size: 32}
  - batchnorm: {affine: false}
""",
        [
            (
                ("layers", 1, "batchnorm"),
                "batchnorm normalises 4×1×1, one value per channel and sample: its statistics come from the batch only",
            )
        ],
    ),
    (
        """\
input: [8, 20]
layers:
  - adaptive_maxpool: {output_size: 1}
  - relu
  - batchnorm
""",
        [
            (
                ("layers", 2),
                "batchnorm normalises 8×1, one value per channel and sample: its statistics come from the batch only",
            )
        ],
    ),
]

LEFT_ALONE = [
    """\
input: [8, 32, 32]
layers:
  - batchnorm
""",
    """\
input: [8, 32, 32]
layers:
  - global_avgpool: {keepdims: false}
  - batchnorm
""",
    """\
input: [8, 32, 32]
layers:
  - global_avgpool
  - groupnorm: {num_groups: 2}
""",
    """\
input: [8, 32, 32]
layers:
  - global_avgpool
  - batchnorm: {frozen: true}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 4, kernel_size: [32, 31]}
  - batchnorm
""",
]


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(BatchNormOfAPoint, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(BatchNormOfAPoint, text) == []


def test_finds_the_image_pooling_of_deeplab() -> None:
    # because of its pooled branch, torchvision's model cannot be trained with one picture at a time
    (problem,) = BatchNormOfAPoint().findings(summary("examples/deeplabv3_resnet50.yaml"))
    assert problem.message == (
        "batchnorm normalises 256×1×1, one value per channel and sample: its statistics come from the batch only"
    )
    assert list(BatchNormOfAPoint().findings(summary("examples/resnet50.yaml"))) == []
