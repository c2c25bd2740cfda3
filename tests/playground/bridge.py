"""Answers the questions of the playground's page. Runs in Pyodide, in a worker of the browser.

Every question and every answer is JSON text, so that nothing else passes between Python and JavaScript:

>>> answer('{"ask": "update", "text": "{input: [3, 8, 8], layers: [relu]}"}')[:15]
'{"problems": []'

An answer is an object. It has the key `error`, a message, if the question has no other answer.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import chdir, redirect_stderr, suppress
from functools import lru_cache
from io import StringIO
from typing import Any

import convcalc
from convcalc import examples
from convcalc.analysis.report import Report
from convcalc.cli import main
from convcalc.convert import formats
from convcalc.problems import InvalidSpec, show
from convcalc.render import draw
from convcalc.render.drawing.diagram import METRICS
from convcalc.render.summary import format_totals
from convcalc.render.summary_html import html_report
from convcalc.spec.spec_schema import make_spec_schema
from convcalc.spec_head import HEAD, is_binary

Answer = dict[str, Any]
MOST_LAYERS = 2_000  # in the list of layers from which a receptive field is chosen
MOST_PROBLEMS = 200  # on the page, which marks each in the text
_HEADLINE = ("layers", "params", "MACs", "peak memory")


def answer(question: str) -> str:
    """Return the answer to a question: `ask` is one of the names in ANSWERS, the other keys are its arguments."""
    asked = json.loads(question)
    return json.dumps(ANSWERS[asked.pop("ask")](**asked))


def describe() -> Answer:
    """Return the data that the page shows before it reads a spec; the build writes them to a file.

    These are the version, the examples as a dict from names to texts, the spec to start from, the schema of specs, the
    metrics that colour pictures, whether there is a command `report`, and the model files that can be imported.
    """
    readable = [kind for kind in formats.FORMATS if kind.reader]
    return {
        "version": convcalc.__version__,
        "start": _start(),
        "examples": {name: _read(examples.find_file(name)) for name in examples.list_names()},
        "schema": make_spec_schema(),
        "metrics": list(METRICS),
        "report": _has_report(),
        "imported": [ending for kind in readable if not kind.extra for ending in kind.endings],
        "elsewhere": [ending for kind in readable if kind.extra for ending in kind.endings],
    }


def _start() -> str:
    """Return the spec that `convcalc init` writes, without the comments for editors at its top."""
    return re.sub(r"\A(?:#.*\n)+", "", _run("init")[1])


def update(text: str, name: str = "net") -> Answer:
    """Return the problems of a spec as `convcalc check -f json` writes them, and its table unless it is invalid.

    At most 200 problems are returned; `problems_left_out` is the number of the others. `table` is HTML in which all
    names are escaped; `headline` is a list of labels, exact numbers and short numbers.
    """
    problems = _check(text, name)
    found: Answer = {"problems": problems[:MOST_PROBLEMS], "problems_left_out": len(problems[MOST_PROBLEMS:])}
    try:
        report = _analyse(text, name)
    except InvalidSpec:
        return found
    layers = [layer.name for layer in report.layers[:MOST_LAYERS]]
    return {
        **found,
        "name": report.network.name,
        "table": html_report(report, pictures=False),
        "headline": _headline(report),
        "layers": layers,
        "layer": _choose_layer(report),
    }


def picture(
    text: str, kind: str, name: str = "net", metric: str = "macs", depth: str = "", layer: str = "", position: str = ""
) -> Answer:
    """Return a picture of a spec as SVG: `kind` is graph, stack, memory or field.

    `depth` is a number or `all`; `depth` and `position` may be empty. A `field` needs a `layer`.
    """
    try:
        report = _analyse(text, name)
        if kind == "memory":
            return {"svg": draw.plot_memory(report).to_svg()}
        if kind == "field":
            return {"svg": draw.plot_field(report, layer, _read_position(position)).to_svg()}
        return {
            "svg": report.draw(kind, color=metric, depth=int(depth) if depth.isdecimal() else depth or None).to_svg()
        }
    except InvalidSpec:
        return {"error": "the spec is invalid"}
    except ValueError as error:  # also NotDrawn and NoRegion
        return {"error": str(error)}


def _read_position(text: str) -> tuple[int, ...] | None:
    if not text.strip():
        return None
    if not re.fullmatch(r"\s*\d{1,9}(\s*,\s*\d{1,9})*\s*", text, re.ASCII):
        raise ValueError(f"the position must be comma-separated whole numbers, such as 3,5; got {show(text)}")
    return tuple(map(int, text.split(",")))


def report_page(text: str, name: str = "net") -> Answer:
    """Return the page that `convcalc report` writes."""
    if not _has_report():
        return {"error": "this version of convcalc has no command report"}
    status, page, said = _run("report", _write_spec(text, name), suffix=".html")
    return {"html": page} if status == 0 else {"error": said}


def convert(path: str, shape: str = "") -> Answer:
    """Return the spec of a dropped file as `text`, and remarks on it as `said`; a spec is returned unchanged.

    `shape` is the shape of the input, as for --input. The file is deleted.
    """
    try:
        return _convert(path, shape)
    finally:
        with suppress(OSError):
            os.remove(path)


def _convert(path: str, shape: str) -> Answer:
    name = os.path.basename(path)
    with open(path, "rb") as stream:
        head = stream.read(HEAD)
    found = formats.recognise(path, head)
    if found is None or not found.reader or found is formats.SPEC:
        if found not in (None, formats.SPEC) or is_binary(head):
            what = f"{found.name}: {found.advice}" if found else "a file of an unknown format"
            return {"error": f"{name} is {what}"}
        return _read_spec(path, name)
    if found.extra and not _has_extra(found.extra):
        missing = f"{name} is {found.name}, and the packages that read it are not in this page."
        return {"error": f"{missing} {_elsewhere(name, found)}"}
    options = ["--input", shape] if shape else []
    status, text, said = _run("import", path, *options, suffix=".yaml")
    said = said.replace(path, name).removeprefix("convcalc: ")
    return {"text": text, "said": said} if status == 0 else {"error": said, "shape": "--input" in said}


def _elsewhere(name: str, found: formats.Format) -> str:
    commands = f"pip install 'convcalc[{found.extra}]' and convcalc import {name} -o net.yaml"
    return f"On your computer, run {commands}; then open net.yaml here."


def _read_spec(path: str, name: str) -> Answer:
    try:
        return {"text": _read(path), "said": ""}
    except UnicodeDecodeError:
        return {"error": f"{name} is not text in UTF-8"}


def _has_extra(extra: str) -> bool:
    """Return whether the package of an extra can be imported, which takes long for some of them."""
    try:
        __import__({"keras": "h5py"}.get(extra, extra))
    except ImportError:
        return False
    return True


def _check(text: str, name: str) -> list[Answer]:
    _, written, said = _run("check", _write_spec(text, name), "--isolated", "-f", "json", suffix=".json")
    if not written:
        raise RuntimeError(said)
    problems: list[Answer] = json.loads(written)["problems"]
    return problems


@lru_cache(maxsize=1)
def _analyse(text: str, name: str) -> Report:
    """Return the report of a spec. The last one is kept, because each tab of the page asks for it."""
    with chdir(_folder()):
        return convcalc.summary(_write_spec(text, name))


def _choose_layer(report: Report) -> str:
    """Return the layer whose receptive field is shown first: the last one whose output has several positions."""
    placed = [layer.name for layer in report.layers if layer.output_shape.positions > 1]
    return placed[-1] if placed else report.totals.receptive_field_at


def _headline(report: Report) -> list[tuple[str, str, str]]:
    lines = [[part.strip() for part, _ in line[::2]] for line in format_totals(report, None)]
    return [(label, exact, short.split(",")[0]) for label, exact, short in lines if label in _HEADLINE]


def _has_report() -> bool:
    return any("report" in names for names in main.SECTIONS.values())


def _run(*arguments: str, suffix: str = ".txt") -> tuple[int, str, str]:
    """Run a command of convcalc; return its exit status, what it writes, and what it prints on standard error."""
    said = StringIO()
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, f"output{suffix}")
        with redirect_stderr(said), chdir(_folder()):  # so that only the name of the spec appears in results
            status = main.run([*arguments, "-o", output])
        written = _read(output) if os.path.exists(output) else ""
    return status, written, said.getvalue().strip()


def _write_spec(text: str, name: str) -> str:
    """Write a spec to a file in the folder of this process, and return the name of the file.

    `name` is that name without its ending, and the name of a network without one of its own.
    """
    stem = re.sub(r"[^\w.-]", "_", name)[:60].lstrip("-.") or "net"
    file = f"{stem}.yaml"
    with open(os.path.join(_folder(), file), "w", encoding="utf-8", errors="surrogatepass", newline="") as stream:
        stream.write(text)
    return file


@lru_cache(maxsize=1)
def _folder() -> str:
    return tempfile.mkdtemp(prefix="playground-")


def _read(path: str) -> str:
    with open(path, encoding="utf-8", newline="") as stream:
        return stream.read()


ANSWERS: Mapping[str, Callable[..., Answer]] = {
    "describe": describe,
    "update": update,
    "picture": picture,
    "report": report_page,
    "convert": convert,
}
