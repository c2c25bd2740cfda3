"""Pictures are readable everywhere: valid files, texts in their boxes, colours with contrast, nothing from outside."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

import convcalc
from convcalc.analysis.field_region import find_layer, find_region, middle_position
from convcalc.analysis.report import Report
from convcalc.examples import list_names
from convcalc.problems import printable
from convcalc.render.drawing.axes import choose_binary_ticks, choose_ticks
from convcalc.render.drawing.diagram import choose_fold
from convcalc.render.drawing.field import draw_field
from convcalc.render.drawing.graph import draw_graph
from convcalc.render.drawing.graph_text import write_dot, write_mermaid
from convcalc.render.drawing.memory import draw_memory
from convcalc.render.drawing.palette import TONES
from convcalc.render.drawing.photo import MOST_BYTES, MOST_PIXELS, NoImage, make_data_url
from convcalc.render.drawing.scale import choose_tone
from convcalc.render.drawing.scene import STEPS, Scene, Text
from convcalc.render.drawing.stack import draw_stack
from convcalc.render.drawing.svg import write_svg
from convcalc.render.drawing.text_width import cut_text, measure_text
from convcalc.render.drawing.tikz import write_tikz

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</script><img src=x onerror=alert(1)>&\u202e\\input{/etc/passwd}$^_~#%\"'|]--><b>"


def analyse(name: str) -> Report:
    return convcalc.analyse(convcalc.load(f"example:{name}"))


def draw_all(report: Report) -> dict[str, Scene]:
    diagram = choose_fold(report)
    found = {
        "graph": draw_graph(report, diagram, "macs"),
        "stack": draw_stack(report, diagram, "params"),
        "memory": draw_memory(report),
    }
    if all(shape.spatial for shape in report.network.inputs.values()) and not report.layers[0].receptive_field.whole:
        region = find_region(report, 0, middle_position(report, 0))
        found["field"] = draw_field(report, 0, region)
    return found


def list_texts(scene: Scene) -> list[Text]:
    return [shape for part in scene.parts for shape in part.shapes if isinstance(shape, Text)]


def place_text(text: Text) -> tuple[float, float, float, float]:
    """The left, top, right and bottom of a text, without the space above small letters."""
    left = text.x - {"start": 0, "middle": 0.5, "end": 1}[text.anchor] * text.width
    return left, text.y - 0.72 * text.size, left + text.width, text.y + 0.2 * text.size


@pytest.mark.parametrize("name", list_names())
def test_pictures_are_valid_and_their_texts_do_not_overlap(name: str) -> None:
    for kind, scene in draw_all(analyse(name)).items():
        root = ElementTree.fromstring(write_svg(scene))
        assert root.tag == f"{SVG}svg"
        assert root.findtext(f"{SVG}title")
        assert root.findtext(f"{SVG}desc")
        places = [place_text(text) for text in list_texts(scene)]
        for place in places:
            assert 0 <= place[0] < place[2] <= scene.width, kind
            assert 0 <= place[1] < place[3] <= scene.height, kind
        by_top = sorted(places, key=lambda place: place[1])
        for number, one in enumerate(by_top):
            for other in by_top[number + 1 :]:
                if other[1] >= one[3]:
                    break
                assert one[2] <= other[0] or other[2] <= one[0], (kind, one, other)


def test_a_picture_refers_to_nothing_outside() -> None:
    for scene in draw_all(analyse("resnet18")).values():
        text = write_svg(scene)
        assert re.findall(r"""(?:href|src|url|@import|script)[^<>]{0,20}""", text) == []
        assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]


def test_hostile_names_stay_text() -> None:
    network = convcalc.load({"input": [3, 8, 8], "layers": [{"conv": {"out_channels": 4, "kernel_size": 3}}]})
    nodes = tuple(node._replace(name=HOSTILE) for node in network.nodes)
    report = convcalc.analyse(network._replace(name=HOSTILE, nodes=nodes))
    for scene in draw_all(report).values():
        text = write_svg(scene)
        root = ElementTree.fromstring(text)
        assert {element.tag for element in root.iter()} <= {
            SVG + tag for tag in ("svg", "title", "desc", "style", "rect", "g", "path", "polygon", "text")
        }
        assert not {name for element in root.iter() for name in element.attrib if name.startswith("on")}
        assert "\u202e" not in text
        latex = write_tikz(scene)
        assert r"\input" not in latex
        assert latex.isascii()
    diagram = choose_fold(report)
    dot = write_dot(HOSTILE, diagram, "macs")
    assert re.match(r'digraph "(?:[^"\\]|\\.)*" \{\n', dot)
    assert "<" not in write_mermaid(HOSTILE, diagram, "macs").replace("<br/>", "")


@pytest.mark.parametrize("name", ["resnet18", "unet", "m5", "c3d"])
def test_latex_makes_a_page_of_each_picture(name: str, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    for kind, scene in draw_all(analyse(name)).items():
        (tmp_path / f"{kind}.tex").write_text(write_tikz(scene), encoding="ascii")
        source = rf"\pdfobjcompresslevel=0\input{{{kind}.tex}}"  # so that the size of the page can be read
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"-jobname={kind}", source]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        pdf = (tmp_path / f"{kind}.pdf").read_bytes()
        width, height = map(float, re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)[0])
        assert width == pytest.approx(scene.width * 0.75, abs=1)
        assert height == pytest.approx(scene.height * 0.75, abs=1)


def test_graphviz_reads_every_box_and_arrow() -> None:
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    for name in ("googlenet", "unet"):
        diagram = choose_fold(analyse(name))
        text = write_dot(name, diagram, "macs")
        done = subprocess.run(["dot", "-Tplain"], input=text.encode(), capture_output=True, timeout=60, check=True)
        words = [line.split(b" ")[0] for line in done.stdout.splitlines()]
        assert words.count(b"node") == len(diagram.boxes)
        assert words.count(b"edge") == len(diagram.arrows)


def test_mermaid_has_a_line_per_box_and_arrow() -> None:
    diagram = choose_fold(analyse("unet"))
    lines = write_mermaid("unet", diagram, "macs").splitlines()
    assert lines[:4] == ["---", 'title: "unet, coloured by MACs"', "---", "flowchart TB"]
    assert [line for line in lines if "-->" in line] == [f"  n{a.source} --> n{a.target}" for a in diagram.arrows]
    # the largest box has 21.78 G MACs, and 7 · 12.08 / 21.78 is 3.9
    assert '  n1["skip1<br/>double_conv, 4 layers<br/>64×568×568<br/>12.08 G MACs"]:::step4' in lines


def test_every_class_of_mermaid_is_defined_and_readable() -> None:
    lines = write_mermaid("unet", choose_fold(analyse("unet")), "macs").splitlines()
    used = {line.rpartition(":::")[2] for line in lines if ":::" in line}
    defined = dict(line.removeprefix("  classDef ").split(" ") for line in lines if "classDef" in line)
    assert set(defined) == used
    for style in defined.values():
        fill, _, color = re.findall("#[0-9a-f]{6}", style)
        assert contrast(fill, color) >= 4.5


def test_the_title_of_mermaid_is_a_string_of_yaml() -> None:
    diagram = choose_fold(analyse("lenet5"))
    for name in (HOSTILE, "a: b\n---\nflowchart", "%%{init: {}}%%", "[", "漢字"):
        title = write_mermaid(name, diagram, "macs").splitlines()[1]
        assert yaml.safe_load(title) == {"title": f"{printable(name)}, coloured by MACs"}
        assert not set("<>&%{}#;`$") & set(title)


def relative_luminance(color: str) -> float:
    """WCAG 2.2, definition of relative luminance."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((relative_luminance(one), relative_luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_texts_have_contrast_and_steps_differ_in_lightness(mode: int) -> None:
    tones = {name: colors[mode] for name, colors in TONES.items()}
    behind = ["back", "panel", "input", "unknown", *(f"step{step}" for step in range(STEPS))]
    for name in behind:
        assert contrast(tones["text"], tones[name]) >= 4.5, name
    assert contrast(tones["faint"], tones["back"]) >= 4.5
    steps = [relative_luminance(tones[f"step{step}"]) for step in range(STEPS)]
    assert steps == sorted(steps, reverse=mode == 0)
    assert len(set(steps)) == STEPS


