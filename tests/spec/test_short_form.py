"""Tests the short form of an entry, `maxpool: 2`: the value of the main argument of a layer kind is written alone."""

from pathlib import Path

import jsonschema
import pytest

from convcalc.arguments import list_required
from convcalc.cli.main import run
from convcalc.layers import KINDS
from convcalc.problems import InvalidSpec, Problem
from convcalc.spec.edits import apply_edits, set_argument
from convcalc.spec.entries import OPTIONS, shorten_arguments
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text
from convcalc.spec.spec_schema import make_spec_schema

MAIN_ARGUMENTS = {
    "pointwise_conv": "out_channels",
    "depthwise_conv": "kernel_size",
    "linear": "out_features",
    "maxpool": "kernel_size",
    "avgpool": "kernel_size",
    "adaptive_maxpool": "output_size",
    "adaptive_avgpool": "output_size",
    "max_unpool": "kernel_size",
    "groupnorm": "num_groups",
    "local_response_norm": "size",
    "leaky_relu": "negative_slope",
    "prelu": "num_parameters",
    "dropout": "p",
    "drop_path": "p",
    "reshape": "shape",
    "slice": "channels",
    "permute": "order",
    "unfold": "kernel_size",
    "mean": "axes",
    "sum": "axes",
    "std": "axes",
    "scale": "factor",
    "shift": "amount",
    "upsample": "scale_factor",
    "pixel_shuffle": "upscale_factor",
    "pixel_unshuffle": "downscale_factor",
    "channel_shuffle": "groups",
    "pad": "padding",
    "crop": "amount",
    "add": "from",
    "multiply": "from",
    "concat": "from",
    "attention": "heads",
    "matmul": "from",
    "lstm": "hidden_size",
    "gru": "hidden_size",
    "conv_lstm": "hidden_size",
    "map": "size",
    "parameter": "shape",
}
FORMS = [
    ("linear", "10", "flatten"),
    ("linear", "$(5 * 2)", "flatten"),
    ("maxpool", "2", None),
    ("maxpool", "[2, 1]", None),
    ("maxpool", "[$(1 + 1), 1]", None),
    ("avgpool", "2", None),
    ("adaptive_avgpool", "[2, 1]", None),
    ("adaptive_maxpool", "2", None),
    ("max_unpool", "2", None),
    ("pointwise_conv", "8", None),
    ("depthwise_conv", "3", None),
    ("groupnorm", "2", None),
    ("local_response_norm", "3", None),
    ("leaky_relu", "0.2", None),
    ("prelu", "$in_channels", None),
    ("dropout", "0.25", None),
    ("drop_path", "0.25", None),
    ("reshape", "[16, 4, -1]", None),
    ("slice", "[0, 2]", None),
    ("permute", "[width, channels, height]", None),
    ("unfold", "3", None),
    ("mean", "height", None),
    ("sum", "[height, width]", None),
    ("std", "channels", None),
    ("scale", "0.5", None),
    ("shift", "$(1 - 2)", None),
    ("upsample", "2", None),
    ("upsample", "[2, 1.5]", None),
    ("pixel_shuffle", "2", None),
    ("pixel_unshuffle", "2", None),
    ("channel_shuffle", "2", None),
    ("pad", "1", None),
    ("pad", "[[0, 1], 1]", None),
    ("crop", "1", None),
    ("add", "[previous, input]", None),
    ("multiply", "[previous, input]", None),
    ("concat", "[previous, input]", None),
    ("attention", "2", None),
    ("matmul", "[previous, previous]", "reshape: [16, 16]"),
    ("lstm", "2", "tokens"),
    ("gru", "$(1 + 1)", "tokens"),
    ("conv_lstm", "2", None),
    ("map", "[4, 16]", "tokens"),
    ("parameter", "[4, 8]", None),
]

VALIDATOR = jsonschema.Draft7Validator(make_spec_schema())


def write_spec(entry: str, before: str | None = None) -> str:
    return f"input: [4, 8, 8]\nlayers:\n  - {before or 'relu'}\n  - {entry}\n"


def find_problem(entry: str) -> Problem:
    with pytest.raises(InvalidSpec) as caught:
        read_network(read_text(write_spec(entry), "net.yaml", True))
    return caught.value.problems[0]


def test_the_main_argument_of_each_kind_is_the_decided_one() -> None:
    assert {word: kind.main for word, kind in KINDS.items() if kind.main} == MAIN_ARGUMENTS


@pytest.mark.parametrize("word", MAIN_ARGUMENTS)
def test_no_other_argument_of_a_kind_with_a_short_form_is_required(word: str) -> None:
    main, required = MAIN_ARGUMENTS[word], list_required(KINDS[word].keys)
    assert set(required) <= {main}
    assert main in KINDS[word].keys or (main in OPTIONS and KINDS[word].reads_many)
    assert not KINDS[word].one_of or main in KINDS[word].one_of


def test_every_kind_with_a_main_argument_has_a_form_below() -> None:
    assert {word for word, _, _ in FORMS} == set(MAIN_ARGUMENTS)


