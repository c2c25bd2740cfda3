"""`convcalc report` writes a page that loads nothing, whose data is right, and in which every text stays text."""

from __future__ import annotations

import json
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.json_schemas import document_schema
from convcalc.render.page.document import write_json
from convcalc.render.page.markup import Markup, element, join
from tests.support.html_pages import Page

NAME = "</script><img src=x onerror=hostile=1>'\"&amp;<!--"  # unprintable characters are refused in names
HOSTILE = f"{NAME}\u202e\u2028"
SHOWN = f"{NAME}\\u202e\\u2028"
EXAMPLES = ("lenet5", "resnet50", "unet", "m5", "vit_tiny", "mobilenet_v2", "crnn")
SPEC = """
name: small
input: [3, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, name: stem}
  - batchnorm
  - relu
  - relu
  - global_avgpool
  - flatten
  - linear: 10
budget: {params: 300, macs: 10M, receptive_field: {min: 2}, output_shape: {linear1: [10]}}
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_page(*arguments: str) -> Page:
    assert run(["report", *arguments, "-o", "page.html"]) == 0
    return Page(Path("page.html").read_text(encoding="utf-8"))


def write_spec(text: str, name: str = "net.yaml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def write_hostile_spec() -> str:
    spec = {
        "name": NAME,
        "description": HOSTILE,
        "params": {"word": HOSTILE},
        "input": [3, 8, 8],
        "layers": [{"conv": {"out_channels": 4, "kernel_size": 3}}],
        "x-note": HOSTILE,
    }
    return write_spec(json.dumps(spec))


# -- the file


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_page_can_load_nothing_and_run_nothing_else(name: str) -> None:
    write_page(f"example:{name}").assert_closed()


def test_the_page_of_resnet50_is_small() -> None:
    write_page("example:resnet50")
    assert Path("page.html").stat().st_size < 300_000


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_data_are_valid_and_contain_the_report(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_page(f"example:{name}").data
    jsonschema.Draft202012Validator(document_schema("page")).validate(data)
    assert run(["summary", f"example:{name}", "-f", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert data["networks"][0]["report"] == report
    jsonschema.Draft202012Validator(document_schema("report")).validate(report)


def test_hostile_texts_stay_text() -> None:
    page = write_page(write_hostile_spec())
    page.assert_closed()
    assert page.data["networks"][0]["label"] == NAME
    assert page.data["networks"][0]["report"]["params"] == {"word": HOSTILE}
    assert page.one("h1").text == NAME
    assert page.one("title").text == f"{NAME} · convcalc"
    assert page.one("p", class_="lead").text == SHOWN.removesuffix("\\u2028")  # a line end becomes a blank
    assert f"word = {SHOWN}" in [found.text for found in page.all("li")]
    written = Path("page.html").read_text(encoding="utf-8")
    assert "\u202e" not in written
    assert "\u2028" not in written


def test_json_cannot_end_its_element() -> None:
    text = write_json({"<!--<script>": "</script>\u2028&amp;"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"<!--<script>": "</script>\u2028&amp;"}


def test_json_has_no_numbers_that_a_browser_cannot_read() -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": float("nan")})


def test_markup_escapes_texts_and_attributes_but_no_markup() -> None:
    assert element("a", "<b>", element("i", "&"), href='"#"') == '<a href="&quot;#&quot;">&lt;b&gt;<i>&amp;</i></a>'
    assert join("<", None, [Markup("<br>"), Markup("<br>")]) == "&lt;<br><br>"
    # a text in a group is escaped like any other
    assert join(["<"]) == "&lt;"  # type: ignore[list-item]
    assert element("input", checked=True, disabled=False, value=None) == "<input checked>"


# -- what is in it


def test_totals_are_readable_without_scripts() -> None:
    page = write_page("example:resnet50")
    cards = [found.text for found in page.all("li")]
    # torchvision's count of params, and fvcore's of MACs without its extra terms
    assert any(text.startswith("params25.56 M25,557,032") for text in cards)
    assert any(text.startswith("MACs4.09 G4,089,184,256") for text in cards)
    table = page.one("table", class_="layers").text
    assert "stage4bottleneck × 3, 32 layers" in table


def test_an_exceeded_budget_is_stated_in_words() -> None:
    page = write_page(write_spec(SPEC))
    states = {found.text: found.attributes["class"] for found in page.all("li") if "class" in found.attributes}
    # 3 × 3 × 3 × 8 + 8 + 2 × 8 + 8 × 10 + 10 = 330
    assert any(
        "params330 / 300110.0%✕ over budget by 10.0%" in text for text, kind in states.items() if kind == "broken"
    )
    kept = " ".join(text for text, kind in states.items() if kind == "kept")
    assert "output linear110 = 10✓ within budget" in kept
    assert "MACs" in kept
    budgets = page.data["networks"][0]["budgets"]
    assert [(found["name"], found["used"], found["is_kept"]) for found in budgets[:1]] == [("params", 330, False)]


def test_findings_lead_to_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    page = write_page(write_spec(SPEC))
    links = [found for found in page.all("a") if found.attributes["href"].startswith("#n0-line")]
    lines = SPEC.splitlines()
    for link in links:
        number = int(link.attributes["href"].removeprefix("#n0-line"))
        assert page.one("span", id=f"n0-line{number}").text == lines[number - 1]
    run(["check", "net.yaml", "-f", "json"])
    expected = json.loads(capsys.readouterr().out)["problems"]
    found = page.data["networks"][0]["findings"]
    assert [(one["code"], one["line"], one["message"]) for one in found] == [
        (one["code"], one["line"], one["message"]) for one in expected
    ]
    assert {"CV100"} < {one["code"] for one in found}


def test_lines_are_counted_as_in_problems() -> None:
    """Python's `splitlines` also breaks a line at other characters, such as a form feed."""
    text = 'description: "a\u2028b\u2028\x85c"\r\n' + SPEC.replace("\n", "\r\n")
    Path("net.yaml").write_bytes(text.encode())
    page = write_page("net.yaml")
    lines = text.split("\r\n")
    for finding in page.data["networks"][0]["findings"]:
        shown = page.one("span", id=f"n0-line{finding['line']}").text
        assert shown == lines[finding["line"] - 1] != ""
    assert len(page.data["networks"][0]["findings"]) >= 2
    assert [found.text for found in page.all("span", class_="count")][-1] == f"{len(lines) - 1} lines"