def test_only_zero_has_the_first_tone_and_only_the_maximum_the_last() -> None:
    assert [choose_tone(figure, 700) for figure in (0, 1, 100, 101, 600, 601, 700)] == [
        "step0", "step1", "step1", "step2", "step6", "step7", "step7",
    ]  # fmt: skip
    assert choose_tone(None, 700) == "unknown"
    assert choose_tone(0, 0) == "step0"


def test_text_is_measured_as_in_helvetica() -> None:
    # Adobe's phvr8a.afm: C 99, o 556, n 556, v 500, digits 556, × 584
    assert measure_text("conv 3×3", 1000) == 500 + 556 + 556 + 500 + 278 + 556 + 584 + 556
    assert measure_text("漢", 10) == 10
    assert measure_text("e\u0301", 10) == measure_text("e", 10)


def test_a_long_text_loses_its_middle() -> None:
    text = "stage1.branches1.0.very_long_name_of_a_layer"
    cut = cut_text(text, 12, 120)
    assert measure_text(cut, 12) <= 120
    first, last = cut.split("…")
    assert text.startswith(first)
    assert text.endswith(last)
    assert cut_text(text, 12, 1000) == text


def test_ticks_are_round_and_within_the_axis() -> None:
    assert choose_ticks(-93, 333, 8) == [0, 100, 200, 300]
    assert choose_ticks(1, 10, 10) == list(range(1, 11))
    assert choose_ticks(0, 8000, 8) == list(range(0, 8001, 1000))
    assert choose_binary_ticks(7_225_344, 6) == [0, 2 * 2**20, 4 * 2**20, 6 * 2**20]
    assert choose_binary_ticks(3, 6) == [0, 1, 2, 3]


