"""`check --fix`: exact rewrites, kept only where what comes of them is valid."""

from functools import partial

import pytest

from convcalc.check.fixing import Fixed, fix
from convcalc.check.rules import RULES
from convcalc.check.runner import check
from convcalc.check.settings import Settings
from convcalc.spec.inputs import Overrides
from convcalc.spec.source import read_text

HEAD = "input: [3, 32, 32]\nlayers:\n"
NORMED = HEAD + "  - conv: {out_channels: 8, kernel_size: 3}  # stem\n  - batchnorm\n"
UNBIASED = NORMED.replace("3}", "3, bias: false}")


def fixed(text: str) -> Fixed:
    return fix(read_text(text, "net.yaml"), partial(check, overrides=Overrides(), settings=Settings(), rules=RULES))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (NORMED, UNBIASED),
        (NORMED.replace("3}", "3, bias: true}"), UNBIASED),
        (NORMED.replace("kernel_size", "kernel_siez").replace("3}", "3, bias: false}"), UNBIASED),
        (NORMED.replace("kernel_size", "kernel_siez"), UNBIASED),  # the bias comes to light in the second round
        (UNBIASED.replace("kernel_size", '"kernelSize"'), UNBIASED),
        (UNBIASED.replace("layers:", "layer:"), UNBIASED),
        (UNBIASED.replace("- batchnorm", "- BatchNorm2d"), UNBIASED),
        (UNBIASED.replace("conv:", "convv:"), UNBIASED),
        (UNBIASED.replace("8", "$(min(8, 16))"), UNBIASED.replace("8", '"$(min(8, 16))"')),
        (UNBIASED.replace("8", "$(8 if 'a' == 'a' and min(1, 2) else 3)"), None),
        ("name: 2024\n" + UNBIASED, 'name: "2024"\n' + UNBIASED),
        (
            "description: He et al.: ResNet  # 2015\n" + UNBIASED,
            'description: "He et al.: ResNet"  # 2015\n' + UNBIASED,
        ),
        ("description: @home\n" + UNBIASED, 'description: "@home"\n' + UNBIASED),
        ('description: a "b": c\n' + UNBIASED, "description: 'a \"b\": c'\n" + UNBIASED),
        (UNBIASED + "budget: {paramz: 5M}\n", UNBIASED + "budget: {params: 5M}\n"),
        (
            UNBIASED + "budget: {per_layer: {conv1: {macz: 5M}}}\n",
            UNBIASED + "budget: {per_layer: {conv1: {macs: 5M}}}\n",
        ),
    ],
)
def test_what_can_be_mended_exactly_is_mended(wrong: str, right: str | None) -> None:
    found = fixed(wrong)
    if right is None:  # the quotes inside the expression are kept as they are
        assert found.text is not None
        assert "\"$(8 if 'a' == 'a' and min(1, 2) else 3)\"" in found.text
    else:
        assert found.text == right
    assert found.checked.problems == ()


@pytest.mark.parametrize(
    "text",
    [
        UNBIASED,
        UNBIASED.replace("8", "0"),
        NORMED.replace("8", "0"),  # what is wrong stays wrong: nothing is written
        UNBIASED.replace("kernel_size: 3", "kernel_size: 3, kernel_siez: 3"),  # the right key is there already
        UNBIASED.replace("out_channels: 8", "channels: 8"),  # in_channels and out_channels are both near
        UNBIASED.replace("out_channels", "filters"),  # a word of another dialect is no slip of the pen
        UNBIASED.replace("8", "$(min(8, 16)"),  # where it should end is not known
    ],
)
def test_nothing_is_written_where_nothing_valid_comes_of_it(text: str) -> None:
    found = fixed(text)
    assert found.text is None
    assert found.checked == check(read_text(text, "net.yaml"), Overrides(), Settings(), RULES)


BLOCK = """\
input: [3, 32, 32]
blocks:
  unit:
    params: {norm: true}
    layers:
      - conv: {out_channels: 8, kernel_size: 3}
      - batchnorm: {when: $norm}
layers:
  - unit
  - unit: {norm: NORM}
"""


def test_a_bias_that_a_block_needs_elsewhere_stays() -> None:
    assert "bias: false" in (fixed(BLOCK.replace("NORM", "true")).text or "")
    found = fixed(BLOCK.replace("NORM", "false"))
    assert found.text is None
    assert [problem.code for problem in found.checked.problems] == ["CV206"]


def test_a_bias_behind_an_alias_stays() -> None:
    text = "input: [3, 9, 9]\nlayers:\n  - conv: &a {out_channels: 3, kernel_size: 1}\n  - batchnorm\n  - conv: *a\n"
    assert fixed(text).text is None


def test_a_silenced_finding_is_not_mended() -> None:
    assert fixed(NORMED.replace("# stem", "# convcalc: ignore[CV206]")).text is None