@pytest.mark.parametrize(("word", "value", "before"), FORMS)
def test_the_short_form_is_the_same_layer_as_the_long_form(word: str, value: str, before: str | None) -> None:
    document = read_text(write_spec(f"{word}: {value}", before), "net.yaml", True)
    long = write_spec(f"{word}: {{{MAIN_ARGUMENTS[word]}: {value}}}", before)
    short_node = read_network(document).nodes[-1]
    long_node = read_network(read_text(long, "net.yaml", True)).nodes[-1]
    assert short_node.layer.arguments() == long_node.layer.arguments()
    assert (short_node.layer.inputs, short_node.layer.output) == (long_node.layer.inputs, long_node.layer.output)
    assert VALIDATOR.is_valid(document.root)


def test_a_kind_that_comes_from_a_parameter_has_no_short_form() -> None:
    text = "input: [4, 8, 8]\nparams: {pool: maxpool}\nlayers:\n  - $pool: 2\n"
    with pytest.raises(InvalidSpec) as caught:
        read_network(read_text(text, "net.yaml", True))
    [problem] = caught.value.problems
    assert problem.message == "the arguments of $pool must be a mapping; got 2"
    assert problem.hint == "name the argument, because the layer kind comes from a parameter"
    network = read_network(read_text(text.replace("2", "{kernel_size: 2}"), "net.yaml", True))
    assert network.nodes[0].layer.output.spatial == (4, 4)


@pytest.mark.parametrize(
    ("entry", "column", "hint"),
    [
        ("conv: 64", 11, "write - conv: {out_channels: 64, kernel_size: 3}"),
        ("conv: [64, 3]", 11, "write - conv: {out_channels: 64, kernel_size: 3}"),
        ("batchnorm: 8", 16, "write - batchnorm"),
        ("add: input", 10, "write - add: [previous, input]"),
        ("linear: abc", 13, ""),
        ("maxpool: [2, x]", 18, ""),
        ("maxpool: 2.0", 14, "write 2"),
        ("concat: [previous, nothing]", 24, None),
        ("pad: {padding: 1, like: input}", 5, None),
    ],
)
def test_a_mistake_in_a_short_form_is_reported_at_its_value(entry: str, column: int, hint: str | None) -> None:
    problem = find_problem(entry)
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == (4, column)
    assert hint is None or problem.hint == hint


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("pointwise_conv: 8", "pointwise_conv: {out_channels: 8, bias: false}"),
        ("pointwise_conv: 8  # wide", "pointwise_conv: {out_channels: 8, bias: false}  # wide"),
        ("pointwise_conv: $(2 * 4)", "pointwise_conv: {out_channels: $(2 * 4), bias: false}"),
        ("pointwise_conv: $(max(2, 4))", 'pointwise_conv: {out_channels: "$(max(2, 4))", bias: false}'),
    ],
)
def test_an_argument_is_added_to_a_short_form(entry: str, expected: str) -> None:
    text = write_spec(entry)
    document = read_text(text, "net.yaml", True)
    edited = apply_edits(text, [set_argument(document, ("layers", 1, "pointwise_conv"), "bias", "false")])
    assert edited == write_spec(expected)
    layer = read_network(read_text(edited, "net.yaml", True)).nodes[-1].layer
    assert layer.arguments()["bias"] is False


def test_a_kind_from_a_parameter_has_no_short_form() -> None:
    text = "params: {pool: maxpool}\ninput: [4, 8, 8]\nlayers:\n  - $pool: 2\n"
    with pytest.raises(InvalidSpec) as caught:
        read_network(read_text(text, "net.yaml", True))
    assert [(problem.message, problem.hint) for problem in caught.value.problems] == [
        (
            "the arguments of $pool must be a mapping; got 2",
            "name the argument, because the layer kind comes from a parameter",
        )
    ]


def test_only_a_main_argument_on_its_own_is_shortened() -> None:
    assert shorten_arguments("linear", {"out_features": 10}) == 10
    assert shorten_arguments("linear", {"out_features": 10, "bias": False}) == {"out_features": 10, "bias": False}
    assert shorten_arguments("add", {"from": ["a", "b"]}) == ["a", "b"]
    assert shorten_arguments("add", {"from": "a"}) == {"from": "a"}


def test_a_short_form_has_alternatives_that_are_applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.yaml"
    file.write_text("input: [64, 8, 8]\nlayers:\n  - relu\n  - pointwise_conv: 64  # mixes\n  - dropout: 0.5\n")
    assert run(["alternatives", str(file), "--apply", "grouped2:pointwise_conv1"]) == 0
    changed = read_text(capsys.readouterr().out, "net.yaml", True)
    node = read_network(changed).nodes[1]
    assert (node.layer.arguments()["out_channels"], node.layer.arguments()["groups"]) == (64, 2)


def test_an_argument_added_by_check_keeps_the_value_of_a_short_form(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text("input: [64, 8, 8]\nlayers:\n  - pointwise_conv: 64  # mixes\n  - batchnorm\n")
    run(["check", "--fix", str(file)])
    assert "- pointwise_conv: {out_channels: 64, bias: false}  # mixes" in file.read_text()
