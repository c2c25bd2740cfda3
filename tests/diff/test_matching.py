"""Which layers of two networks correspond, what changed in them, and conditions on the change in cost."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc import Report, examples
from convcalc.diff import matching
from convcalc.diff.compared_figures import FigurePair
from convcalc.diff.condition import parse_condition
from convcalc.diff.difference import Difference, LayerChange, ValueChange, compare_reports
from convcalc.diff.matching import Pair, find_longest_rising, match_layers
from convcalc.metrics.figures import FIGURES
from convcalc.problems import Flaw
from tests.support.specs import load

CONV = {"out_channels": 8, "kernel_size": 3, "padding": 1}


def conv(**arguments: Any) -> dict[str, Any]:
    return {"conv": {**CONV, **arguments}}


def spec(*layers: Any, **top: Any) -> dict[str, Any]:
    return {"input": [8, 16, 16], "layers": list(layers), **top}


def diff(old: dict[str, Any], new: dict[str, Any]) -> Difference:
    return compare_reports(convcalc.analyse(load(old)), convcalc.analyse(load(new)))


def told(difference: Difference) -> list[str]:
    """Describe each change of a layer in a few words."""
    found = []
    for change in difference.layers:
        if change.old is None or change.new is None:
            found.append(f"{'+' if change.old is None else '-'} {change.layer.name}")
            continue
        written = ", ".join(f"{one.what} {one.old} -> {one.new}" for one in change.written)
        names = f"{change.old.name} -> {change.new.name}" if change.renamed else change.new.name
        found.append(" ".join(filter(None, ("moved" if change.moved else "", names, written))))
    return found


# -- matching


def test_a_changed_argument_is_one_change_and_later_layers_change_in_shape() -> None:
    found = diff(spec(conv(), "relu", conv()), spec(conv(out_channels=16), "relu", conv()))
    assert told(found) == ["conv1 out_channels 8 -> 16", "relu1", "conv2"]
    assert [one.what for one in found.layers[1].shapes] == ["input", "output"]
    assert [one.what for one in found.layers[2].shapes] == ["input"]


def test_a_layer_inserted_before_unnamed_ones_is_one_added_layer() -> None:
    layers = [entry for kernel in (1, 3, 5, 7) for entry in (conv(kernel_size=kernel, padding=kernel // 2), "relu")]
    found = diff(spec(*layers), spec(conv(groups=8), "gelu", *layers))
    assert [change.layer.name for change in found.layers if change.old is None] == ["conv1", "gelu1"]
    assert all(change.renamed and not change.written for change in found.layers if change.old is not None)
    assert not any(change.new is None or change.moved for change in found.layers)


def test_doubled_channels_change_every_layer_without_shifting_any() -> None:
    def vgg(width: int) -> dict[str, Any]:
        pool = {"maxpool": {"kernel_size": 2}}
        stages = [[conv(out_channels=width * 2**stage), "relu"] * 2 + [pool] for stage in range(4)]
        return spec(*itertools.chain(*stages))

    found = diff(vgg(8), vgg(16))
    assert all(change.old and change.new and change.old.name == change.new.name for change in found.layers)
    assert [change.layer.kind for change in found.layers if change.written] == ["conv"] * 8


def test_a_renamed_scope_has_the_same_layers_under_another_name() -> None:
    def named(name: str, width: int = 8) -> dict[str, Any]:
        return spec(conv(), {"sequence": [conv(out_channels=width), "batchnorm", "relu"], "name": name, "repeat": 3})

    found = diff(named("stage2"), named("layer2"))
    assert len(found.layers) == 9
    assert all(change.renamed and not (change.written or change.shapes) for change in found.layers)
    widened = diff(named("stage2"), named("layer2", 16))
    assert all(change.renamed for change in widened.layers)
    assert sum(bool(change.written) for change in widened.layers) == 3


def test_scopes_that_swap_places_have_moved() -> None:
    first = {"sequence": [conv(kernel_size=5, padding=2), "relu"], "name": "first"}
    second = {"sequence": [conv(kernel_size=1, padding=0), "gelu"], "name": "second"}
    found = diff(spec(first, second), spec(second, first))
    assert {change.layer.name.split(".")[0] for change in found.layers if change.moved} in ({"first"}, {"second"})
    assert sum(change.moved for change in found.layers) == 2
    assert not any(change.old is None or change.new is None for change in found.layers)


def test_an_inserted_layer_does_not_rewire_its_neighbours_but_a_skip_does() -> None:
    plain = spec(conv(name="a"), conv(name="b"), conv(name="c"))
    assert told(diff(plain, spec(conv(name="a"), "relu", conv(name="b"), conv(name="c")))) == ["+ relu1"]
    skipped = spec(conv(name="a"), conv(name="b"), conv(name="c", **{"from": "a"}), outputs=["c"])
    [change] = [one for one in diff(plain, skipped).layers if one.written]
    assert change.written == (ValueChange("from", ("b",), ("a",)),)


def test_replacing_the_kind_of_a_layer_is_a_change() -> None:
    old = spec(conv(name="stem"), "relu", conv(), {"relu": {"name": "act"}}, "batchnorm")
    new = spec(conv(name="stem"), "gelu", conv(), "dropout", {"silu": {"name": "act"}}, "batchnorm")
    assert told(diff(old, new)) == ["gelu1 kind relu -> gelu", "+ dropout1", "act kind relu -> silu"]
    assert told(diff(new, old)) == ["relu1 kind gelu -> relu", "- dropout1", "act kind silu -> relu"]


def test_a_replaced_kind_with_the_same_argument_shows_both_changes() -> None:
    old = spec(conv(), {"maxpool": {"kernel_size": 3, "padding": 1, "stride": 1}}, conv())
    new = spec(conv(), {"avgpool": {"kernel_size": 5, "padding": 2, "stride": 1}}, conv())
    assert told(diff(old, new)) == [
        "avgpool1 kind maxpool -> avgpool, kernel_size [3, 3] -> [5, 5], padding [[1, 1], [1, 1]] -> [[2, 2], [2, 2]]"
    ]


def test_replaced_kinds_with_other_shapes_or_another_count_do_not_correspond() -> None:
    pooled = spec(conv(), {"maxpool": {"kernel_size": 2}}, conv())
    assert told(diff(spec(conv(), "relu", conv()), pooled)) == ["- relu1", "+ maxpool1", "conv2"]
    assert told(diff(spec(conv(), "relu", conv()), spec(conv(), "gelu", "tanh", conv()))) == [
        "- relu1",
        "+ gelu1",
        "+ tanh1",
    ]


def test_options_are_compared_like_arguments() -> None:
    assert told(diff(spec(conv(), "relu"), spec(conv(frozen=True), "relu"))) == ["conv1 frozen None -> True"]
    shared = spec(conv(), conv(share="conv1"))
    assert told(diff(spec(conv(), conv()), shared)) == ["conv2 share None -> True"]


def test_the_inputs_of_a_network_are_compared() -> None:
    old = spec("relu", params={"a": 1, "b": True})
    new = {**spec("relu", params={"a": 1.0, "c": "x"}), "input": [8, 4, 4], "batch": 2, "dtype": "int8"}
    assert [tuple(change) for change in diff(old, new).given] == [
        ("params.a", 1, 1.0),
        ("params.b", True, None),
        ("inputs.input", (8, (16, 16)), (8, (4, 4))),
        ("outputs.relu1", (8, (16, 16)), (8, (4, 4))),
        ("batch", 1, 2),
        ("dtype.weights", "float32", "int8"),
        ("dtype.activations", "float32", "int8"),
        ("dtype.bias", "float32", "int32"),
        ("params.c", None, "x"),
    ]


def brute_force(places: list[int]) -> int:
    """The length of the longest increasing subsequence."""
    lengths = range(len(places), 0, -1)
    rising = (
        length
        for length in lengths
        for choice in itertools.combinations(places, length)
        if all(one < other for one, other in itertools.pairwise(choice))
    )
    return next(rising, 0)


@given(st.permutations(range(7)))
def test_anchors_are_the_longest_sequence_in_the_same_order(places: list[int]) -> None:
    found = find_longest_rising([Pair(old, new) for old, new in enumerate(places)])
    assert len(found) == brute_force(places)
    assert all(one.old < other.old and one.new < other.new for one, other in itertools.pairwise(found))


def test_long_networks_are_matched_one_window_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def long(name: str, width: int = 8, front: int = 0) -> convcalc.Network:
        body = [{"sequence": [conv(out_channels=width), "relu"], "name": f"{name}{index}"} for index in range(120)]
        return load(spec(*["gelu"] * front, *body))

    monkeypatch.setattr(matching, "MOST_CELLS", 100)
    renamed = match_layers(long("a"), long("b"))
    assert renamed == [Pair(index, index) for index in range(240)]
    assert match_layers(long("a"), long("a", front=90)) == [Pair(index, index + 90) for index in range(240)]
    widened = match_layers(long("a"), long("b", 12, front=3))
    assert len(widened) == 240
    assert all(pair.new == pair.old + 3 for pair in widened)


# -- properties of any two networks

ENTRIES = st.one_of(
    st.sampled_from(["relu", "gelu", "batchnorm", "identity"]),
    st.builds(
        lambda kernel, groups: conv(kernel_size=kernel, padding=kernel // 2, groups=groups),
        st.sampled_from([1, 3]),
        st.sampled_from([1, 8]),
    ),
    st.builds(lambda width: conv(out_channels=width, groups=1), st.sampled_from([8, 16])),
)


@st.composite
def networks(draw: st.DrawFn) -> Report:
    """A chain of layers, some with names, some in scopes and repeated."""
    layers: list[Any] = []
    for index, inner in enumerate(draw(st.lists(st.lists(ENTRIES, min_size=1, max_size=4), min_size=1, max_size=4))):
        group: dict[str, Any] = {"sequence": inner}
        if draw(st.booleans()):
            group["name"] = draw(st.sampled_from(["a", "b", "stem", "head"])) + str(index)
        if draw(st.booleans()):
            group["repeat"] = draw(st.integers(1, 3))
        layers += [group] if draw(st.booleans()) else inner
    size = draw(st.sampled_from([8, 16]))
    try:
        return convcalc.analyse(load({"input": [8, size, size], "layers": layers, "batch": draw(st.integers(1, 2))}))
    except convcalc.InvalidSpec:  # groups that do not divide the channels
        return convcalc.analyse(load({"input": [8, size, size], "layers": ["relu"]}))


def mirrored(change: LayerChange) -> LayerChange:
    """The same change in the other direction."""
    written, shapes = (
        tuple(ValueChange(one.what, one.new, one.old) for one in part) for part in (change.written, change.shapes)
    )
    return LayerChange(change.new, change.old, change.moved, tuple(sorted(written)), tuple(sorted(shapes)))


def in_any_order(changes: tuple[LayerChange, ...]) -> list[str]:
    return sorted(repr(mirrored(mirrored(change))) for change in changes)


@settings(max_examples=60)
@given(networks(), networks())
def test_a_difference_is_the_negative_of_the_reverse_difference(old: Report, new: Report) -> None:
    there, back = compare_reports(old, new), compare_reports(new, old)
    for name in FIGURES:
        change, opposite = there.figures[name].change, back.figures[name].change
        assert change is not None
        assert opposite == -change
    assert in_any_order(there.layers) == sorted(repr(mirrored(change)) for change in back.layers)
    assert {(one.what, one.old, one.new) for one in there.given} == {(one.what, one.new, one.old) for one in back.given}


@settings(max_examples=60)
@given(networks())
def test_a_network_does_not_differ_from_itself(network: Report) -> None:
    assert compare_reports(network, network).is_empty


@settings(max_examples=60)
@given(networks(), networks())
def test_every_layer_is_in_at_most_one_pair_and_pairs_have_one_kind(old: Report, new: Report) -> None:
    pairs = match_layers(old.network, new.network)
    assert len({pair.old for pair in pairs}) == len({pair.new for pair in pairs}) == len(pairs)
    assert all(old.layers[pair.old].kind == new.layers[pair.new].kind for pair in pairs)
    still = [pair for pair in pairs if not pair.moved]
    assert all(one.old < other.old for one, other in itertools.pairwise(still))


@settings(max_examples=60)
@given(networks(), networks())
def test_added_minus_removed_layers_is_the_change_in_their_number(old: Report, new: Report) -> None:
    found = compare_reports(old, new)
    added = sum(change.old is None for change in found.layers)
    removed = sum(change.new is None for change in found.layers)
    assert added - removed == len(new.layers) - len(old.layers)


@pytest.fixture(scope="module")
def zoo() -> dict[str, Report]:
    return {name: convcalc.analyse(convcalc.load(examples.find_file(name))) for name in examples.list_names()}


def test_changes_of_layers_add_up_to_the_changes_of_the_totals_for_all_examples(
    zoo: dict[str, Report],
) -> None:
    reports = list(zoo.values())
    # compare each network with the one before it in the list, which is often a variant, and with two others
    pairs = [(old, reports[place - apart]) for place, old in enumerate(reports) for apart in (1, 17, 31)]
    for old, new in pairs:
        found = compare_reports(old, new)
        for name in ("params", "macs", "flops", "buffers"):
            changes = [change.figure(name).change for change in found.layers]
            assert None not in changes
            assert sum(change or 0 for change in changes) == found.figures[name].change, (old.network.name, name)


# -- conditions


@pytest.mark.parametrize(
    ("text", "old", "new", "holds"),
    [
        ("macs > +5%", 100, 105, False),
        ("macs > +5%", 10**30, 10**30 + 5 * 10**28 + 1, True),
        ("macs > +5%", 10**30, 10**30 + 5 * 10**28, False),
        ("macs >= 5%", 100, 105, True),
        ("macs > +0.1%", 1000, 1001, False),
        ("macs < -10%", 100, 90, False),
        ("macs < -10%", 100, 89, True),
        ("macs <= -10%", 100, 90, True),
        ("params > +100K", 5, 100_005, False),
        ("params > +100K", 5, 100_006, True),
        ("params >= 0", 5, 5, True),
        ("params >= 0", 5, 4, False),
        ("params != 0", 5, 4, True),
        ("params == 0", 5, 5, True),
        ("params == -1", 5, 4, True),
        ("peak_memory > +64KiB", 0, 65536, False),
        ("peak_memory > +64 KiB", 0, 65537, True),
        ("peak_memory > 0", 5, 6, True),
        ("peak_memory > 0", 5, 5, False),
        ("weight_memory != -0", 5, 5, False),
        ("  layers>3 ", 1, 5, True),
        # changes from zero
        ("macs > +5%", 0, 1, True),
        ("macs > +999999%", 0, 1, True),
        ("macs != 5%", 0, 1, True),
        ("macs < 5%", 0, 1, False),
        ("macs == 5%", 0, 1, False),
        ("macs > +5%", 0, 0, False),
        ("macs >= 0%", 0, 0, True),
        # unknown figures
        ("macs > +5%", None, 1, None),
        ("macs > 5", 1, None, None),
    ],
)
def test_a_condition_is_evaluated_exactly(text: str, old: int | None, new: int | None, holds: bool | None) -> None:
    assert parse_condition(text).holds(FigurePair(old, new)) is holds


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(0, 10**6), st.sampled_from("+-"))
def test_a_percentage_is_relative_to_the_old_value(old: int, new: int, thousandths: int, sign: str) -> None:
    percent = f"{sign}{thousandths // 1000}.{thousandths % 1000:03}"
    assert parse_condition(f"macs > {percent}%").holds(FigurePair(old, new)) == (
        100_000 * (new - old) > int(f"{sign}{thousandths}") * old
    )


@pytest.mark.parametrize(
    ("text", "said", "within"),
    [
        ("mac > 5%", "did you mean macs?", "mac"),
        ("output_shape > 5", "available: params", "output_shape"),
        ("macs >> 5", "no comparison", ">>"),
        ("macs = 5", "no comparison", "="),
        ("macs > 5x", "suffixes", "5x"),
        ("macs > 5 KiB", "suffixes", "5 KiB"),
        ("peak_memory > +64K", "use 64KiB or 64KB", "+64K"),
        ("macs > +%", "not a percentage", "+%"),
        ("macs > 1/0%", "not a percentage", "1/0%"),
        ("macs > __import__('os')", "suffixes", "__import__('os')"),
        ("macs > 1.5", "an integer", "1.5"),
        ("macs > ", "missing", ""),
        ("macs", "is missing", ""),
        ("macs 5", "is missing", ""),
        ("> 5", "must start with a metric", ""),
        ("", "must start with a metric", ""),
        ("macs > " + "9" * 5000, "macs must be", "9" * 5000),
        ("macs > \n5\n%\n6", "suffixes", "5\n%\n6"),
    ],
)
def test_a_wrong_condition_is_explained_at_its_location(text: str, said: str, within: str) -> None:
    with pytest.raises(Flaw) as caught:
        parse_condition(text)
    flaw = caught.value
    assert said in f"{flaw.message} | {flaw.hint}"
    assert flaw.within is not None
    assert text[slice(*flaw.within)] == within


def test_growth_is_relative_to_the_old_value() -> None:
    assert FigurePair(3, 4).relative == Fraction(1, 3)
    assert FigurePair(0, 0).relative == 0
    assert FigurePair(0, 4).relative is None
    assert FigurePair(None, 4).change is None
