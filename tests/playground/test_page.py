"""The playground in a real browser: editing, marks, completion, tabs, links, dropped files, limits.

Builds the page with npm, and drives Chromium. One page serves most tests, because loading Pyodide takes seconds; links
give it a new spec. A test fails if the browser logs an error, which includes violations of the security policy.
"""

from __future__ import annotations

import base64
import json
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.playground import build, chromium
from tests.playground.serving import serve
from tests.playground.test_bridge import CFG, KERAS, SPEC
from tests.support.tflite_files import Op, T, tflite

pytestmark = pytest.mark.browser
_PATIENCE = 60  # seconds for anything to happen; Pyodide loads in 3 to 6, and in 30 on a busy machine
HOSTILE = """\
name: "</script><img src=x onerror=alert(1)>"
input: [3, 8, 8]
layers:
  - conv: {out_channels: 4, kernel_size: 3, name: c}
"""
LAYER = "  - maxpool: {kernel_size: 1}\n"
HUGE = f"input: [3, 8, 8]\nlayers:\n{LAYER * 34_000}"  # valid, but takes half a minute to read in a browser


class Page:
    """The open playground, as its reader sees and uses it."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver = driver
        self.address = address

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{what} did not happen in {_PATIENCE} seconds; the page says: {self.text('body')}")

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def click(self, name: str) -> None:
        self.driver.find_element("id", name).click()

    def open(self, fragment: str = "") -> None:
        """Load the page anew."""
        self.driver.get("about:blank")
        self.driver.get(self.address + fragment)
        self.wait_for_figures()

    def follow(self, fragment: str) -> None:
        """Follow a link in the page that is open."""
        script = """
            document.getElementById("headline").replaceChildren();
            document.getElementById("problems").replaceChildren();
            history.replaceState(null, "", location.pathname);
            location.hash = arguments[0];
        """
        self.run(script, fragment)

    def write(self, text: str) -> None:
        """Replace the spec, and wait for its figures or problems."""
        self.follow(spec_link(text))
        self.wait(lambda: self.editor_text() == text.rstrip(), "a new text")
        self.wait(lambda: self.figures() or self.problems(), "a result")

    def figures(self) -> dict[str, str]:
        script = """return Object.fromEntries([...document.querySelectorAll("#headline div")].map(
            (one) => [one.children[0].textContent, one.children[1].title]))"""
        found: dict[str, str] = self.run(script)
        return found

    def wait_for_figures(self) -> dict[str, str]:
        return dict(self.wait(self.figures, "figures"))

    def problems(self) -> list[str]:
        found: list[str] = self.run(
            "return [...document.querySelectorAll('#problems li')].map((one) => one.innerText.replaceAll('\\n', ' '))"
        )
        return found

    def notice(self) -> str:
        return self.text("#notice-text") if self.run("return !document.getElementById('notice').hidden") else ""

    def in_editor(self, script: str) -> Any:
        return self.run(f"const root = document.getElementById('editor').shadowRoot; {script}")

    def editor_text(self) -> str:
        # CodeMirror renders only what is visible, and a few lines more
        lines = self.in_editor("return [...root.querySelectorAll('.cm-line')].map((one) => one.textContent)")
        return "\n".join(lines).rstrip()

    def type_at_end(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains, Keys

        self.in_editor("root.querySelector('.cm-content').focus()")
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys(Keys.END).key_up(Keys.CONTROL).perform()
        ActionChains(self.driver).send_keys(*keys).perform()

    def completions(self) -> list[str]:
        labels = "return [...root.querySelectorAll('.cm-completionLabel')].map((one) => one.textContent)"
        return list(self.wait(lambda: self.in_editor(labels), "a completion"))

    def content(self, tab: str, script: str) -> Any:
        """Choose a tab, and return what a script in its frame returns, as soon as that is true."""
        self.click(f"tab-{tab}")
        frame = f"iframe[src^='{frame_of(tab)}']:not([hidden])"
        [element] = self.wait(lambda: self.driver.find_elements("css selector", frame), f"the frame of {tab}")
        self.driver.switch_to.frame(element)
        try:
            return self.wait(lambda: self.run(f"if (document.body) {{ {script} }}"), f"the tab {tab}")
        finally:
            self.driver.switch_to.default_content()

    def drop(self, *files: tuple[str, bytes]) -> None:
        given = [[name, base64.b64encode(content).decode()] for name, content in files]
        script = """
            const transfer = new DataTransfer();
            for (const [name, content] of arguments[0]) {
              transfer.items.add(new File([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))], name));
            }
            document.getElementById("notice").hidden = true;
            document.getElementById("headline").replaceChildren();
            const about = {dataTransfer: transfer, bubbles: true, cancelable: true};
            document.body.dispatchEvent(new DragEvent("drop", about));
        """
        self.run(script, given)


def frame_of(tab: str) -> str:
    return "report_frame.html" if tab == "report" else "frame.html"


def spec_link(text: str) -> str:
    """The link that the page itself would make, made by Python's zlib."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(text.encode()) + packer.flush()
    return "#spec=" + base64.urlsafe_b64encode(packed).decode().rstrip("=")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("playground") / "site"
    try:
        size = build.build(made)
    except build.Unavailable as error:
        pytest.skip(f"the playground cannot be built here: {error}")
    print(f"\nthe playground has {size / 2**20:.1f} MiB")
    return made