def test_a_network_without_findings_says_so() -> None:
    texts = [found.text for found in write_page("example:resnet50").all("p", class_="empty")]
    assert any(text.startswith("✓ No findings") for text in texts)


def test_the_totals_of_other_tools_are_those_of_explain(capsys: pytest.CaptureFixture[str]) -> None:
    table = write_page("example:resnet50").one("table", class_="counters").text
    run(["explain", "example:resnet50", "--conventions", "-f", "json"])
    for tool in json.loads(capsys.readouterr().out)["tools"]:
        assert f"{tool['total']:,}" in table


def test_the_text_of_a_file_behind_a_link_is_not_quoted() -> None:
    write_spec(SPEC, "secret.yaml")
    Path("net.yaml").symlink_to("secret.yaml")
    page = write_page("net.yaml")
    assert not page.all("pre")
    assert "global_avgpool\n" not in Path("page.html").read_text(encoding="utf-8")
    assert "The text of the spec is not part of this page." in [found.text for found in page.all("p")]


def test_a_model_file_has_no_spec() -> None:
    pytest.importorskip("onnx", reason="reads an ONNX file")
    assert run(["export", "example:lenet5", "--to", "onnx", "-o", "lenet5.onnx"]) == 0
    page = write_page("lenet5.onnx")
    assert any("read from an ONNX model" in found.text for found in page.all("p", class_="empty"))


def test_several_networks_are_compared() -> None:
    nets = [
        "example:lenet5",
        write_spec(SPEC),
        write_spec(SPEC, "copy.yaml"),
        "example:mobilenet_v1@width=0.5,size=160",
    ]
    page = write_page(*nets)
    page.assert_closed()
    rows = page.one("table", class_="comparison").text
    labels = [network["label"] for network in page.data["networks"]]
    assert labels == ["lenet5", "net.yaml", "copy.yaml", "mobilenet_v1@width=0.5,size=160"]
    assert all(label in rows for label in labels)
    assert [found.attributes["id"] for found in page.all("article")] == ["n0", "n1", "n2", "n3"]


def test_patterns_folders_and_parameters_that_only_some_networks_have() -> None:
    Path("specs").mkdir()
    write_spec(SPEC, "specs/one.yaml")
    write_spec(SPEC.replace("small", "other"), "specs/two.yaml")
    page = write_page("specs", "example:mobilenet_v[12]", "--set", "width=0.5")
    labels = [network["label"] for network in page.data["networks"]]
    assert labels == ["small", "other", "mobilenet_v1", "mobilenet_v2"]
    assert [network["report"]["params"].get("width") for network in page.data["networks"]] == [None, None, 0.5, 0.5]


# -- the data


def list_networks() -> list[dict[str, Any]]:
    return [
        write_page(f"example:{name}", *options).data["networks"][0]
        for name in EXAMPLES
        for options in ([], ["--no-inplace"])
    ]


