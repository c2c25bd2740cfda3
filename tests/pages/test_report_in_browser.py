"""The page of `convcalc report` in Chromium: every view, by mouse and keyboard, and what its reader sees."""

from __future__ import annotations

import json
import struct
import time
import zlib
from contextlib import chdir
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

import convcalc
from convcalc.analysis.field_region import find_layer, find_region
from convcalc.cli.main import run
from convcalc.render.columns import COLUMNS
from convcalc.render.rows import describe_rows, tree_rows
from convcalc.render.summary import sort_rows
from convcalc.units import format_duration
from tests.pages.test_report import HOSTILE, NAME, SHOWN, SPEC
from tests.support.browser import Browser

pytestmark = pytest.mark.browser
EXAMPLES = ("resnet50", "unet", "m5", "vit_tiny", "crnn", "lenet5")
FORMS = ("volume", "unknown", "inputs", "vector")
DEVICE = ["--device", "nucleo-l4r5zi"]
TABS = ("Graph", "Memory", "Receptive field", "Layer")
# all rows, as for printing; in the page, only those in view exist
ROWS = """
window.dispatchEvent(new Event("beforeprint"));
const texts = (row) => [...row.children].map((cell) => cell.innerText);
const rows = [...document.querySelectorAll(".grid .body .row")].map(texts);
window.dispatchEvent(new Event("afterprint"));
return rows;
"""
SELECTED = "return [...document.querySelectorAll('.grid [aria-selected=true] .name')].map((found) => found.title)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page of each example, and with a few others."""
    found = tmp_path_factory.mktemp("pages")
    hostile = {
        "name": NAME,
        "description": HOSTILE,
        "params": {"word": HOSTILE},
        "input": [3, 8, 8],
        "layers": [{"conv": {"out_channels": 4, "kernel_size": 3}}, "relu", "relu"],
    }
    long = [
        {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1}},
        "relu",
        "batchnorm",
        "sigmoid",
        "tanh",
    ] * 1000
    (found / "small.yaml").write_text(SPEC, encoding="utf-8")
    (found / "hostile.yaml").write_text(json.dumps(hostile), encoding="utf-8")
    (found / "long.yaml").write_text(json.dumps({"input": [3, 32, 32], "layers": long}), encoding="utf-8")
    forms = {
        "volume": "input: [1, 6, 6, 6]\nlayers: [{conv_transpose: {out_channels: 2, kernel_size: 3, stride: 2}}]\n",
        "unknown": "input: [3, 8, 8]\nlayers: [relu, {opaque: {output_shape: [8, 4, 4]}}, relu]\n",
        "inputs": "inputs: {left: [4, 6, 8], right: [4, 6, 8]}\nlayers: [{add: {from: [left, right]}}]\nbatch: 3\n",
        "vector": "input: [16]\nlayers: [{linear: 4}]\n",
    }
    for name, text in forms.items():
        (found / f"{name}.yaml").write_text(text, encoding="utf-8")
    with chdir(found):
        for name in EXAMPLES:
            assert run(["report", f"example:{name}", "-o", f"{name}.html"]) == 0
        for name in ("small", "hostile", "long", *forms):
            assert run(["report", f"{name}.yaml", "-o", f"{name}.html"]) == 0
        nets = ["example:lenet5", "example:mobilenet_v1@width=0.5", "small.yaml"]
        assert run(["report", *nets, "-o", "several.html"]) == 0
        assert run(["report", "example:ds_cnn", *DEVICE, "-o", "device.html"]) == 0
        assert run(["report", "unknown.yaml", *DEVICE, "-o", "unknown_device.html"]) == 0
    return found


@pytest.fixture
def resnet(browser: Browser, folder: Path) -> Browser:
    browser.open(folder / "resnet50.html")
    return browser


