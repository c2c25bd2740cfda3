import pytest

from convcalc import summary
from convcalc.check.rules.heavy_head import HeavyHead
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [3, 4, 4]
layers:
  - conv: {out_channels: 4, kernel_size: 1}
  - flatten
  - linear: {out_features: 2}
""",
        [(("layers", 2, "linear"), "fully connected layers hold 130 of 146 params (89.0%)")],
    ),
    (
        """\
input: [3, 4, 4]
layers:
  - conv: {out_channels: 4, kernel_size: 1}
  - flatten
  - linear: {out_features: 2}
  - linear: {out_features: 100}
""",
        [(("layers", 3, "linear"), "fully connected layers hold 430 of 446 params (96.4%)")],
    ),
    (
        """\
input: [3, 4, 4]
layers:
  - conv: {out_channels: 4, kernel_size: 1, bias: false}
  - global_avgpool
  - flatten
  - linear: {out_features: 5, bias: false}
""",
        [(("layers", 3, "linear"), "fully connected layers hold 20 of 32 params (62.5%)")],
    ),
]

LEFT_ALONE = [
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 4, kernel_size: 3}
  - global_avgpool
  - flatten
  - linear: {out_features: 2}
""",
    """\
input: [3, 4, 4]
layers:
  - conv: {out_channels: 4, kernel_size: 1, bias: false}
  - global_avgpool
  - flatten
  - linear: {out_features: 3, bias: false}
""",
    """\
input: [64]
layers:
  - linear: {out_features: 100}
  - linear: {out_features: 10}
""",
    """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 4, kernel_size: 3}
""",
]


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(HeavyHead, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(HeavyHead, text) == []


def test_finds_the_heads_of_alexnet_and_vgg() -> None:
    # 9216 × 4096 + 4096 + 4096 × 4096 + 4096 + 4096 × 1000 + 1000, and the same from 25088
    alexnet, vgg = (list(HeavyHead().findings(summary(f"examples/{name}.yaml"))) for name in ("alexnet", "vgg16"))
    assert [(problem.path, problem.message) for problem in alexnet] == [
        (("layers", 16, "linear"), "fully connected layers hold 58,631,144 of 61,100,840 params (96.0%)")
    ]
    assert [problem.message for problem in vgg] == [
        "fully connected layers hold 123,642,856 of 138,357,544 params (89.4%)"
    ]
    for name in ("resnet50", "squeezenet1_0", "mobilenet_v1", "googlenet"):
        assert list(HeavyHead().findings(summary(f"examples/{name}.yaml"))) == []
