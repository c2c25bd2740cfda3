"""Choices that other parts of a spec depend on, in many ways: spaces must have exactly the networks that exist."""

from __future__ import annotations

from collections import Counter

import pytest

import convcalc
from convcalc.space.counting import FigureCounts
from convcalc.space.design_space import find_peak_range, read_space
from convcalc.spec.inputs import Overrides
from convcalc.spec.source import read_text
from tests.space.brute_force import list_networks

SPACES = {
    "a choice in two places": """
space: {w: [2, 3]}
input: [3, 8, 8]
layers:
- conv: {out_channels: $w, kernel_size: 1}
- conv: {out_channels: 4, kernel_size: 3}
- conv: {out_channels: $w, kernel_size: 3}
""",
    "a choice in an expression with another one": """
params: {sum: $(w + 1)}
space: {w: [2, 3], k: {choices: [1, 3], per: copy}}
input: [3, 8, 8]
layers:
- conv: {out_channels: $(2 * w), kernel_size: $k, padding: same, repeat: 2}
- conv: {out_channels: $(sum + k), kernel_size: 1}
""",
    "a choice in when": """
space: {w: [2, 3, 4], deep: [true, false]}
input: [3, 8, 8]
layers:
- conv: {out_channels: $w, kernel_size: 1, when: $(w > 2)}
- conv: {out_channels: 4, kernel_size: 3, when: $deep}
- conv: {out_channels: 4, kernel_size: 3, when: $(not deep and w == 2)}
- relu
""",
    "skip connections that fit only some choices": """
space: {w: {choices: [2, 3], per: copy}, v: [2, 3]}
input: [3, 8, 8]
layers:
- conv: {out_channels: $v, kernel_size: 1, name: a}
- conv: {out_channels: $w, kernel_size: 1, repeat: 2, name: b}
- add: [a, b]
""",
    "the input size": """
params: {size: 32}
space: {size: [16, 32, 33], k: [3, 5]}
input: [3, $size, $size]
layers:
- conv: {out_channels: 4, kernel_size: $k, stride: 2}
- flatten
- linear: 10
""",
    "one value per copy of nested repeats": """
space: {k: {choices: [1, 3], per: copy}, n: [1, 2], m: [1, 2]}
input: [3, 8, 8]
layers:
- sequence:
  - conv: {out_channels: 4, kernel_size: $k, padding: same, repeat: $m}
  - conv: {out_channels: 4, kernel_size: $k, padding: same}
  repeat: $n
""",
    "strides, which leave no room for some kernels": """
space: {s: {choices: [1, 2, 3], per: copy}, k: [2, 3]}
input: [3, 9, 9]
layers:
- conv: {out_channels: 4, kernel_size: $k, stride: $s, repeat: 3}
- global_avgpool
""",
    "layer kinds, activations and modes": """
space: {a: [relu, gelu, silu], p: [same, 0, 1], kind: {choices: [conv, pointwise_conv], per: copy}, m: [add, concat]}
blocks:
  unit: {params: {kind: }, layers: [{$kind: {out_channels: 4, kernel_size: 1, padding: $p}}]}
input: [4, 8, 8]
layers:
- conv: {out_channels: 4, kernel_size: 3, padding: $p}
- $a: {repeat: 2}
- branches: [[relu], [{conv: {out_channels: 4, kernel_size: 1}}]]
  merge: $m
""",
    "booleans per copy": """
space: {b: {choices: [true, false], per: copy}}
input: [4, 8, 8]
layers:
- conv: {out_channels: 4, kernel_size: 1, bias: $b, repeat: 3}
""",
    "lists": """
space: {k: [[3, 3], [1, 5]], s: [1, 2]}
input: [4, 8, 8]
layers:
- conv: {out_channels: 4, kernel_size: $k, stride: $s, repeat: 2}
""",
    "one choice, and one that is not used": """
space: {k: [3], unused: [1, 2], z: {choices: [1, 2], per: copy}}
input: [3, 8, 8]
layers:
- conv: {out_channels: 4, kernel_size: $k}
""",
    "earlier layers, read by a pattern": """
space: {w: {choices: [1, 2, 5], per: copy}, n: [1, 2, 3]}
input: [3, 8, 8]
layers:
- conv: {out_channels: $w, kernel_size: 1, repeat: $n, name: body}
- concat: [body.*, previous]
- conv: {out_channels: 2, kernel_size: 3}
""",
    "shared weights": """
space: {w: [2, 3], n: [1, 2], again: [true, false]}
input: [3, 8, 8]
layers:
- conv: {out_channels: 3, kernel_size: 3, padding: 1, name: first}
- conv: {out_channels: 3, kernel_size: 3, padding: 1, share: first, when: $again, repeat: $n}
- conv: {out_channels: $w, kernel_size: 1}
""",
    "an output in the middle": """
space: {w: {choices: [2, 6], per: copy}}
input: [3, 8, 8]
layers:
- conv: {out_channels: $w, kernel_size: 1, repeat: 2, name: body}
- conv: {out_channels: 4, kernel_size: 3, name: last}
outputs: [body, last]
""",
}


@pytest.mark.parametrize("name", SPACES)
def test_a_space_has_the_networks_that_exist(name: str) -> None:
    listed = list_networks(SPACES[name], 200)
    assert listed
    space = read_space(read_text(SPACES[name]), Overrides())
    assert space.restrict([]).count() == len(listed)
    peaks = [one.figures["peak_memory"] for one in listed]
    assert find_peak_range(space) == (min(peaks), max(peaks))
    for figure in ("params", "macs", "layers"):
        values = [one.figures[figure] for one in listed]
        counts = FigureCounts(space.graph, figure)
        assert {value: counts.count_at_most(value) - counts.count_at_most(value - 1) for value in values} == Counter(
            values
        )


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ("[]", "1:12: choices must be a list of at least one value; got an empty list"),
        ("[3, 5, 3]", "1:19: the choice 3 is listed twice"),
        ("[3, null]", "1:16: a choice must be a number, true, false or text, or a list of these; got an empty value"),
        ("", "1:9: k has no choices"),
        ("3", "1:12: choices must be a list of at least one value; got 3"),
        ("[3, $w]", "1:16: a choice cannot contain an expression; got '$w'"),
        ("{choices: [3, 5], per: layer}", "1:35: per must be copy; got 'layer'"),
        ("{choices: [[1, 2]], per: copy}", "1:23: a choice must be a number, true, false or text; got the list [1, 2]"),
    ],
)
def test_wrong_choices_are_refused_at_their_place(choices: str, message: str) -> None:
    text = f"space: {{k: {choices}}}\ninput: [3, 8, 8]\nlayers: [{{conv: {{out_channels: 4, kernel_size: 3}}}}]\n"
    with pytest.raises(convcalc.InvalidSpec) as caught:
        read_space(read_text(text), Overrides())
    assert str(caught.value).startswith(f"<spec>:{message}")