def test_the_live_tensors_of_each_layer_add_up_to_its_live_memory() -> None:
    for network in list_networks():
        memory, first = network["memory"], len(network["report"]["inputs"])
        for index, layer in enumerate(network["report"]["layers"]):
            alive = [tensor for tensor in range(first + index + 1) if memory["last_uses"][tensor] >= max(index, 0)]
            assert sum(memory["tensor_bytes"][tensor] for tensor in alive) == layer["live_memory"]


def test_scopes_have_the_sums_of_the_layers_whose_names_begin_with_theirs() -> None:
    for network in list_networks():
        layers = network["report"]["layers"]
        scopes = [row for row in network["rows"] if "layer" not in row]
        for scope in scopes:
            inside = [layer for layer in layers if layer["name"].startswith(scope["name"] + ".")]
            for metric in ("params", "macs", "flops", "weight_memory", "activation_memory"):
                assert scope[metric] == sum(layer[metric] for layer in inside), (scope["name"], metric)
            assert scope["live_memory"] == max(layer["live_memory"] for layer in inside)
            assert layers[scope["output_layer"]]["output_shape"] == scope["output_shape"]
        assert [row["layer"] for row in network["rows"] if "layer" in row] == list(range(len(layers)))


def test_the_boxes_of_each_graph_stand_for_each_layer_once_and_do_not_overlap() -> None:
    for network in list_networks():
        count = len(network["report"]["layers"])
        graphs = network["graphs"]
        assert sum(graph["chosen"] for graph in graphs) == 1
        for graph in graphs:
            boxes = graph["boxes"]
            ranges = [range(*box["layers"]) for box in boxes if "layers" in box]
            assert [index for layers in ranges for index in layers] == list(range(count))
            for box in boxes:
                left, top, width, height = box["box"]
                assert left >= 0 <= top
                assert left + width <= graph["width"] + 1
                assert top + height <= graph["height"] + 1
            for (left, top, width, height), (x, y, across, down) in combinations([box["box"] for box in boxes], 2):
                assert left + width <= x or x + across <= left or top + height <= y or y + down <= top


# -- bad input


def test_nothing_is_written_if_one_network_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    write_spec("input: [3, 8, 8]\nlayers: [{conv: {filters: 3}}]\n", "wrong.yaml")
    Path("page.html").write_text("before", encoding="utf-8")
    assert run(["report", "example:lenet5", "wrong.yaml", "wrong.yaml", "-o", "page.html"]) == 1
    found = capsys.readouterr()
    assert "conv has no argument 'filters'" in found.err
    assert found.out == ""
    assert Path("page.html").read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in Path().iterdir()) == ["page.html", "wrong.yaml"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.yaml", "-o", "page.html"), "none.yaml: no such file"),
        (("example:lenet6", "-o", "page.html"), "lenet5"),
        (("example:lenet5", "-o", "missing/page.html"), "-o missing/page.html: no such file or directory"),
        (("example:lenet5", "-o", "page.svg"), "report has no format svg; its formats are html, json"),
        (("net.yaml", "-o", "net.yaml"), "-o net.yaml is also an input file"),
        (("net.yaml", "-o", "page.html", "--set", "width=2"), "no network has the spec parameter 'width'"),
        (("example:x*", "-o", "page.html"), "the pattern 'example:x*' matches no example"),
        (("net.yaml", "none.yaml", "-o", "page.html"), "none.yaml: no such file"),
        ((), "Missing argument 'NET...'"),
    ],
)
def test_a_page_that_cannot_be_written_is_reported(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_spec(SPEC)
    assert run(["report", *arguments]) == 2
    found = capsys.readouterr()
    assert message in found.err
    assert found.out == ""
    assert sorted(path.name for path in Path().iterdir()) == ["net.yaml"]


def test_a_wrong_configuration_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    Path("convcalc.toml").write_text("max-param = 5\n", encoding="utf-8")
    assert run(["report", write_spec(SPEC), "-o", "page.html"]) == 2
    assert "max-param" in capsys.readouterr().err
    assert not Path("page.html").exists()


def test_limits_of_the_configuration_are_budgets() -> None:
    Path("convcalc.toml").write_text("max-flops = 5\n", encoding="utf-8")
    budgets = write_page(write_spec(SPEC)).data["networks"][0]["budgets"]
    assert [found["limit"] for found in budgets if found["metric"] == "flops"] == [5]


def test_a_page_does_not_go_to_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["report", "example:lenet5"]) == 2
    assert "add -o FILE.html" in capsys.readouterr().err


def test_a_page_goes_to_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "example:lenet5"]) == 0
    Page(capsys.readouterr().out).assert_closed()


