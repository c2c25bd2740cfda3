"""Tests branches with names: `branches: {main: [...], shortcut: [...]}`."""

import jsonschema
import pytest

from convcalc.problems import InvalidSpec
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text
from convcalc.spec.spec_schema import make_spec_schema

SPEC = """
input: [8, 16, 16]
layers:
  - branches:
      main:
        - conv: {out_channels: 8, kernel_size: 3, padding: 1}
        - relu
      shortcut:
        - pointwise_conv: 8
    merge: add
  - concat: [previous, branches1.shortcut.pointwise_conv1, branches1.main]
"""


def test_the_names_of_branches_appear_in_full_names() -> None:
    network = read_network(read_text(SPEC, "net.yaml", True))
    assert [node.name for node in network.nodes] == [
        "branches1.main.conv1",
        "branches1.main.relu1",
        "branches1.shortcut.pointwise_conv1",
        "branches1.add",
        "concat1",
    ]
    assert str(network.nodes[-1].layer.output) == "24×16×16"
    assert {group.name for group in network.groups} == {"branches1", "branches1.main", "branches1.shortcut"}


def test_named_branches_compute_the_same_as_numbered_ones() -> None:
    numbered = SPEC.replace("main:\n        -", "- -", 1).replace("shortcut:\n        -", "- -", 1)
    numbered = numbered.replace("shortcut.", "1.").replace("branches1.main", "branches1.0")
    one, other = (read_network(read_text(text, "net.yaml", True)) for text in (SPEC, numbered))
    assert [node.reads for node in one.nodes] == [node.reads for node in other.nodes]
    assert [node.layer for node in one.nodes] == [node.layer for node in other.nodes]


def test_the_schema_accepts_named_branches() -> None:
    jsonschema.validate(read_text(SPEC, "net.yaml", True).root, make_spec_schema())


@pytest.mark.parametrize("name", ["'0'", "12", "a.b", "input", "previous", "add", "é", "merge", "repeat", "a" * 201])
def test_a_wrong_name_of_a_branch_is_refused_at_the_name(name: str) -> None:
    text = f"input: [8, 16, 16]\nlayers:\n  - branches: {{{name}: [relu], other: []}}\n    merge: add\n"
    with pytest.raises(InvalidSpec) as caught:
        read_network(read_text(text, "net.yaml", True))
    span = caught.value.problems[0].span
    assert span is not None
    assert span.line == 3


@pytest.mark.parametrize("branches", ["{main: [relu]}", "{}", "{main: [relu], other: 3}", "{main: [relu], other: }"])
def test_named_branches_are_at_least_two_lists(branches: str) -> None:
    text = f"input: [8, 16, 16]\nlayers:\n  - branches: {branches}\n    merge: add\n"
    with pytest.raises(InvalidSpec) as caught:
        read_network(read_text(text, "net.yaml", True))
    assert (
        "branches must be" in caught.value.problems[0].message or "list of entries" in caught.value.problems[0].message
    )
