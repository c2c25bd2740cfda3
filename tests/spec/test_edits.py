"""Edits of a spec's text: they produce the intended values and change nothing else in the text."""

import copy
import re
from typing import Any

import pytest

from convcalc.examples import list_names, resolve_net
from convcalc.layers import KINDS
from convcalc.layers.mixins import Bias
from convcalc.problems import Path
from convcalc.spec.document import Document
from convcalc.spec.edits import CannotEdit, apply_edits, replace_entry, set_argument
from convcalc.spec.files import read_file
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text

SPEC = """\
input: [3, 8, 8]
layers:
  - conv: {out_channels: 8, kernel_size: 3}  # first
  - conv: {out_channels: 8, kernel_size: [3, 3], }
  - conv:
      out_channels: 8   # of channels
      kernel_size: [3,
         3]  # last
  - conv:
      # before
      bias: true
      # after
      kernel_size: 3
  - batchnorm
  - linear:
  - branches:
      - - conv: {kernel_size: 3, out_channels: 8}
        - [relu, conv: {out_channels: 8}, batchnorm]
      - []
    merge: add
  - relu
"""
WORDS: list[Path] = [
    *(("layers", index, "conv") for index in range(4)),
    ("layers", 4),
    ("layers", 5, "linear"),
    ("layers", 6, "branches", 0, 0, "conv"),
    ("layers", 6, "branches", 0, 1, 1, "conv"),
]


def plain(value: Any) -> Any:
    """Values without their locations."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def read(text: str) -> Any:
    document = read_text(text)
    assert document.problems == []
    return plain(document.root)


def comments(text: str) -> list[str]:
    return re.findall(r"# .*", text)


def with_argument(values: Any, path: Path, name: str, value: Any) -> Any:
    """The values with an argument set, by plain Python."""
    values = copy.deepcopy(values)
    *way, last = path
    parent = values
    for step in way:
        parent = parent[step]
    if isinstance(last, int):
        parent[last] = {parent[last]: {name: value}}
    else:
        written = parent[last]
        if written is not None and not isinstance(written, dict):
            written = {KINDS[str(last)].main: written}
        parent[last] = {**(written or {}), name: value}
    return values


@pytest.mark.parametrize("path", WORDS, ids=str)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_argument_is_set_in_any_layout_of_an_entry(path: Path, newline: str) -> None:
    text = SPEC.replace("\n", newline)
    edited = apply_edits(text, [set_argument(read_text(text), path, "bias", "false")])
    assert read(edited) == with_argument(read(text), path, "bias", False)
    assert comments(edited) == comments(text)
    assert len(re.findall(r"(?<!\r)\n", edited)) == (0 if newline == "\r\n" else edited.count("\n"))


def example(name: str) -> Document:
    return read_file(resolve_net(f"example:{name}"))


@pytest.mark.parametrize("name", list_names())
def test_an_argument_of_every_layer_with_a_bias_is_set_in_every_example(name: str) -> None:
    document = example(name)
    assert document.text is not None
    paths = {node.path for node in read_network(document).nodes if isinstance(node.layer, Bias)}
    for path in sorted(paths, key=str):
        edited = apply_edits(document.text, [set_argument(document, path, "bias", "false")])
        assert read(edited) == with_argument(plain(document.root), path, "bias", False)
        assert comments(edited) == comments(document.text)


@pytest.mark.parametrize("name", list_names())
def test_an_entry_is_replaced_in_every_example(name: str) -> None:
    document = example(name)
    assert document.text is not None
    lines = [["conv: {kernel_size: 1}"], ["sequence:", "  - relu", "  - relu6", "name: two"]]
    for path in sorted({node.path for node in read_network(document).nodes}, key=str):
        entry = path if isinstance(path[-1], int) else path[:-1]
        if not isinstance(entry[-1], int):
            continue  # the merge of branches, which is not an entry
        edited = apply_edits(document.text, [replace_entry(document, entry, lines)])
        expected = plain(copy.deepcopy(document.root))
        parent = expected
        for step in entry[:-1]:
            parent = parent[step]
        parent[entry[-1] : entry[-1] + 1] = [
            {"conv": {"kernel_size": 1}},
            {"sequence": ["relu", "relu6"], "name": "two"},
        ]
        assert read(edited) == expected
        assert sorted(comments(edited)) == sorted(comments(document.text))


def test_comments_inside_a_replaced_entry_move_above_it() -> None:
    edited = apply_edits(SPEC, [replace_entry(read_text(SPEC), ("layers", 3), [["relu"], ["relu6"]])])
    assert "  # before\n  # after\n  - relu\n  - relu6\n  - batchnorm" in edited


def test_text_after_a_replaced_entry_that_ends_in_a_block_scalar_is_preserved() -> None:
    text, rest = "layers:\n  - conv:\n      name: |-\n        a\n", "\n  # next\n  - relu\n"
    edited = apply_edits(text + rest, [replace_entry(read_text(text + rest), ("layers", 0), [["relu6"]])])
    assert edited == "layers:\n  - relu6\n" + rest


def test_entries_in_brackets_are_replaced_within_the_line() -> None:
    path: Path = ("layers", 6, "branches", 0, 1, 1)
    document = read_text(SPEC)
    assert "[relu, relu6, silu: {}, batchnorm]" in apply_edits(
        SPEC, [replace_entry(document, path, [["relu6"], ["silu: {}"]])]
    )
    with pytest.raises(CannotEdit, match="brackets"):
        replace_entry(document, path, [["sequence:", "  - relu"]])


@pytest.mark.parametrize(
    "text",
    [
        "layers:\n  - conv: &a {out_channels: 8, kernel_size: 3}\n  - conv: *a\n",
        "x-a: &a {out_channels: 8, kernel_size: 3}\nlayers:\n  - conv: *a\n",
        "layers:\n  - &a {conv: {out_channels: 8}}\n  - *a\n",
        "x-a: &a {bias: true}\nlayers:\n  - conv: {<<: *a, kernel_size: 3}\n",
        "layers:\n  - conv: {bias: $bias}\n",
        "x-b: &b true\nlayers:\n  - conv: {bias: *b}\n",
    ],
)
def test_values_from_an_alias_or_an_expression_are_not_edited(text: str) -> None:
    with pytest.raises(CannotEdit):
        set_argument(read_text(text), ("layers", 0, "conv"), "bias", "false")


def test_two_changes_at_one_location_are_refused_and_equal_ones_are_merged() -> None:
    document = read_text(SPEC)
    edit = set_argument(document, WORDS[0], "bias", "false")
    assert apply_edits(SPEC, [edit, edit]) == apply_edits(SPEC, [edit])
    with pytest.raises(CannotEdit, match="overlap"):
        apply_edits(SPEC, [edit._replace(start=edit.start - 3), edit._replace(start=edit.start - 1, text="x")])
