"""A diagram folds a network without losing anything: every layer is in one box, every connection in one arrow."""

from __future__ import annotations

from io import StringIO
from unittest.mock import Mock

import pytest
import yaml

import convcalc
from convcalc.analysis.report import Report
from convcalc.examples import list_names
from convcalc.render.drawing import diagram as diagram_file
from convcalc.render.drawing.diagram import METRICS, MOST_BOXES, Diagram, choose_fold, fold_network
from convcalc.render.rows import leaf_rows
from tests.support.places import ROOT


def read(text: str) -> Report:
    return convcalc.analyse(convcalc.load(StringIO(text)))


def list_depths(report: Report) -> list[int | None]:
    return [1, 2, 3, None]


def covers(leaf: str, layer: str) -> bool:
    return layer == leaf or layer.startswith(f"{leaf}.")


def find_box(diagram: Diagram, layer: str) -> int:
    """The index of the only box that stands for a layer."""
    found = [number for number, box in enumerate(diagram.boxes) if any(covers(leaf, layer) for leaf in box.leaves)]
    assert len(found) == 1, (layer, found)
    return found[0]


@pytest.mark.parametrize("name", list_names())
def test_every_layer_and_connection_of_an_example_is_drawn(name: str) -> None:
    report = convcalc.analyse(convcalc.load(f"example:{name}"))
    for depth in list_depths(report):
        diagram = fold_network(report, depth)
        inputs = [box.name for box in diagram.boxes if box.is_input]
        assert inputs == list(report.network.inputs)
        box_of = {layer.name: find_box(diagram, layer.name) for layer in report.layers}
        box_of |= {name: number for number, name in enumerate(inputs)}
        wanted = {(box_of[read], box_of[layer.name]) for layer in report.layers for read in layer.reads}
        assert set(diagram.arrows) == {(source, target) for source, target in wanted if source != target}
        assert all(source < target for source, target in diagram.arrows)
        for metric in METRICS:
            figures = [box.figures[metric] for box in diagram.boxes if not box.is_input]
            assert None in figures or sum(figure or 0 for figure in figures) == getattr(report.totals, metric)


def test_norms_and_activations_are_in_the_box_of_their_convolution() -> None:
    report = read(
        "input: [3, 8, 8]\nlayers:\n- conv: {out_channels: 4, kernel_size: 3}\n- batchnorm\n- relu\n- maxpool: 2\n"
    )
    _, first, second = fold_network(report, None).boxes
    assert (first.name, first.words) == ("conv1", ("conv 3×3, 4", "batchnorm · relu"))
    assert (second.name, second.words) == ("maxpool1", ("maxpool 2×2, /2",))


def test_an_activation_whose_input_is_read_twice_has_a_box() -> None:
    report = read(
        "input: [3, 8, 8]\nlayers:\n- conv: {out_channels: 3, kernel_size: 1, name: a}\n- relu: {name: b}\n"
        "- add: [a, b]\n"
    )
    diagram = fold_network(report, None)
    assert [box.leaves for box in diagram.boxes] == [(), ("a",), ("b",), ("add1",)]


def test_equal_copies_in_a_row_are_one_box_with_the_sum_of_their_figures() -> None:
    report = convcalc.analyse(convcalc.load("example:resnet50"))
    boxes = {box.name: box for box in fold_network(report, 2).boxes}
    assert boxes["stage3.1–5"].copies == 5
    assert boxes["stage3.1–5"].words == ("5 × bottleneck, 10 layers each",)
    assert boxes["stage3.1–5"].figures["macs"] == 5 * 218_365_952  # 1024·256 + 9·256² + 256·1024 at 14×14
    assert boxes["stage3.0"].copies == 1


def test_copies_that_differ_have_boxes_of_their_own() -> None:
    report = read(
        "input: [3, 8, 8]\nlayers:\n- sequence:\n  - conv: {out_channels: $(2 + index), kernel_size: 1}\n"
        "  - relu\n  repeat: 3\n"
    )
    assert [box.copies for box in fold_network(report, 2).boxes if not box.is_input] == [1, 1, 1]


def test_a_network_is_folded_only_as_much_as_needed() -> None:
    for name in list_names():
        report = convcalc.analyse(convcalc.load(f"example:{name}"))
        diagram = choose_fold(report)
        assert len(diagram.boxes) <= MOST_BOXES or diagram.depth == 1
        if diagram.depth is not None:
            deeper = [fold_network(report, depth) for depth in (diagram.depth + 1, diagram.depth + 2, None)]
            assert any(len(one.boxes) > MOST_BOXES for one in deeper)


def list_box_names(diagram: Diagram) -> list[str]:
    return [box.name for box in diagram.boxes if not box.is_input]


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "vgg16", "unet", "vit_tiny"])
def test_a_scope_that_holds_all_layers_changes_only_their_names(name: str) -> None:
    spec = yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text(encoding="utf-8"))
    spec.pop("expect", None)
    plain = choose_fold(convcalc.analyse(convcalc.load(spec)))
    spec["layers"] = [{"sequence": [{"sequence": spec["layers"], "name": "features"}], "name": "model"}]
    wrapped = choose_fold(convcalc.analyse(convcalc.load(spec)))
    assert list_box_names(wrapped) == [f"model.features.{one}" for one in list_box_names(plain)]
    assert wrapped.arrows == plain.arrows


def make_chain(count: int) -> list[dict[str, dict[str, int]]]:
    return [{"conv": {"out_channels": 3 + number % 2, "kernel_size": 1}} for number in range(count)]


@pytest.mark.parametrize(("inside", "outside", "is_open"), [(142, 2, True), (130, 43, True), (129, 43, False)])
def test_a_scope_is_open_if_it_holds_more_than_three_quarters(inside: int, outside: int, is_open: bool) -> None:
    layers = [{"sequence": make_chain(inside), "name": "model"}, {"sequence": make_chain(outside), "name": "head"}]
    diagram = choose_fold(convcalc.analyse(convcalc.load({"input": [3, 8, 8], "layers": layers})), most=12)
    assert ("model" in list_box_names(diagram)) is not is_open
    assert len(diagram.boxes) - 1 == (inside + 1 if is_open else 2)


def test_a_scope_of_too_many_boxes_stays_one_box() -> None:
    layers = [{"sequence": [{"sequence": make_chain(401), "name": "body"}, *make_chain(3)], "name": "model"}]
    diagram = choose_fold(convcalc.analyse(convcalc.load({"input": [3, 8, 8], "layers": layers})))
    assert list_box_names(diagram) == ["model.body", "model.conv1", "model.conv2", "model.conv3"]


def test_only_the_chosen_diagram_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    layers: list[object] = ["relu"]
    for _ in range(20):
        layers = [{"sequence": layers}, {"sequence": [{"maxpool": 1}, "relu"]}]
    report = convcalc.analyse(convcalc.load({"input": [3, 8, 8], "layers": layers}))
    made = Mock(side_effect=leaf_rows)
    monkeypatch.setattr(diagram_file, "leaf_rows", made)
    choose_fold(report)
    assert made.call_count == 1
