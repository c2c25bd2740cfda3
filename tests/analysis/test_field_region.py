"""The receptive field of a single position, and `convcalc rf`."""

import json
import re

import pytest

import convcalc
from convcalc.analysis.field_region import NoRegion, find_layer, find_region, middle_position
from convcalc.analysis.report import Report
from convcalc.cli.main import run

CHAIN = {
    "input": [1, 12, 20],
    "layers": [
        {"conv": {"out_channels": 1, "kernel_size": 3, "stride": 2, "padding": 1}},
        {"conv": {"out_channels": 1, "kernel_size": [1, 5], "padding": [0, 2]}},
        "global_avgpool",
    ],
}


@pytest.fixture
def report() -> Report:
    return convcalc.summary(CHAIN)


@pytest.mark.parametrize(
    ("index", "position", "unclipped", "clipped", "outside"),
    [
        (0, (0, 0), ((-1, 1), (-1, 1)), ((0, 1), (0, 1)), (5, 9)),
        (0, (3, 4), ((5, 7), (7, 9)), ((5, 7), (7, 9)), (0, 1)),
        (1, (0, 0), ((-1, 1), (-5, 5)), ((0, 1), (0, 5)), (7, 11)),
        (1, (5, 9), ((9, 11), (13, 23)), ((9, 11), (13, 19)), (4, 11)),
        (2, (0, 0), ((0, 11), (0, 19)), ((0, 11), (0, 19)), (0, 1)),
    ],
)
def test_a_position_depends_on_a_region(
    report: Report, index: int, position: tuple[int, ...], unclipped: object, clipped: object, outside: object
) -> None:
    assert find_region(report, index, position) == (position, unclipped, clipped, outside)


def test_a_gap_of_a_transposed_convolution_depends_on_nothing() -> None:
    layer = {"conv_transpose": {"out_channels": 1, "kernel_size": 1, "stride": 3}}
    seen = find_region(convcalc.summary({"input": [1, 4], "layers": [layer]}), 0, (1,))
    assert (seen.unclipped, seen.clipped, seen.outside) == (None, None, (0, 1))


def test_the_region_of_a_flattened_map_is_that_of_its_first_value() -> None:
    """The first value comes from position 0, which depends on the inputs -1 to 1, both along the height and width."""
    layers = [{"conv": {"out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1}}, "flatten"]
    assert find_region(convcalc.summary({"input": [1, 8, 8], "layers": layers}), 1, ()).unclipped == ((-1, 1), (-1, 1))


def test_a_position_may_depend_only_on_padding() -> None:
    layer = {"conv": {"out_channels": 1, "kernel_size": 1, "padding": 2}}
    seen = find_region(convcalc.summary({"input": [1, 4], "layers": [layer]}), 0, (0,))
    assert (seen.unclipped, seen.clipped, seen.outside) == (((-2, -2),), None, (1, 1))


@pytest.mark.parametrize(("padding", "region"), [([2, 0], ((-2, -2), (0, 0))), ([0, 2], ((0, 0), (-2, -2)))])
def test_a_region_beyond_the_input_on_one_axis_is_outside_it(
    padding: list[int], region: tuple[tuple[int, int], ...]
) -> None:
    layer = {"conv": {"out_channels": 1, "kernel_size": 1, "padding": padding}}
    seen = find_region(convcalc.summary({"input": [1, 4, 4], "layers": [layer]}), 0, (0, 0))
    assert (seen.unclipped, seen.clipped, seen.outside) == (region, None, (1, 1))


@pytest.mark.parametrize(
    ("name", "said"), [("conv3", "did you mean"), ("zzz", "convcalc rf NET --all lists the layers")]
)
def test_a_wrong_layer_gets_a_hint(report: Report, name: str, said: str) -> None:
    with pytest.raises(NoRegion, match=said):
        find_layer(report, name)


@pytest.mark.parametrize("position", [(6, 0), (0,), (0, 0, 0), ()])
def test_a_position_must_be_within_the_output(report: Report, position: tuple[int, ...]) -> None:
    with pytest.raises(NoRegion, match="has no position"):
        find_region(report, 0, position)


def test_the_middle_position_is_the_default(report: Report) -> None:
    assert [middle_position(report, index) for index in range(3)] == [(3, 5), (3, 5), (0, 0)]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["rf", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("width", ["60", "80", "120"])
@pytest.mark.parametrize("name", ["resnet18", "unet", "r3d_18", "m5", "yolov3", "dcgan_generator"])
def test_the_table_of_growth_fits_the_terminal(
    name: str, width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    lines = printed(capsys, f"example:{name}").splitlines()
    assert max(map(len, lines)) <= int(width)


def test_the_layer_that_first_covers_the_input_is_marked_once(capsys: pytest.CaptureFixture[str]) -> None:
    marked = [line for line in printed(capsys, "example:resnet18").splitlines() if "◀" in line]
    assert [line.split()[0] for line in marked] == ["stage4.0.branches1.0.conv1"]


def test_every_layer_is_listed_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert "batchnorm1" in printed(capsys, "example:resnet18", "--all")
    assert "batchnorm1" not in printed(capsys, "example:resnet18")


def test_the_drawing_shows_the_field_and_what_lies_beyond_the_input(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "example:alexnet", "maxpool3", "--position", "0,5")
    assert {"█", "░", "·"} <= set(text)
    assert "height  -66 … 128  within the input 0 … 128" in text


def test_json_holds_the_region(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "example:alexnet", "maxpool3", "--position", "0,5", "-f", "json"))
    assert found["schema"] == "convcalc/receptive_field/1"
    assert found["layers"][0]["size"] == [195, 195]
    assert found["region"]["unclipped"] == [[-66, 128], [94, 288]]
    assert found["region"]["clipped"] == [[0, 128], [94, 223]]


def test_json_holds_all_layers(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "example:lenet5", "-f", "json"))
    assert [layer["size"] for layer in found["layers"][:4]] == [[5, 5], [5, 5], [6, 6], [14, 14]]
    assert found["layers"][-1]["global"]


def test_svg_draws_the_input_and_the_region_to_scale(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "example:vgg16", "stage1.maxpool1", "-f", "svg")
    boxes = {
        tone: [tuple(map(float, corner.split(","))) for corner in corners.split(" ")]
        for tone, corners in re.findall(r'<polygon class="cc-(\w+) [^"]*" points="([^"]*)"', text)[:3]
    }
    (left, top), _, (right, bottom), _ = boxes["input"]
    pixel = (right - left) / 224
    assert bottom - top == pytest.approx(224 * pixel)
    assert boxes["region"][0] == pytest.approx((left + 110 * pixel, top + 110 * pixel), abs=0.1)
    assert boxes["region"][2] == pytest.approx((left + 116 * pixel, top + 116 * pixel), abs=0.1)


@pytest.mark.parametrize(
    "arguments",
    [["example:lenet5", "-f", "svg"], ["example:lenet5", "--position", "1,1"], ["example:lenet5", "conv9"],
     ["example:lenet5", "conv1", "--position", "a"], ["example:lenet5", "conv1", "--position", "99,0"]],
)  # fmt: skip
def test_what_cannot_be_shown_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rf", *arguments]) == 2
    assert capsys.readouterr().out == ""
