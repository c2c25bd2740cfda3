"""The page of `convcalc diff` in Chromium: linked views, filters and keys, and what its reader sees."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.diff.difference import compare_reports
from tests.pages.test_diff import NEW, OLD, write_hostile
from tests.pages.test_report import NAME
from tests.pages.test_report_in_browser import ROWS, SELECTED
from tests.support.browser import Browser

pytestmark = pytest.mark.browser
PAGES = {
    "small": ["old.yaml", "new.yaml", "--fail-if", "params > 0"],
    "resnet": ["example:resnet18", "example:resnet34"],
    "mobilenet": ["example:mobilenet_v2", "example:mobilenet_v3_large"],
    "equal": ["example:lenet5", "example:lenet5"],
    "hostile": ["hostile3.yaml", "hostile1.yaml"],
    "unknown": ["unknown.yaml", "old.yaml"],
    "vector": ["vector.yaml", "example:m5"],
    "long": ["long.yaml", "longer.yaml"],
}
CHOSEN = """
return [...document.querySelectorAll('.canvas')].map((canvas) =>
  [...canvas.querySelectorAll('.selected .name')].map((found) => found.textContent));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all pages."""
    found = tmp_path_factory.mktemp("pages")
    long = [{"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1}}, "relu", "tanh"] * 1500
    specs = {
        "old": OLD,
        "new": NEW,
        "unknown": "input: [3, 8, 8]\nlayers: [relu, {opaque: {output_shape: [8, 4, 4]}}, relu]\n",
        "vector": "input: [16]\nlayers: [{linear: 4}]\n",
        "long": json.dumps({"input": [3, 8, 8], "layers": long}, indent=1),
        "longer": json.dumps({"input": [3, 8, 8], "layers": [*long[:2000], "sigmoid", *long[2000:]]}, indent=1),
    }
    with chdir(found):
        for name, text in specs.items():
            Path(f"{name}.yaml").write_text(text, encoding="utf-8")
        write_hostile("hostile3.yaml", 3)
        write_hostile("hostile1.yaml", 1)
        for name, arguments in PAGES.items():
            assert run(["diff", *arguments, "-o", f"{name}.html"]) == (1 if "--fail-if" in arguments else 0)
    return found


def press_state(browser: Browser, name: str) -> None:
    browser.click(f".states .is-{name}")


def choose_last(browser: Browser, select: object) -> None:
    """Choose the last option of a select."""
    choose = "arguments[0].selectedIndex = arguments[0].options.length - 1;"
    browser.run(f"{choose} arguments[0].dispatchEvent(new Event('change'))", select)


def list_names(browser: Browser) -> list[str]:
    """The names of all rows, without triangles and signs."""
    return [row[0].split("\n")[-1].strip("▸▾+−~ ") for row in browser.run(ROWS)]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_without_a_message_or_a_request(name: str, browser: Browser, folder: Path) -> None:
    browser.open(folder / f"{name}.html")
    assert len([found for found in browser.find_all(".canvas, .graph .empty") if found.is_displayed()]) == 2
    if name != "equal":
        press_state(browser, "unchanged")
    browser.press(".grid", "HOME", "ARROW_DOWN", "ARROW_DOWN", "END")
    assert len(browser.run(SELECTED)) == 1
    assert browser.find(".compared table").is_displayed()
    for select in browser.find_all(".graph select"):
        choose_last(browser, select)
    text = browser.find("main").text
    assert "NaN" not in text
    assert "undefined" not in text
    assert browser.messages() == []
    assert browser.requests() == []


@pytest.mark.parametrize("name", ["small", "mobilenet", "hostile"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_page_is_not_wider_than_the_window(name: str, width: int, browser: Browser, folder: Path) -> None:
    browser.resize(width, 844)
    try:
        browser.open(folder / f"{name}.html")
        browser.press(".grid", "HOME")
        browser.run("for (const found of document.querySelectorAll('details')) found.open = true")
        assert browser.run("return document.documentElement.scrollWidth") == width
    finally:
        browser.resize(1280, 900)


def test_hostile_texts_stay_text(browser: Browser, folder: Path) -> None:
    browser.open(folder / "hostile.html")
    browser.press(".grid", "HOME")
    assert browser.run("return window.hostile") is None
    assert browser.find_all("img") == []
    assert any(NAME in text for text in browser.texts(".facts li"))
    assert browser.run("return document.body.innerText.includes('\\u202e')") is False


def test_a_choice_in_the_table_marks_its_partner_in_both_graphs(browser: Browser, folder: Path) -> None:
    browser.open(folder / "small.html")
    browser.click(".grid .name", "stem")
    old, new = browser.run(CHOSEN)
    assert [name.split("–")[0] for name in (*old, *new)] == ["stem", "stem"]
    assert browser.texts(".compared h3") == ["stem"]
    assert browser.texts(".compared .did") == ["~ changed"]
    rows = browser.texts(".compared > .scroll tbody tr")
    # 25 taps instead of 9 for each of 3 × 8 pairs of channels, at 16 × 16 positions
    assert "kernel_size3, 35, 5" in rows
    assert "params224608+384" in rows
    assert f"MACs{9 * 24 * 256:,}{25 * 24 * 256:,}+{16 * 24 * 256:,}" in rows
    assert "receptive field35" in rows
    marked = browser.texts(".lines .selected")
    assert [("kernel_size: 3" in text, "kernel_size: 5" in text) for text in marked] == [(True, False), (False, True)]


def test_a_removed_or_added_layer_is_marked_in_one_graph_only(browser: Browser, folder: Path) -> None:
    browser.open(folder / "small.html")
    browser.click("button", "Unfold all")
    for select in browser.find_all(".graph label:nth-child(2) select"):
        choose_last(browser, select)
    browser.click(".grid .is-removed .name", "sigmoid1")
    assert [len(found) for found in browser.run(CHOSEN)] == [1, 0]
    assert browser.texts(".compared thead th") == ["", "old"]
    browser.click(".grid .is-added .name", "batchnorm1")
    assert [len(found) for found in browser.run(CHOSEN)] == [0, 1]
    assert browser.texts(".compared thead th") == ["", "new"]


def test_a_click_on_a_box_marks_its_row_and_its_partner(browser: Browser, folder: Path) -> None:
    browser.open(folder / "resnet.html")
    press_state(browser, "unchanged")
    browser.click(".halves .pane:first-child .node", "maxpool1")
    assert browser.run(SELECTED) == ["maxpool1"]
    old, new = browser.run(CHOSEN)
    assert old == new == ["maxpool1"]
    browser.press(".halves .pane:last-child .canvas", "ARROW_DOWN")
    old, new = browser.run(CHOSEN)
    assert old == new
    assert old != ["maxpool1"]


def test_boxes_of_changed_layers_have_a_colour_and_a_sign(browser: Browser, folder: Path) -> None:
    browser.open(folder / "resnet.html")
    old, new = (
        browser.run(
            "return [...arguments[0].querySelectorAll('.node')].map((n) => [n.className.baseVal, n.textContent])", x
        )
        for x in browser.find_all(".canvas")
    )
    assert {classes for classes, _ in old} == {"node"}
    added = [text for classes, text in new if classes == "node is-added"]
    assert added
    assert all(text.endswith("+") for text in added)
    # resnet34 has a third unit in its first stage, and resnet18 has two
    assert all("stage1.1" not in text for text in added)
    assert any("stage1.2" in text for text in added)
    fills = browser.run(
        "return ['.node:not(.is-added)', '.is-added'].map((s) => "
        "getComputedStyle(document.querySelector(`.pane:last-child .canvas ${s} .front`)).fill)"
    )
    assert fills[0] != fills[1]


def test_buttons_choose_which_layers_are_listed(browser: Browser, folder: Path) -> None:
    browser.open(folder / "small.html")
    browser.click("button", "Unfold all")
    assert list_names(browser) == ["stem", "body", "sigmoid1", "batchnorm1", "relu1"]
    press_state(browser, "added")
    assert list_names(browser) == ["stem", "body", "sigmoid1"]
    assert "2 of 9 layers" in browser.texts(".table .status")
    press_state(browser, "removed")
    assert list_names(browser) == ["stem"]
    press_state(browser, "changed")
    assert browser.texts(".grid .empty") == ["No layer matches the filter."]
    press_state(browser, "unchanged")
    assert list_names(browser) == ["relu1", "body", "one", "global_avgpool1", "flatten1", "head"]
    assert browser.find(".states .is-unchanged").get_attribute("aria-pressed") == "true"


def test_the_table_sorts_filters_and_folds(browser: Browser, folder: Path) -> None:
    browser.open(folder / "mobilenet.html")
    difference = compare_reports(*(convcalc.summary(f"example:mobilenet_{name}") for name in ("v2", "v3_large")))
    changes = [(change.figure("macs").change or 0, change.layer.name) for change in difference.layers]
    browser.click(".grid .head button", "MACs")
    assert list_names(browser) == [name for _, name in sorted(changes, key=lambda change: -change[0])]
    browser.find(".table input[type=search]").send_keys("removed hardsigmoid")
    assert browser.texts(".grid .empty") == ["No layer matches the filter."]
    browser.find(".table input[type=search]").clear()
    browser.find(".table input[type=search]").send_keys("added hardsigmoid")
    assert len(list_names(browser)) == 8  # one per squeeze-and-excitation of MobileNetV3-Large
    assert "8 of 234 layers" in browser.texts(".table .status")


def test_equal_networks_list_all_layers(browser: Browser, folder: Path) -> None:
    browser.open(folder / "equal.html")
    assert "conv1" in list_names(browser)
    assert browser.find_all(".sign") == []


def test_failed_conditions_are_at_the_top(browser: Browser, folder: Path) -> None:
    browser.open(folder / "small.html")
    failure, card = browser.find(".failed li"), browser.find(".cards .broken")
    assert "params > 0: params changed by" in failure.text
    assert "✕ params > 0" in card.text
    assert failure.location["y"] < card.location["y"] < 600


def test_a_page_without_scripts_shows_totals_changes_and_lines(browser: Browser, folder: Path) -> None:
    browser.allow_scripts(False)
    try:
        browser.open(folder / "small.html")
        for part in (".cards", "table.layers", ".lines"):
            assert browser.find(part).is_displayed()
        assert browser.find_all(".grid") == []
    finally:
        browser.allow_scripts(True)


def test_a_page_of_thousands_of_layers_is_quick(browser: Browser, folder: Path) -> None:
    browser.open(folder / "long.html")
    assert list_names(browser) == ["sigmoid1"]
    press_state(browser, "unchanged")
    assert "4,501 layers" in browser.texts(".table .status")
    assert len(browser.find_all(".grid .body .row")) < 200
    assert browser.texts(".graph .empty")[0].startswith("The network is too large to draw.")
