"""`convcalc draw` writes pictures to files, and says what it needs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest

import convcalc
from convcalc.cli.draw import command as draw_command
from convcalc.cli.main import run
from convcalc.render.drawing.diagram import METRICS
from tests.render.test_drawing import make_png
from tests.support.places import ROOT

PICTURE = ROOT / ".github" / "unet.svg"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "file", "start"),
    [
        ((), "a.svg", "<svg "),
        (("--as", "stack"), "a.svg", "<svg "),
        (("--as", "memory"), "a.svg", "<svg "),
        (("conv1", "--as", "field"), "a.svg", "<svg "),
        (("conv2", "--as", "field", "--effective"), "a.svg", "<svg "),
        (("conv2", "--as", "field", "--effective"), "a.tex", "% "),
        ((), "a.tex", "% "),
        ((), "a.dot", "digraph "),
        ((), "a.gv", "digraph "),
        ((), "a.mmd", "---\ntitle: "),
        (("--depth", "all", "--color", "params", "-f", "dot"), "a.txt", "digraph "),
    ],
)
def test_the_suffix_chooses_the_format(arguments: tuple[str, ...], file: str, start: str) -> None:
    assert run(["draw", "example:lenet5", *arguments, "-o", file]) == 0
    assert Path(file).read_text(encoding="utf-8").startswith(start)


def test_every_metric_of_the_pictures_is_an_option() -> None:
    [option] = [one for one in draw_command.params if one.name == "metric"]
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == [*METRICS, "latency"]


def test_a_picture_goes_to_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["draw", "example:lenet5"]) == 0
    assert ElementTree.fromstring(capsys.readouterr().out).tag.endswith("svg")


def test_a_picture_does_not_go_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["draw", "example:lenet5"]) == 2
    assert "add -o FILE.svg or -o FILE.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--as", "field"), "--as field needs a LAYER"),
        (("conv1",), "only --as field takes a LAYER, --position or --image"),
        (("--image", "a.png"), "only --as field takes a LAYER, --position or --image"),
        (("--as", "memory", "--depth", "1"), "--depth is for --as graph and stack, not memory"),
        (("--as", "stack", "-f", "dot"), "-f dot draws only --as graph"),
        (("--as", "stack", "-o", "a.mmd"), "-f mermaid draws only --as graph"),
        (("conv9", "--as", "field"), "no layer 'conv9': did you mean conv2?"),
        (("conv1", "--as", "field", "--position", "99,0"), "conv1 has no position 99,0: its output is 6×28×28"),
        (("conv1", "--as", "field", "--position", "1.5"), "--position must be comma-separated whole numbers"),
        (("conv1", "--as", "field", "--image", "none.png"), "--image none.png: no such file"),
        (("conv1", "--as", "field", "--image", "text.png"), "it is neither a PNG nor a JPEG image"),
        (("conv1", "--as", "field", "--image", "text.png", "-f", "tikz"), "cannot be combined with -f tikz"),
        (("--effective",), "--effective is only for --as field"),
        (
            ("linear1", "--as", "field", "--effective"),
            "the effective receptive field of linear1 is unknown: linear1 depends on all positions of its input",
        ),
        (("--depth", "x"), "--depth"),
        (("-o", "a.jpg"), "draw has no format jpg; its formats are svg, png, tikz, dot, mermaid"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.png").write_text("no image", encoding="utf-8")
    assert run(["draw", "example:lenet5", *arguments]) == 2
    found = capsys.readouterr()
    assert message in found.err
    assert found.out == ""
    assert sorted(path.name for path in Path().iterdir()) == ["text.png"]


def test_a_field_over_an_image_embeds_it() -> None:
    Path("photo.png").write_bytes(make_png(40, 30))
    assert run(["draw", "example:lenet5", "conv2", "--as", "field", "--image", "photo.png", "-o", "a.svg"]) == 0
    assert 'href="data:image/png;base64,iVBOR' in Path("a.svg").read_text(encoding="utf-8")


def test_a_vector_has_no_field_to_draw(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.yaml").write_text("input: [20]\nlayers: [{linear: 10}]\n", encoding="utf-8")
    for command in (["draw", "net.yaml", "linear1", "--as", "field"], ["rf", "net.yaml", "linear1", "-f", "svg"]):
        assert run(command) == 2
        assert "the input is a vector: it has no positions to draw" in capsys.readouterr().err


def test_too_many_boxes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    layers = [{"maxpool": {"kernel_size": 1}}] * 2001
    Path("net.yaml").write_text(json.dumps({"input": [1, 8, 8], "layers": layers}), encoding="utf-8")
    assert run(["draw", "net.yaml"]) == 2
    assert "the picture would have 2,002 boxes, and at most 2,000 are drawn" in capsys.readouterr().err
    assert run(["draw", "net.yaml", "-f", "mermaid"]) == 2
    Path("net.yaml").write_text(json.dumps({"input": [1, 8, 8], "layers": layers[:1999]}), encoding="utf-8")
    assert run(["draw", "net.yaml", "-o", "a.svg"]) == 0


def test_mermaid_is_refused_beyond_its_limits(capsys: pytest.CaptureFixture[str]) -> None:
    layers = [{"maxpool": {"kernel_size": 1}}] * 501
    Path("net.yaml").write_text(json.dumps({"input": [1, 8, 8], "layers": layers}), encoding="utf-8")
    assert run(["draw", "net.yaml", "-f", "mermaid"]) == 2
    assert "Mermaid draws at most 500 arrows" in capsys.readouterr().err
    Path("net.yaml").write_text(json.dumps({"input": [1, 8, 8], "layers": layers[:500]}), encoding="utf-8")
    assert run(["draw", "net.yaml", "-f", "mermaid"]) == 0


def test_png_says_what_to_install_or_writes_a_png(capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["draw", "example:lenet5", "-o", "a.png"])
    try:
        import cairosvg  # noqa: F401
    except (ImportError, OSError):
        assert status == 2
        assert "install" in capsys.readouterr().err
        assert not Path("a.png").exists()
    else:
        assert status == 0
        assert Path("a.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_in_python_display_and_save_themselves() -> None:
    network = convcalc.load("example:unet")
    report = convcalc.analyse(network)
    assert network.draw("stack")._repr_svg_() == report.draw("stack").to_svg()
    report.plot_memory().save("memory.svg")
    report.plot_field("skip1", position=(3, 5)).save("field.tex")
    assert Path("memory.svg").read_text(encoding="utf-8") == report.plot_memory().to_svg()
    for wrong in (
        lambda: report.draw("pie"),
        lambda: report.draw(color="colour"),
        lambda: report.draw(depth="some"),
        lambda: report.plot_field("nothing"),
        lambda: report.plot_memory().save("memory.gif"),
    ):
        with pytest.raises(ValueError, match=r"must|no layer"):
            wrong()


@pytest.mark.parametrize("depth", [-1, True, "3", 1.5])
def test_a_depth_is_a_whole_number_or_all(depth: Any) -> None:
    with pytest.raises(ValueError, match="depth must be a whole number or all"):
        convcalc.summary("example:lenet5").draw(depth=depth)


def test_the_picture_in_the_readme_is_what_the_command_writes() -> None:
    assert run(["draw", "example:unet", "--as", "stack", "-o", "unet.svg"]) == 0
    assert Path("unet.svg").read_bytes() == PICTURE.read_bytes()