@pytest.fixture(scope="module")
def driver_page(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    net_log = tmp_path_factory.mktemp("network") / "log.json"
    with serve(folder.parent) as host, chromium.start(net_log) as driver:
        address = f"{host}{folder.name}/"  # a path, as on many hosts
        page = Page(driver, address)
        began = time.monotonic()
        page.open()
        print(f"first load: {time.monotonic() - began:.1f} s")
        yield page
    requests = chromium.read_requests(net_log)
    assert f"{address}pyodide/pyodide.asm.wasm" in requests  # so the log has what workers ask for
    assert f"{address}frame.html" in requests
    assert [url for url in requests if not url.startswith((address, "blob:", "data:"))] == []


@pytest.fixture
def page(driver_page: Page) -> Iterator[Page]:
    yield driver_page
    errors = [entry["message"] for entry in driver_page.driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


def test_resnet50_has_its_published_figures(page: Page) -> None:
    page.follow("#example=resnet50")
    found = page.wait_for_figures()
    assert found["params"] == "25,557,032"  # torchvision's documentation
    assert found["MACs"] == "4,089,184,256"  # torchvision's documentation: 4.09 G
    began = time.monotonic()
    page.follow("#example=resnet34")
    page.wait_for_figures()
    page.follow("#example=resnet50")
    page.wait_for_figures()
    print(f"two summaries, of resnet34 and resnet50: {time.monotonic() - began:.2f} s")
    assert page.run("return document.getElementById('example').value") == "resnet50"


def test_every_example_is_in_the_menu_and_opens(page: Page) -> None:
    names = page.run("return [...document.querySelectorAll('#example option')].map((one) => one.value).filter(Boolean)")
    assert len(names) > 40
    for name in ("unet", "m5"):
        page.run("document.getElementById('headline').replaceChildren()")
        page.driver.find_element("css selector", f"#example option[value={name}]").click()
        page.wait_for_figures()
        assert "valid" not in page.notice()
    assert page.wait_for_figures()["params"]


def test_an_edit_changes_the_figures(page: Page) -> None:
    page.write(SPEC)
    assert page.wait_for_figures()["params"] == "112"
    page.type_at_end("  - conv: {out_channels: 2, kernel_size: 1}")
    page.wait(
        lambda: page.figures().get("params") == "122", "the params of the second layer"
    )  # 4 × 2 weights, 2 biases


def test_an_error_is_marked_at_its_line_and_leads_there(page: Page) -> None:
    page.write(SPEC.replace("kernel_size", "kernal_size"))
    [problem] = page.wait(page.problems, "a problem")
    assert problem == "3:29 conv has no argument 'kernal_size' did you mean kernel_size? · CV010"
    marked = """return [...root.querySelectorAll('.cm-line')].map(
        (one) => one.querySelector('.cm-lintRange-error')?.textContent)"""
    assert page.in_editor(marked)[2] == "kernal_size"
    assert page.in_editor("return root.querySelectorAll('.cm-lint-marker-error').length") == 1
    assert page.text("#stale") == "These results are those of the last valid spec."
    page.driver.find_element("css selector", "#problems button").click()
    assert page.in_editor("return root.activeElement.className").startswith("cm-content")
    page.write(SPEC)
    assert page.problems() == []
    assert page.run("return document.getElementById('stale').hidden")


def test_marks_are_correct_after_characters_of_two_utf_16_units(page: Page) -> None:
    page.write('input: [3, 8, 8]\nlayers:\n  - {"relu": {name: "🦊"}, lnear: 4}\n'.replace('"🦊"', '"🦊🦊"'))
    page.wait(page.problems, "a problem")
    texts = page.in_editor("return [...root.querySelectorAll('.cm-lintRange-error')].map((one) => one.textContent)")
    assert any("🦊" in text or "lnear" in text for text in texts), (texts, page.problems())


@pytest.mark.parametrize(
    ("start", "typed", "offered", "missing"),
    [
        (SPEC + "  - ", "con", {"conv", "conv_transpose", "concat"}, {"out_channels", "budget"}),
        (SPEC + "  - conv: {out_channels: 2, ", "ker", {"kernel_size"}, {"out_channels", "conv"}),
        (SPEC + "  - conv: {out_channels: 2, padding: ", "sa", {"same"}, {"kernel_size"}),
        (SPEC + "  - conv:\n      kernel_size: 3\n      ", "out", {"out_channels"}, {"conv", "kernel_size"}),
        (SPEC + "  - branches:\n      - - conv: 2\n        - ", "max", {"maxpool"}, {"merge"}),
        ("# a comment\n", "in", {"input", "inputs"}, {"conv"}),
        ("blocks:\n  stem: {layers: [relu]}\ninput: [3, 8, 8]\nlayers:\n  - ", "st", {"stem"}, {"layers"}),
        (SPEC + "dtype: ", "int", {"int8"}, {"float32"}),
    ],
)
def test_completion_offers_what_fits(page: Page, start: str, typed: str, offered: set[str], missing: set[str]) -> None:
    from selenium.webdriver import Keys

    page.write(start)
    page.type_at_end(*typed)
    found = set(page.completions())
    page.type_at_end(Keys.ESCAPE)
    assert offered <= found
    assert not missing & found


@pytest.mark.parametrize("tab", ["graph", "stack", "memory", "field"])
def test_each_picture_is_shown(page: Page, tab: str) -> None:
    page.write("name: shown\n" + SPEC)
    assert page.content(tab, "return document.querySelector('svg').textContent.includes('shown')")


def test_the_table_and_the_options_of_pictures(page: Page) -> None:
    page.write(SPEC + "  - relu\n  - conv: {out_channels: 2, kernel_size: 1, name: last}\n")
    assert page.content("table", "return document.body.innerText.includes('last')")
    page.content("field", "return 1")
    page.driver.find_element("css selector", "#layer option[value=conv1]").click()
    title = "return document.querySelector('svg').textContent.includes('conv1')"
    page.wait(lambda: page.content("field", title), "the field of the other layer")
    page.run(
        "const it = document.getElementById('position'); it.value = '99,99'; it.dispatchEvent(new Event('change'))"
    )
    assert "99" in page.wait(lambda: page.text("#message"), "a message")
    page.run("const it = document.getElementById('position'); it.value = ''; it.dispatchEvent(new Event('change'))")
    page.wait(lambda: not page.run("return document.getElementById('frames').hidden"), "the picture")


def test_the_tab_of_the_report_is_there_if_the_command_is(page: Page, folder: Path) -> None:
    page.write(SPEC)
    has_report = json.loads((folder / "facts.json").read_text(encoding="utf-8"))["report"]
    assert page.run("return document.getElementById('tab-report').hidden") is not has_report
    if has_report:
        assert page.content("report", "return document.body && document.body.innerText.includes('conv1')")
        page.click("tab-table")


def test_tabs_are_chosen_with_the_keyboard(page: Page) -> None:
    from selenium.webdriver import ActionChains, Keys

    page.write(SPEC)
    page.click("tab-table")
    chosen = "return document.querySelector('[role=tab][aria-selected=true]').id"
    ActionChains(page.driver).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()
    assert page.run(chosen) == "tab-stack"
    assert page.run("return document.activeElement.id") == "tab-stack"
    ActionChains(page.driver).send_keys(Keys.HOME, Keys.ARROW_LEFT).perform()
    assert page.run(chosen) == page.run("return [...document.querySelectorAll('[role=tab]:not([hidden])')].at(-1).id")
    page.click("tab-table")


def test_hostile_names_stay_text(page: Page) -> None:
    page.write(HOSTILE)
    for tab in ("table", "graph", "memory", "field"):
        assert page.content(tab, "return document.body.textContent.includes('</script><img')")
        assert page.content(tab, "return String(document.body.querySelectorAll('script, img').length)") == "0"
    page.click("tab-table")
    page.write("input: [3, 8, 8]\nlayers:\n  - <img src=x onerror=alert(1)>\u202e\n")
    assert page.run("return document.querySelectorAll('img').length") == 0
    assert "<img src=x onerror=alert(1)>" in page.problems()[0]
    assert "\u202e" not in page.text("#problems")


def test_a_link_holds_the_spec(page: Page) -> None:
    text = "# größer → 模型 🦊\n" + SPEC
    page.write(text)
    page.run("history.replaceState(null, '', location.pathname)")
    page.click("share")
    fragment = page.wait(lambda: page.run("return location.hash"), "a link")
    assert "link" in page.wait(page.notice, "a notice")
    page.write("input: [1, 4, 4]\nlayers: [relu]\n")
    page.follow(fragment)
    page.wait(lambda: page.editor_text() == text.rstrip("\n"), "the text of the link")
    page.click("notice-close")
    page.type_at_end("#")
    page.wait(lambda: page.run("return location.hash") == "", "no link to an older text")


@pytest.mark.parametrize(
    ("fragment", "said"),
    [
        ("#spec=", "no readable spec"),
        ("#spec=%3Cscript%3E", "no readable spec"),
        ("#spec=AAAA", "damaged"),
        ("#spec=" + "A" * 40_000, "no readable spec"),
        (spec_link("x" * 3_000_000), "larger than 1 MiB"),
        ("#spec=" + base64.urlsafe_b64encode(zlib.compress(b"\xff\xfe", wbits=-15)).decode().rstrip("="), "damaged"),
        ("#example=nothing%", "no example"),
        ("#example=constructor", "no example"),
    ],
)
def test_a_malformed_link_is_reported_and_keeps_the_spec(page: Page, fragment: str, said: str) -> None:
    page.write(SPEC)
    page.run("document.getElementById('notice').hidden = true; location.hash = arguments[0]", fragment)
    assert said in page.wait(page.notice, "a notice")
    assert page.editor_text() == SPEC.rstrip("\n")
    page.click("notice-close")


def keras_archive() -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("config.json", json.dumps(json.loads(KERAS)["keras"]))
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "params"),
    [
        ("tiny.cfg", CFG.encode(), "112"),
        ("mobilenet.keras", keras_archive(), "4,231,976"),  # the trainable ones, as Keras says
        ("relu.tflite", tflite([T((1, 8, 8, 3))] * 2, [Op("RELU", [0], [1])]), "0"),
        ("spec.yml", SPEC.encode(), "112"),
    ],
)
def test_a_dropped_file_is_imported(page: Page, name: str, content: bytes, params: str) -> None:
    page.drop((name, content))
    assert page.wait_for_figures()["params"] == params
    stem = name.split(".")[0]
    assert page.content("table", f"return document.body.innerText.includes('{stem}')")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([("net.onnx", b"\x08\x07\x12\x00")], "convcalc import net.onnx -o net.yaml"),
        ([("model.h5", b"\x89HDF\r\n\x1a\n")], "pip install 'convcalc[keras]'"),
        ([("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(32))], "unknown format"),
        ([("a.yaml", b"x"), ("b.yaml", b"y")], "one file at a time"),
    ],
)
def test_a_dropped_file_that_cannot_be_read_is_reported(page: Page, files: list[tuple[str, bytes]], said: str) -> None:
    page.write(SPEC)
    page.drop(*files)
    assert said in page.wait(page.notice, "a notice")
    assert page.editor_text() == SPEC.rstrip("\n")
    page.click("notice-close")


def test_a_dropped_file_without_the_shape_of_its_input_asks_for_it(page: Page) -> None:
    page.drop(("net.prototxt", b'name: "n"\ninput: "data"\nlayer { name: "c" type: "ReLU" bottom: "data" top: "c" }\n'))
    page.wait(lambda: page.run("return !document.getElementById('shape-form').hidden"), "the question for a shape")
    page.driver.find_element("id", "shape").send_keys("3,8,8\n")
    page.wait_for_figures()


def test_a_network_beyond_the_limits_is_an_error(page: Page) -> None:
    page.write("input: [3, 8, 8]\nlayers:\n  - relu: {repeat: 60000}\n")
    [problem] = page.wait(page.problems, "a problem")
    assert "more than 50,000 layers" in problem


def test_a_network_that_takes_too_long_leaves_the_page_alive_and_can_be_stopped(page: Page) -> None:
    page.write(SPEC)
    page.follow(spec_link(HUGE))
    page.wait(lambda: page.run("return !document.getElementById('stop').hidden"), "the button Stop")
    frames = """
        const done = arguments[0], began = performance.now();
        let count = 0;
        const next = () => (++count < 20 ? requestAnimationFrame(next) : done(performance.now() - began));
        next();
    """
    assert page.driver.execute_async_script(frames) < 5000  # while the program computes
    page.click("stop")
    assert page.wait(page.notice, "a notice") == "Stopped."
    page.click("notice-close")
    page.write(SPEC)
    assert page.wait_for_figures()["params"] == "112"


def test_a_newer_text_ends_a_run_that_takes_too_long(page: Page) -> None:
    page.follow(spec_link(HUGE))
    page.wait(lambda: page.run("return !document.getElementById('stop').hidden"), "the button Stop")
    time.sleep(4)  # from then on, starting again is faster
    page.follow(spec_link(SPEC))
    page.wait(lambda: "ing Python" in page.text("#status-text"), "a new start")
    assert page.wait_for_figures()["params"] == "112"
    assert page.notice() == ""


def test_a_program_that_cannot_be_loaded_is_reported(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "broken"
    shutil.copytree(folder, copy)
    [wheel] = (copy / "wheels").glob("pyyaml-*")
    wheel.unlink()
    with serve(copy) as address, chromium.start(tmp_path / "log.json") as driver:
        page = Page(driver, address)
        driver.get(address)
        said = page.wait(page.notice, "a notice")
        assert said.startswith(f"The program could not be loaded: wheels/{wheel.name}: 404 File not found. Reload")
        assert page.text("#status-text") == "The program could not be loaded."


def test_a_run_that_takes_too_long_is_stopped(page: Page) -> None:
    shorter = "const real = setTimeout; globalThis.setTimeout = (f, time) => real(f, time === 20000 ? 2000 : time);"
    script = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": shorter})
    page.open(spec_link(SPEC))
    page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    page.follow(spec_link(HUGE))
    assert page.wait(page.notice, "a notice").startswith("Stopped after 20 seconds: this network is too large")
    page.click("notice-close")
    page.write(SPEC)
    assert page.wait_for_figures()["params"] == "112"


def test_it_fits_a_telephone(page: Page) -> None:
    page.write(SPEC)
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        assert page.run("return document.documentElement.scrollWidth") <= 390
        hidden = """return [...document.querySelectorAll("header *, #headline *, footer *")].filter(
            (one) => one.getBoundingClientRect().right > 391).map((one) => one.outerHTML)"""
        assert page.run(hidden) == []
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_everything_that_can_be_used_has_a_name(page: Page) -> None:
    unnamed = """return [...document.querySelectorAll("button, input, select, iframe, progress")].filter((one) =>
        !(one.textContent.trim() && one.tagName === "BUTTON") && !one.labels?.length && !one.title
        && !one.ariaLabel && !one.getAttribute("aria-labelledby")).map((one) => one.outerHTML)"""
    assert page.run(unnamed) == []
    assert page.in_editor("return root.querySelector('.cm-content').ariaLabel")