def test_a_field_shows_its_region_and_the_padding() -> None:
    report = analyse("resnet50")
    index = find_layer(report, "stage3.0")
    region = find_region(report, index, (0, 3))
    texts = [text.text for text in list_texts(draw_field(report, index, region))]
    # 107 positions around 0·16 and 3·16: each layer's padding is half its kernel size, so that centres stay in place
    assert "position 0, 3: -53 … 53 × -5 … 101 · field 107 of 224×224 · jump 16 · 51.9% beyond the input" in texts


def test_the_peak_of_memory_is_listed() -> None:
    report = analyse("unet")
    texts = [text.text for text in list_texts(draw_memory(report))]
    assert f"peak {report.totals.peak_memory:,} B (159.6 MiB) at up1.concat1 · sum of all outputs 1.18 GiB" in texts
    assert "78.77 MiB (49.3%)" in texts  # 64·568·568 float32


def make_png(width: int, height: int) -> bytes:
    sizes = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + sizes + b"\x08\x02\x00\x00\x00" + b"\0" * 4


def make_jpeg(width: int, height: int) -> bytes:
    comment = b"\xff\xfe\x00\x04hi"
    frame = b"\xff\xc0\x00\x11\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + b"\x03" + b"\0" * 9
    return b"\xff\xd8" + comment + frame + b"\xff\xd9"


@pytest.mark.parametrize(
    ("content", "start"),
    [
        (make_png(640, 480), "data:image/png;base64,iVBOR"),
        (make_jpeg(640, 480), "data:image/jpeg;base64,/9j/"),
        (make_png(MOST_PIXELS // 1000, 1000), "data:image/png"),
        (make_png(1, 1).ljust(MOST_BYTES, b"\0"), "data:image/png"),
    ],
)
def test_an_image_is_embedded(content: bytes, start: str) -> None:
    assert make_data_url(content).startswith(start)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GIF89a", "it is neither a PNG nor a JPEG image"),
        (b"", "it is neither a PNG nor a JPEG image"),
        (make_png(640, 480)[:20], "it is an incomplete or damaged PNG image"),
        (make_png(0, 480), "it is an incomplete or damaged PNG image"),
        (make_jpeg(640, 480)[:8], "it is an incomplete or damaged JPEG image"),
        (b"\xff\xd8" + b"\xff\xe0\x00\x00" * 9, "it is an incomplete or damaged JPEG image"),
        (make_png(MOST_PIXELS // 1000 + 1, 1000), "pixels, and at most 50,000,000 are shown"),
        (make_png(1, 1).ljust(MOST_BYTES + 1, b"\0"), "bytes, and at most 8,388,608 are embedded"),
    ],
)
def test_what_is_no_image_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(NoImage, match=re.escape(message)):
        make_data_url(content)


def test_tooltips_have_a_line_per_figure() -> None:
    report = analyse("alexnet")
    root = ElementTree.fromstring(write_svg(draw_graph(report, choose_fold(report), "macs")))
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert any(title.splitlines()[:2] == ["conv1, relu1", "70.28 M MACs"] for title in titles)


def test_outputs_are_marked_with_their_names() -> None:
    spec = {"input": [3, 8, 8], "layers": [{"conv": {"out_channels": 4, "kernel_size": 3, "name": "one"}}, "relu"]}
    one = convcalc.analyse(convcalc.load(spec))
    both = convcalc.analyse(convcalc.load({**spec, "outputs": ["one", "relu1"]}))
    for report, texts in ((one, ["→ output"]), (both, ["→ output one", "→ output relu1"])):
        drawn = list_texts(draw_graph(report, choose_fold(report), "macs"))
        assert [text.text for text in drawn if text.text.startswith("→")] == texts


def test_small_graphs_are_not_wrapped() -> None:
    report = analyse("lenet5")
    boxes = [part for part in draw_graph(report, choose_fold(report), "macs").parts if part.name]
    assert len({round(part.shapes[-1].x) for part in boxes if isinstance(part.shapes[-1], Text)}) <= 2
