"""A diagram folds a network without losing anything: every layer is in one box, every connection in one arrow."""

from __future__ import annotations

from io import StringIO

import pytest

import convcalc
from convcalc.analysis.report import Report
from convcalc.examples import list_names
from convcalc.render.drawing.diagram import METRICS, MOST_BOXES, Diagram, choose_fold, fold_network


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
