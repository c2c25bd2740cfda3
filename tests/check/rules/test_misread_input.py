import io

import pytest

import convcalc
from convcalc.check.rules.misread_input import MisreadInput
from convcalc.problems import Path
from tests.check.rules.helpers import found

REST = "layers:\n  - conv: {out_channels: 4, kernel_size: 1}\n"
BATCH, LAST = "the leading 1 looks like a batch size", "the last size looks like the channels"
FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        "input: [1, 3, 32, 32]\n" + REST,
        [(("input",), f"input 1×3×32×32 is read as 1 channel of 3×32×32, but {BATCH}")],
    ),
    ("input: [32, 32, 3]\n" + REST, [(("input",), f"input 32×32×3 is read as 32 channels of 32×3, but {LAST}")]),
    (
        "params: {size: 28}\ninput: [$size, $size, 1]\n" + REST,
        [(("input",), f"input 28×28×1 is read as 28 channels of 28×1, but {LAST}")],
    ),
    (
        "inputs: {left: [3, 32, 32], right: [32, 32, 3]}\nlayers:\n  - flatten: {from: left, name: a}\n"
        "  - flatten: {from: right, name: b}\n  - concat: {from: [a, b]}\n",
        [(("inputs", "right"), f"right 32×32×3 is read as 32 channels of 32×3, but {LAST}")],
    ),
]
LEFT_ALONE = {
    "channels first": "input: [3, 32, 32]\n" + REST,
    "a grey image": "input: [1, 28, 28]\n" + REST,
    "a volume whose axes are named": "input: {channels: 1, depth: 3, height: 32, width: 32}\n" + REST,
    "a width whose axis is named": "input: {channels: 32, height: 32, width: 3}\n" + REST,
    "a video": "input: [3, 16, 112, 112]\n" + REST,
    "a spectrogram": "input: [1, 49, 10]\n" + REST,
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(MisreadInput, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(MisreadInput, text) == []


def test_the_hint_names_the_axes_of_a_volume_and_naming_them_silences_the_rule() -> None:
    report = convcalc.summary(io.StringIO(FLAGGED[0][0]))
    [problem] = MisreadInput().findings(report)
    axes = problem.hint.rpartition("name the axes: ")[2]
    assert found(MisreadInput, f"input: {axes}\n{REST}") == []


@pytest.mark.parametrize(
    ("own", "given", "flagged"),
    [
        ("[3, 32, 32]", [32, 32, 3], True),
        ("{channels: 3, height: 32, width: 32}", [64, 64, 3], True),
        ("[32, 32, 3]", [3, 32, 32], False),
        ("[2, 16, 16, 16]", [1, 16, 16, 16], False),  # four sizes, as in the spec
        ("{channels: 1, depth: 8, height: 16, width: 16}", [1, 4, 16, 16], False),
        ("[1, 3, 32, 32]", [1, 3, 64, 64], True),
    ],
)
def test_a_shape_from_outside_is_checked_instead_of_the_written_one(own: str, given: list[int], flagged: bool) -> None:
    report = convcalc.summary(io.StringIO(f"input: {own}\n{REST}"), input=given)
    assert bool(list(MisreadInput().findings(report))) == flagged
