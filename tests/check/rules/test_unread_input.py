import io
import re
from itertools import product

import pytest

import convcalc
from convcalc.check.rules.unread_input import UnreadInput
from convcalc.problems import Path
from tests.check.rules.helpers import found

FLAGGED: list[tuple[str, list[tuple[Path, str]]]] = [
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - pointwise_conv: {out_channels: 16, stride: 2}
""",
        [
            (
                ("layers", 1, "pointwise_conv"),
                (
                    "3/4 of conv1 is never read: pointwise_conv1 skips 1 of 2 positions along the height "
                    "and 1 of 2 positions along the width"
                ),
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - maxpool: {kernel_size: [2, 1], stride: [2, 3]}
""",
        [(("layers", 0, "maxpool"), "2/3 of input is never read: maxpool1 skips 2 of 3 positions along the width")],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 2, dilation: 2}
""",
        [
            (
                ("layers", 0, "conv"),
                (
                    "3/4 of input is never read: conv1 skips 1 of 2 positions along the height "
                    "and 1 of 2 positions along the width"
                ),
            )
        ],
    ),
    (
        """\
input: [8, 32, 32]
layers:
  - identity: {name: x}
  - avgpool: {kernel_size: 1, stride: 2, name: one}
  - conv: {out_channels: 8, kernel_size: 1, stride: 4, from: x}
  - global_avgpool
  - global_avgpool: {from: one}
  - add: {from: [previous, global_avgpool1]}
""",
        [
            (
                ("layers", 1, "avgpool"),
                (
                    "3/4 of x is never read: one and conv1 skip 1 of 2 positions along the height "
                    "and 1 of 2 positions along the width"
                ),
            )
        ],
    ),
]

LEFT_ALONE = {
    "a sibling reads the rest": """\
input: [8, 32, 32]
layers:
  - branches:
      - - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
      - - conv: {out_channels: 8, kernel_size: 1, stride: 2}
    merge: add
""",
    "rows at the far border": """\
input: [8, 31, 31]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2}
  - maxpool: {kernel_size: 2}
""",
    "what also leaves the network": """\
input: [8, 32, 32]
layers:
  - relu: {name: map}
  - conv: {out_channels: 8, kernel_size: 1, stride: 2}
outputs: [map, conv1]
""",
    "dilation that has no factor in common with the stride": """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, stride: 2, padding: 3, dilation: 3}
""",
    "two that step over different rows": """\
input: [8, 32, 32]
layers:
  - identity: {name: x}
  - avgpool: {kernel_size: 1, stride: [2, 1]}
  - global_avgpool
  - conv: {out_channels: 8, kernel_size: 1, stride: [2, 1], padding: [[1, 0], 0], from: x}
  - global_avgpool
  - add: {from: [global_avgpool1, global_avgpool2]}
""",
}


@pytest.mark.parametrize(("text", "expected"), FLAGGED)
def test_what_it_flags(text: str, expected: list[tuple[Path, str]]) -> None:
    assert found(UnreadInput, text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_leaves_alone(text: str) -> None:
    assert found(UnreadInput, text) == []


def spec(kernel: int, stride: int, dilation: int) -> str:
    """A window over an axis."""
    window = f"kernel_size: {kernel}, stride: {stride}, dilation: {dilation}"
    return f"input: [8, 200]\nlayers:\n  - conv: {{out_channels: 8, {window}}}\n"


WINDOWS = [window for window in product(range(1, 5), range(2, 7), range(1, 7)) if found(UnreadInput, spec(*window))]


def positions_read(kernel: int, stride: int, dilation: int) -> set[int]:
    """The positions among 0 … 199 that the windows read, all of them far from the ends."""
    windows = range(-100, 300)
    return {window * stride + tap * dilation for window in windows for tap in range(kernel)} & set(range(200))


def hint(text: str) -> str:
    (problem,) = UnreadInput().findings(convcalc.summary(io.StringIO(text)))
    return problem.hint


def sizes(text: str) -> dict[str, int]:
    return {name: int(size) for name, size in re.findall(r"(kernel_size|stride|dilation) (\d+)", text)}


def changed(window: tuple[int, int, int], name: str, size: int) -> tuple[int, int, int]:
    """A window with another kernel size, stride or dilation."""
    kernel, stride, dilation = window
    return {
        "kernel_size": (size, stride, dilation),
        "stride": (kernel, size, dilation),
        "dilation": (kernel, stride, size),
    }[name]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_the_hint_names_the_nearest_sizes_that_read_everything(window: tuple[int, int, int]) -> None:
    named = sizes(hint(spec(*window)))
    assert "stride" in named
    now = dict(zip(("kernel_size", "stride", "dilation"), window, strict=True))
    everything = set(range(200))
    for name, size in named.items():
        assert positions_read(*changed(window, name, size)) == everything
        far = abs(size - now[name])
        nearer = [
            other
            for other in range(max(1, now[name] - far + 1), now[name] + far)
            if name != "stride" or other < now[name]
        ]
        assert [other for other in nearer if positions_read(*changed(window, name, other)) == everything] == []


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_changes_missing_from_the_hint_do_not_help(window: tuple[int, int, int]) -> None:
    named = sizes(hint(spec(*window)))
    for name in {"kernel_size", "dilation"} - set(named):
        others = [changed(window, name, size) for size in range(1, 20)]
        assert [other for other in others if positions_read(*other) == set(range(200))] == []


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            "pointwise_conv: {out_channels: 8, stride: 2}",
            "a conv with kernel_size 2 or stride 1 reads every position along the height and the width",
        ),
        (
            "maxpool: {kernel_size: [2, 1], stride: [3, 4]}",
            "kernel_size 3 or stride 2 reads every position along the height; "
            "kernel_size 4 or stride 1 reads every position along the width",
        ),
        (
            "conv: {out_channels: 8, kernel_size: 3, stride: [2, 1], dilation: 2}",
            "dilation 1 or stride 1 reads every position along the height",
        ),
    ],
)
def test_the_hint_is_given_per_axis(layer: str, expected: str) -> None:
    assert hint(f"input: [8, 32, 32]\nlayers:\n  - {layer}\n") == expected


def test_with_several_readers_the_hint_is_about_the_first() -> None:
    text = """\
input: [8, 32, 32]
layers:
  - branches:
      - - avgpool: {kernel_size: 1, stride: 2}
      - - conv: {out_channels: 8, kernel_size: 1, stride: 2}
    merge: add
"""
    assert hint(text).startswith("kernel_size 2 or stride 1 in branches1.0.avgpool1 reads")
    assert found(UnreadInput, text.replace("avgpool: {kernel_size: 1", "avgpool: {kernel_size: 2")) == []


def test_huge_sizes_take_no_time() -> None:
    text = (
        "input: [8, 999999999999]\nlayers:\n  - conv: {out_channels: 8, kernel_size: 2, stride: 9998, dilation: 999999}"
    )
    assert sizes(hint(text)) == {"kernel_size": 9998, "stride": 2}
