"""Effective receptive fields as a column, as facts of one layer, and as a picture."""

from __future__ import annotations

import json
import re
from math import sqrt
from pathlib import Path

import pytest

import convcalc
from convcalc.analysis.effective_field import compute_effective_fields
from convcalc.analysis.energy_map import EnergyMap, map_energy
from convcalc.analysis.field_region import find_layer, find_region
from convcalc.cli.main import run
from convcalc.render.drawing.field import draw_field
from convcalc.render.drawing.heat import Ruler, draw_heat
from convcalc.render.drawing.scene import Polygon, Text

SQUEEZE = """
input: [4, 32]
layers:
  - conv: {out_channels: 4, kernel_size: 3, padding: 1, name: first}
  - branches:
      - - global_avgpool
        - sigmoid
      - []
    merge: multiply
    name: excite
  - conv: {out_channels: 4, kernel_size: 3, name: second}
  - attention: {heads: 2}
"""


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["rf", *arguments, "--effective"]) == 0
    return capsys.readouterr().out


def split_row(text: str, name: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(name))


@pytest.fixture
def squeeze(tmp_path: Path) -> str:
    path = tmp_path / "squeeze.yaml"
    path.write_text(SQUEEZE, encoding="utf-8")
    return str(path)


def test_the_table_has_a_column(squeeze: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The square roots of 2/3 and 4/3; attention is not covered."""
    text = printed(capsys, squeeze)
    assert split_row(text, "layer")[:5] == ["layer", "output", "field", "sigma", "jump"]
    assert split_row(text, "first")[2:4] == ["3", f"{sqrt(2 / 3):.2f}"]
    assert split_row(text, "second")[3] == f"{sqrt(4 / 3):.2f}"
    assert split_row(text, "attention1")[3] == "?"
    legend = text.replace("\n", " ")
    assert "sigma standard deviation of the effective receptive field" in legend
    assert "? attention1: the theory does not cover attention" in legend
    assert "ignored: excite.0.sigmoid1, which depends on all positions" in legend


def test_a_merge_that_only_changes_the_effective_field_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "stage4.1.branches1.add" in printed(capsys, "example:resnet18")
    assert run(["rf", "example:resnet18"]) == 0
    assert "stage4.1.branches1.add" not in capsys.readouterr().out


@pytest.mark.parametrize("width", ["60", "80", "120"])
@pytest.mark.parametrize("name", ["resnet18", "unet", "r3d_18", "m5", "efficientnet_b0", "vit_tiny"])
def test_the_table_fits_the_terminal(
    name: str, width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    lines = printed(capsys, f"example:{name}").splitlines()
    assert max(map(len, lines)) <= int(width)
    assert any("sigma" in line for line in lines)


def test_facts_of_one_layer(capsys: pytest.CaptureFixture[str]) -> None:
    """Three kernels of 3 along both axes: variances of 2, of the energy 1, 3, 6, 7, 6, 3, 1 of 27."""
    text = printed(capsys, "example:vgg16", "stage5")
    assert "sigma   27.6  the square root of 9167/12" in text
    assert re.search(r"^energy  50% within \d+ of 212$", text, re.MULTILINE)
    assert re.search(r"^        95% within \d+ of 212$", text, re.MULTILINE)
    assert "        100.0% within the input" in text


def test_facts_of_a_layer_that_is_not_covered(squeeze: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, squeeze, "attention1")
    assert "sigma   ?\n        attention1: the theory does not cover attention\n" in text


def test_json_has_exact_variances(squeeze: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, squeeze, "-f", "json"))
    figures = {layer["name"]: layer["effective"] for layer in found["layers"]}
    assert figures["second"] == {"sigma": [sqrt(4 / 3)], "variance": ["4/3"], "reason": None}
    assert figures["attention1"]["sigma"] is None
    assert found["ignored"] == ["excite.0.sigmoid1"]
    one = json.loads(printed(capsys, squeeze, "second", "-f", "json"))
    assert one["region"]["effective"] == {"width_50": [2], "width_95": [5], "inside": 1.0}


def test_a_vector_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.yaml").write_text("input: [20]\nlayers: [{linear: 10}]\n", encoding="utf-8")
    assert run(["rf", str(tmp_path / "net.yaml"), "--effective"]) == 2
    assert "--effective needs an input with positions; the input is a vector" in capsys.readouterr().err


def test_without_the_option_nothing_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rf", "example:lenet5", "conv2", "-f", "json"]) == 0
    assert "effective" not in capsys.readouterr().out


# -- the picture


def test_areas_hold_the_shares_of_the_energy() -> None:
    """Each tone and all stronger ones together reach the share, and would not without their last positions."""
    report = convcalc.analyse(convcalc.load("example:vgg16"))
    index = find_layer(report, "stage2")
    found = compute_effective_fields(report.network, report.fields)
    energy = map_energy(report.network, found, index + 1, (10, 10), (0, 1), within=True)
    ruler = Ruler(0, 1, 80)  # one pixel per position, so that areas are sets of positions
    tones: dict[str, float] = {}
    for shape in draw_heat(energy, ruler, ruler, clear=False):
        assert isinstance(shape, Polygon)
        (left, top), _, (right, bottom), _ = shape.points
        for row in range(int(top), int(bottom)):
            for column in range(int(left), int(right)):
                value = energy.rows[row - energy.first[0]][column - energy.first[1]]
                tones[shape.fill] = tones.get(shape.fill, 0) + value
    reached = 0.0
    for tone, share in {"step7": 0.25, "step6": 0.5, "step5": 0.75, "step3": 0.95, "step2": 0.99}.items():
        assert reached < share
        reached += tones[tone]
        assert share <= reached < share + 0.06


def test_an_image_is_veiled_where_the_energy_ends() -> None:
    """Of the energy 1, 2, 4, 2, 1, the middle and its neighbours have 80 %, so that the ends have one veil."""
    energy = EnergyMap((0, 2), [[0.1, 0.2, 0.4, 0.2, 0.1]])
    boxes = draw_heat(energy, Ruler(0, 10, 9), Ruler(0, 10, 1), clear=True)
    veils = [0] * 9
    for box in boxes:
        assert isinstance(box, Polygon)
        assert box.clear
        for place in range(int(box.points[0][0]) // 10, int(box.points[1][0]) // 10):
            veils[place] += 1
    assert veils == [3, 3, 1, 0, 0, 0, 1, 3, 3]


def test_a_large_input_is_divided_into_cells() -> None:
    count = 1_000
    energy = EnergyMap((0, 0), [[1 / count] * count])
    boxes = draw_heat(energy, Ruler(0, 0.48, count), Ruler(0, 40, 1), clear=False)
    assert [(box.points[0][0], box.points[1][0]) for box in boxes if isinstance(box, Polygon)] == [(0, 480)]


def test_the_picture_keeps_the_outline_and_says_what_it_shows() -> None:
    report = convcalc.analyse(convcalc.load("example:resnet50"))
    index = find_layer(report, "stage3.0")
    found = compute_effective_fields(report.network, report.fields)
    region = find_region(report, index, (7, 7))
    scene = draw_field(report, index, region, effective=found)
    texts = [shape.text for part in scene.parts for shape in part.shapes if isinstance(shape, Text)]
    assert "resnet50: effective receptive field of stage3.0.relu1" in texts
    assert {"theoretical receptive field", "energy within:", "25%", "50%", "75%", "95%", "99%"} <= set(texts)
    assert any(re.search(r"field 107 of 224×224 · jump 16 · sigma \d\d\.\d$", text) for text in texts)