def write_png(file: Path, width: int, height: int) -> None:
    """Write a black picture of one bit per pixel."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\0" * -(-width // 8)) * height)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


# -- the page as a whole


@pytest.mark.parametrize("name", [*EXAMPLES, "small", "hostile", "several", *FORMS, "device", "unknown_device"])
def test_a_page_loads_without_a_message_or_a_request(name: str, browser: Browser, folder: Path) -> None:
    browser.open(folder / f"{name}.html", "#n1" if name == "several" else "")
    assert [found.text for found in browser.find_all("[role=tab]") if found.is_displayed()] == list(TABS)
    for title in TABS:
        browser.click("[role=tab]", title)
        assert [found.text for found in browser.find_all("[role=tab][aria-selected=true]")] == [title]
        assert len([found for found in browser.find_all("[role=tabpanel]") if found.is_displayed()]) == 1
        assert browser.find("[role=tabpanel]:not([hidden])").size["height"] >= 200
        assert "NaN" not in browser.find("main").text
        assert "undefined" not in browser.find("main").text
    assert browser.messages() == []
    assert browser.requests() == []


def test_a_page_on_a_server_loads_nothing_else(browser: Browser, folder: Path) -> None:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            asked.append(self.path)

    asked: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        browser.driver.get(f"http://127.0.0.1:{server.server_port}/lenet5.html")
        time.sleep(0.3)
        server.shutdown()
        thread.join()
    assert asked == ["/lenet5.html"]


def test_a_script_that_does_not_belong_to_the_page_is_refused(browser: Browser, folder: Path) -> None:
    """The test above would be worth nothing if the browser did not report what a page does."""
    text = (folder / "lenet5.html").read_text(encoding="utf-8")
    hurt = text.replace(
        "<main>", '<main><img src="https://example.org/x.png" onerror="hostile=1"><script>hostile=1</script>'
    )
    (folder / "hurt.html").write_text(hurt, encoding="utf-8")
    browser.open(folder / "hurt.html")
    time.sleep(0.2)
    assert len(browser.messages()) >= 3
    assert browser.run("return window.hostile") is None


def test_hostile_texts_stay_text(browser: Browser, folder: Path) -> None:
    browser.open(folder / "hostile.html")
    assert browser.run("return window.hostile") is None
    assert browser.find_all("img") == []
    assert browser.texts("h1") == [NAME]
    assert f"word = {SHOWN}" in browser.texts(".facts li")
    assert NAME in browser.driver.title
    assert browser.run("return document.body.innerText.includes('\\u202e')") is False


def test_a_page_without_scripts_shows_totals_and_the_outermost_layers(browser: Browser, folder: Path) -> None:
    browser.allow_scripts(False)
    try:
        browser.open(folder / "resnet50.html")
        assert browser.find("table.layers").is_displayed()
        assert browser.find(".cards").is_displayed()
        assert browser.find_all(".grid") == []
    finally:
        browser.allow_scripts(True)


@pytest.mark.parametrize("name", ["resnet50", "small", "several", "vit_tiny", "device"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_page_is_not_wider_than_the_window(name: str, width: int, browser: Browser, folder: Path) -> None:
    browser.resize(width, 844)
    try:
        browser.open(folder / f"{name}.html", "#n1" if name == "several" else "")
        for title in TABS:
            browser.click("[role=tab]", title)
            assert browser.run("return document.documentElement.scrollWidth") == width, title
        browser.run("for (const found of document.querySelectorAll('details')) found.open = true")
        assert browser.run("return document.documentElement.scrollWidth") == width
    finally:
        browser.resize(1280, 900)


def test_the_table_has_the_time_of_each_layer_and_scope(
    browser: Browser, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["latency", "example:ds_cnn", *DEVICE, "-f", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    browser.open(folder / "device.html")
    place = browser.texts(".grid .head [role=columnheader]").index("latency")
    shown = [row[place] for row in browser.run(ROWS)]
    report = convcalc.summary("example:ds_cnn")
    times = {layer["name"]: layer["latency_max"] for layer in found["layers"]}
    for group in report.groups:
        names = [node.name for node in report.network.nodes[group.start : group.stop]]
        times[group.name] = sum(times[name] for name in names)
    expected = [times[row.name] for row in tree_rows(report)]
    assert shown == [format_duration(seconds) if seconds else "·" for seconds in expected]
    browser.open(folder / "unknown_device.html")
    assert [row[place] for row in browser.run(ROWS)] == ["·", "?", "·"]


def test_the_colours_follow_the_system_and_the_button(browser: Browser, folder: Path) -> None:
    back = "return getComputedStyle(document.body).backgroundColor"
    browser.open(folder / "lenet5.html")
    light = browser.run(back)
    browser.prefer("dark")
    try:
        dark = browser.run(back)
        assert light != dark
        for expected in (light, dark, dark):  # light, dark, auto
            browser.click(".theme")
            assert browser.run(back) == expected
    finally:
        browser.prefer("light")


def test_a_page_of_5_000_layers_opens_quickly(browser: Browser, folder: Path) -> None:
    begun = time.monotonic()
    browser.open(folder / "long.html")
    assert browser.find(".grid .row[data-place='0']").is_displayed()
    seconds = time.monotonic() - begun
    print(f"\n5,000 layers open in {seconds:.2f} s")
    assert seconds < 15  # the goal is 3 s; a busy machine is slower
    assert "5,000 layers" in browser.texts(".table .status")
    assert len(browser.find_all(".grid .body .row")) < 200
    browser.press(".grid", "END")
    assert browser.run(SELECTED) == ["tanh1000"]
    assert browser.messages() == []


# -- the table


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_cell_has_the_text_of_the_command_line(name: str, browser: Browser, folder: Path) -> None:
    browser.open(folder / f"{name}.html")
    browser.click("button", "Unfold all")
    browser.run("document.querySelector('.menu').open = true")
    for box in browser.find_all(".menu input"):
        if not box.is_selected():
            box.click()
    report = convcalc.summary(f"example:{name}")
    rows = tree_rows(report)
    columns = [column for column in COLUMNS.values() if column.name not in ("name", "share")]
    shown = browser.run(ROWS)
    assert len(shown) == len(rows)
    for row, what, (title, *cells) in zip(rows, describe_rows(report, rows), shown, strict=True):
        assert title.strip("▸▾●\n ") == row.label
        expected = [what if column.name == "what" else column.text(row, False).strip() for column in columns]
        share = f"{row.share:.1%}" if row.share else "" if row.share == 0 else "?"
        assert [cell.strip() for cell in cells] == [*expected, share], row.name


def test_a_title_sorts_down_then_up_then_restores_the_tree(resnet: Browser) -> None:
    report = convcalc.summary("example:resnet50")
    down = [row.name for row in sort_rows(report, "macs")]
    costs = {layer.name: layer.macs for layer in report.layers}
    tree = [row[0] for row in resnet.run(ROWS)]
    for order, expected in (("descending", down), ("ascending", None), ("none", None)):
        resnet.click(".grid .head button", "MACs")
        header = next(found for found in resnet.find_all("[role=columnheader]") if "MACs" in found.text)
        assert header.get_attribute("aria-sort") == order
        names = [row[0] for row in resnet.run(ROWS)]
        if expected is not None:
            assert names == expected
        elif order == "ascending":
            found = [costs[name] for name in names]
            assert found == sorted(found, key=lambda cost: cost or 0)
        else:
            assert names == tree


def test_scopes_fold_by_keys_and_by_click(resnet: Browser) -> None:
    count = "return Number(document.querySelector('.grid').getAttribute('aria-rowcount'))"
    resnet.click("button", "Fold all")
    folded = resnet.run(count)
    assert folded == 1 + len(tree_rows(convcalc.summary("example:resnet50"), 1)) + 12  # a repeat has a row per copy
    resnet.press(".grid", "HOME", *["ARROW_DOWN"] * 4)
    assert resnet.run(SELECTED) == ["stage1.0"]
    resnet.press(".grid", "ARROW_RIGHT")
    assert resnet.run(count) == folded + 2
    assert resnet.find("[aria-selected=true]").get_attribute("aria-expanded") == "true"
    resnet.press(".grid", "ARROW_RIGHT")
    assert resnet.run(SELECTED) == ["stage1.0.branches1"]
    resnet.press(".grid", "ARROW_LEFT", "ARROW_LEFT")
    assert resnet.run(SELECTED) == ["stage1.0"]
    assert resnet.run(count) == folded
    resnet.click(".grid [aria-selected=true] .twisty")
    assert resnet.run(count) == folded + 2
    resnet.click("button", "Unfold all")
    assert resnet.run(count) == 1 + len(tree_rows(convcalc.summary("example:resnet50")))


def test_the_filter_shows_the_layers_with_all_words(resnet: Browser) -> None:
    resnet.press(".grid", "HOME", "/")
    field = resnet.driver.switch_to.active_element
    field.send_keys("CONV 3×3 /2")
    layers = [row[0] for row in resnet.run(ROWS)]
    assert layers == [f"stage{stage}.0.branches1.0.conv2" for stage in (2, 3, 4)]
    assert "3 of 175 layers" in resnet.texts(".table .status")
    field.send_keys(" nothing")
    assert "No layer matches the filter." in resnet.texts(".grid .empty")


# -- linked views


def test_a_choice_in_the_table_is_marked_in_all_views(resnet: Browser) -> None:
    resnet.click("button", "Fold all")
    resnet.press(".grid", "HOME", *["ARROW_DOWN"] * 8)
    assert resnet.run(SELECTED) == ["stage2.1"]
    (box,) = resnet.find_all(".canvas .selected")
    assert box.find_element("css selector", ".name").get_attribute("textContent") == "stage2.1–3"
    resnet.click("[role=tab]", "Memory")
    report = convcalc.summary("example:resnet50")
    inside = [layer for layer in report.layers if layer.name.startswith("stage2.1.")]
    most = max(inside, key=lambda layer: layer.live_memory)
    assert f"live while {most.name} runs" in resnet.texts(".memory .caption")[0]
    resnet.click("[role=tab]", "Receptive field")
    assert resnet.texts(".field .caption strong") == [inside[-1].name]
    resnet.click("[role=tab]", "Layer")
    assert resnet.texts(".layer h3")[0].startswith("stage2.1")
    macs = sum(layer.macs or 0 for layer in inside)
    assert f"{macs:,}" in resnet.texts(".layer dd span")
    assert resnet.texts(".spec .selected") == [
        "  - bottleneck: {channels: 128, stride: $(2 if index == 0 else 1), repeat: 4, name: stage2}"
    ]


def test_a_click_on_a_box_selects_its_row(resnet: Browser) -> None:
    resnet.click("button", "Fold all")
    resnet.click(".canvas .node", "stage4.0")
    assert resnet.run(SELECTED) == ["stage4.0"]
    resnet.press(".canvas", "ARROW_DOWN", "ARROW_DOWN")
    assert resnet.run(SELECTED) == ["global_avgpool1"]
    resnet.press(".canvas", "ARROW_UP")
    assert resnet.run(SELECTED) == ["stage4.1"]


def test_the_graph_zooms_pans_folds_and_changes_its_colours(resnet: Browser) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    place = "return document.querySelector('.canvas > g').getAttribute('transform')"
    tones = "return [...document.querySelectorAll('.canvas .front')].map((found) => found.className.baseVal)"
    choose = """
    const found = document.querySelectorAll(".graph select")[arguments[0]];
    found.value = arguments[1];
    found.dispatchEvent(new Event("change"));
    """
    start, before = resnet.run(place), resnet.run(tones)
    resnet.press(".canvas", "+")
    assert resnet.run(place) != start
    resnet.press(".canvas", "0")
    assert resnet.run(place) == start
    canvas = resnet.find(".canvas")
    wheel = ScrollOrigin.from_element(canvas)
    ActionChains(resnet.driver).scroll_from_origin(wheel, 0, -200).perform()  # the canvas has the focus
    assert resnet.run(place) != start
    resnet.press(".canvas", "0")
    drag = ActionChains(resnet.driver).move_to_element_with_offset(canvas, 0, 200)
    drag.click_and_hold().move_by_offset(40, 30).release().perform()
    assert resnet.run(place) != start
    assert resnet.run(SELECTED) == []
    resnet.run(choose, 0, "params")
    assert resnet.run(tones) != before
    assert any(text.startswith("2.05 M params") for text in resnet.texts(".canvas text"))
    resnet.run(choose, 1, "0")
    assert len(resnet.find_all(".canvas .node")) < len(before)


def test_texts_stay_in_their_boxes(resnet: Browser) -> None:
    outside = """
    return [...document.querySelectorAll('.canvas .node')].flatMap((node) => {
      const box = node.querySelector('.front').getBBox();
      return [...node.querySelectorAll('text')].filter((text) => {
        const own = text.getBBox();
        return own.width && (own.x < box.x || own.x + own.width > box.x + box.width);
      }).map((text) => text.textContent);
    })
    """
    assert resnet.run(outside) == []


def test_the_memory_timeline_lists_the_live_tensors(resnet: Browser) -> None:
    report = convcalc.summary("example:resnet50")
    resnet.click("[role=tab]", "Memory")
    assert f"live while {report.totals.peak_at} runs" in resnet.texts(".memory .caption")[0]
    names = {report.network.tensor_name(tensor) for tensor in report.liveness.peak_tensors}
    assert set(resnet.texts(".tensors button.link")) == names
    resnet.press(".memory .plot", "HOME")
    assert resnet.run(SELECTED) == ["conv1"]
    assert [text.split()[0] for text in resnet.texts(".tensors .name")] == ["conv1", "input"]
    resnet.press(".memory .plot", "ARROW_RIGHT", "ARROW_RIGHT")
    assert resnet.find(".memory .plot").get_attribute("aria-valuenow") == "3"
    resnet.find(".memory .plot").click()  # in the middle
    assert 70 < int(resnet.find(".memory .plot").get_attribute("aria-valuenow")) < 100
    resnet.click(".memory button", "Go to the peak")
    assert resnet.run(SELECTED) == [report.totals.peak_at]


# -- receptive fields


@pytest.mark.parametrize(
    ("name", "layer", "position"),
    [
        ("resnet50", "stage3.2.relu1", (0, 13)),
        ("resnet50", "conv1", (111, 5)),
        ("unet", "up4.conv_transpose1", (7, 300)),
        ("m5", "stage2.conv1", (17,)),
        ("lenet5", "linear1", ()),
        ("crnn", "conv_bn_relu2.conv1", (3, 1)),
        ("crnn", "tokens1", (7,)),
        ("vit_tiny", "patches", (100,)),
    ],
)
def test_the_region_of_a_position_is_that_of_rf(
    name: str, layer: str, position: tuple[int, ...], browser: Browser, folder: Path
) -> None:
    report = convcalc.summary(f"example:{name}")
    index = find_layer(report, layer)
    region = find_region(report, index, position)
    browser.open(folder / f"{name}.html")
    browser.find(".table input[type=search]").send_keys(layer)
    rows = [row[0].strip("●\n ") for row in browser.run(ROWS)]
    browser.press(".grid", "HOME", *["ARROW_DOWN"] * rows.index(layer))
    browser.click("[role=tab]", "Receptive field")
    for axis, place in enumerate(position):
        browser.run(
            "const found = document.querySelectorAll('.sliders input')[arguments[0]];"
            "found.value = arguments[1]; found.dispatchEvent(new Event('input'))",
            axis,
            place,
        )
    expected = " × ".join(f"{low} … {high}" for low, high in region.unclipped or ())
    assert f"sees {expected} ·" in browser.texts(".field .caption")[0]


def test_an_image_is_shown_under_the_region_or_refused(resnet: Browser, tmp_path: Path) -> None:
    resnet.click("[role=tab]", "Receptive field")
    write_png(tmp_path / "photo.png", 40, 30)
    write_png(tmp_path / "large.png", 8000, 7000)
    (tmp_path / "text.txt").write_text("no image", encoding="utf-8")
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    file = resnet.find(".field input[type=file]")
    message = ".field .note"
    for name, said in (
        ("photo.png", ""),
        ("text.txt", "text.txt is not a PNG, JPEG, WebP, GIF, AVIF or BMP image."),
        ("damaged.png", "damaged.png is damaged or not an image."),
        ("large.png", "large.png has 8,000×7,000 pixels, and at most 50,000,000 are shown: shrink the image."),
    ):
        file.send_keys(str(tmp_path / name))
        wait_for(lambda said=said: resnet.texts(message) == [said] and bool(resnet.find_all(".field image")))
        assert resnet.find(".field image").get_attribute("href").startswith("blob:")
    assert resnet.messages() == []
    assert resnet.requests() == []
    resnet.click(".field button", "Remove the image")
    assert resnet.find_all(".field image") == []


def wait_for(is_true: object, seconds: float = 5) -> None:
    assert callable(is_true)
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_vector_has_no_positions(browser: Browser, folder: Path) -> None:
    browser.open(folder / "vector.html")
    browser.click("[role=tab]", "Receptive field")
    assert browser.texts(".field .empty") == ["The input is a vector: it has no positions to show."]


# -- findings and several networks


def test_findings_mark_their_layers(browser: Browser, folder: Path) -> None:
    browser.open(folder / "small.html")
    marks = browser.run(
        "return [...document.querySelectorAll('.grid .mark')].map((found) => found.parentElement.title)"
    )
    assert "relu2" in marks
    assert browser.find(".grid .mark").get_attribute("title") != ""
    browser.click(".finding a", "line")
    assert browser.run("return location.hash").startswith("#n0-line")


def test_a_network_opens_from_the_comparison(browser: Browser, folder: Path) -> None:
    browser.open(folder / "several.html")
    assert [found for found in browser.find_all(".grid") if found.is_displayed()] == []
    browser.click(".comparison a", "mobilenet_v1@width=0.5")
    wait_for(lambda: len([found for found in browser.find_all(".grid") if found.is_displayed()]) == 1)
    assert "84 layers" in " ".join(browser.texts(".table .status"))
    assert browser.messages() == []


def test_all_networks_open_and_close_at_once(browser: Browser, folder: Path) -> None:
    browser.open(folder / "several.html")
    for title, count in (("Open all", 3), ("Close all", 0)):
        browser.click(".compare button", title)
        wait_for(lambda count=count: len([one for one in browser.find_all(".grid") if one.is_displayed()]) == count)
    assert browser.messages() == []


def test_column_titles_of_the_comparison_are_above_their_numbers(browser: Browser, folder: Path) -> None:
    browser.open(folder / "several.html")
    right = "return [...document.querySelectorAll(arguments[0])].map((one) => one.getBoundingClientRect().right)"
    heads = browser.run(right, ".comparison thead .barred span")
    numbers = browser.run(right, ".comparison tbody tr:first-child .bar span")
    assert len(heads) == len(numbers) == 5
    assert heads == pytest.approx(numbers, abs=1)