@pytest.mark.parametrize(
    "spec",
    [
        "input: [16]\nlayers: [{linear: {out_features: 4}}, softmax]\n",
        "input: [1, 100]\nlayers: [{conv: {out_channels: 4, kernel_size: 9, stride: 4}}, relu]\n",
        "input: [1, 6, 6, 6]\nlayers: [{conv_transpose: {out_channels: 2, kernel_size: 3, stride: 2}}]\n",
        "input: [3, 8, 8]\nlayers: [{opaque: {output_shape: [8, 4, 4], params: 100}}]\n",
        "inputs: {left: [4, 6, 8], right: [4, 6, 8]}\nlayers: [{add: {from: [left, right]}}]\nbatch: 3\n",
        "input: [3, 8, 8]\nlayers: [relu]\ndtype: int8\n",
    ],
)
def test_networks_of_every_form_have_a_page(spec: str) -> None:
    page = write_page(write_spec(spec))
    page.assert_closed()
    jsonschema.Draft202012Validator(document_schema("page")).validate(page.data)


def test_a_long_network_has_a_page_with_few_rows_and_no_graph() -> None:
    layers = [{"maxpool": {"kernel_size": 1}}] * 1000
    page = write_page(write_spec(json.dumps({"input": [1, 8, 8], "layers": layers})))
    assert page.data["networks"][0]["graphs"] == []
    assert page.one("table", class_="layers").text.count("maxpool") <= 800
    assert any("600 more rows" in found.text for found in page.all("p", class_="note"))


# -- Python


def test_a_report_saves_its_page() -> None:
    report = convcalc.summary({"input": [3, 8, 8], "layers": ["relu", "relu"]})
    report.save_html("page.html")
    page = Page(Path("page.html").read_text(encoding="utf-8"))
    page.assert_closed()
    assert page.data["networks"][0]["findings"]
    with pytest.raises(OSError, match="missing"):
        report.save_html("missing/page.html")


# -- devices


def read_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert run([*arguments, "-f", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_page_for_a_board_has_its_memory_and_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    board = ["--device", "nucleo-l4r5zi"]
    page = write_page("example:ds_cnn", *board)
    titles = [found.text for found in page.all("p", class_="title")][-3:]
    assert titles == ["latency (nucleo-l4r5zi)", "arena (tflm-cmsis-dsp)", "flash (tflm-cmsis-dsp)"]
    memory = read_json(capsys, "mcu", "example:ds_cnn", "--runtime", "tflm-cmsis-dsp")
    arena, flash = (memory[name]["total"] for name in ("arena", "flash"))
    assert [found.text for found in page.all("p", class_="exact")][-2:] == [f"{arena:,} B", f"{flash:,} B"]
    latency = read_json(capsys, "latency", "example:ds_cnn", *board)
    [measured] = [one["measured"] for one in read_json(capsys, "report", "example:ds_cnn", *board)["networks"]]
    assert (measured["latency"], measured["arena"], measured["flash"]) == (latency["latency_max"], arena, flash)
    assert measured["layers"] == [layer["latency_max"] for layer in latency["layers"]]
    table = page.one("table", class_="latency")
    slowest = max(latency["layers"], key=lambda layer: layer["latency_max"])
    assert slowest["name"] in table.text
    assert f"{100 * slowest['share']:.1f}%" in table.text
    assert "about 31.9 to 205 ms" in [found.text for found in page.all("span", class_="count")]


def test_several_networks_are_compared_on_a_device() -> None:
    page = write_page("example:resnet18", "example:mobilenet_v2", "--device", "rtx4090", "--eager")
    table = page.one("table", class_="comparison")
    assert "latency (rtx4090 eager)" in table.text
    assert "µs*" in table.text
    assert len(page.all("table", class_="latency")) == 2


def test_a_page_says_why_a_figure_of_a_device_is_unknown() -> None:
    page = write_page("example:vit_tiny", "--runtime", "tflm-reference", "--device", "rtx4090", "--dtype", "float64")
    notes = [found.text for found in page.all("p", class_="note")]
    assert any(note.startswith("rtx4090 has no peak for float64") for note in notes)
    assert any(note.startswith("layer ") and "(parameter)" in note for note in notes)
    assert page.all("table", class_="latency") == []


def test_a_page_without_a_device_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert "latency" not in "".join(found.text for found in write_page("example:lenet5").all("article"))
    assert "measured" not in read_json(capsys, "report", "example:lenet5")["networks"][0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "rtx40900"], "--device: no device 'rtx40900': did you mean rtx4090?"),
        (["--device", "nucleo-l4r5zi", "--dtype", "float32"], "--dtype must be int8 for nucleo-l4r5zi"),
        (["--eager"], "--eager needs --device NAME"),
    ],
)
def test_mistakes_in_the_options_of_a_device_are_explained(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", "example:lenet5", *options, "-o", "page.html"]) == 2
    assert message in capsys.readouterr().err
    assert not Path("page.html").exists()
