"""The Python entry points: what they accept and refuse, how results show themselves, and records for data frames."""

from __future__ import annotations

import inspect
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc import examples
from convcalc.convert.comparison import Verification
from convcalc.diff.difference import compare_reports
from convcalc.explain.derived_figures import explain_layers
from convcalc.space.combinations import Combinations, Param
from convcalc.space.evaluation import OrdinaryEvaluator, Setup
from convcalc.space.fitting import Order, fit
from convcalc.spec.inputs import Overrides

SPEC: dict[str, Any] = {
    "params": {"width": 4},
    "input": [3, 8, 8],
    "layers": [{"conv": {"out_channels": "$width", "kernel_size": 3}}],
}
PARAMS = 3 * 3 * 3 * 4 + 4


def chain(count: int) -> convcalc.Report:
    """Return the report of a network with `count` layers."""
    return convcalc.summary({"input": [4], "layers": ["relu"] * count})


def nested(blocks: int, repeats: int) -> convcalc.Report:
    """Return the report of a network of repeated blocks, each with two branches of two layers."""
    branch = ["relu", "tanh"]
    block = {"layers": [{"branches": [branch, branch], "merge": "add"}]}
    return convcalc.summary(
        {"input": [4], "blocks": {"pair": block}, "layers": [{"pair": {"repeat": repeats}}] * blocks}
    )


# -- a network in any form


@pytest.mark.parametrize("form", ["path", "text path", "stream", "mapping", "network", "example"])
def test_load_and_summary_accept_every_form(form: str, tmp_path: Path) -> None:
    text = "input: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3}\n"
    (tmp_path / "net.yaml").write_text(text, encoding="utf-8")
    forms: dict[str, Any] = {
        "path": tmp_path / "net.yaml",
        "text path": str(tmp_path / "net.yaml"),
        "stream": io.StringIO(text),
        "mapping": SPEC,
        "network": convcalc.load(SPEC),
        "example": "example:lenet5",
    }
    network = convcalc.load(forms[form])
    expected = 61_706 if form == "example" else PARAMS  # LeNet-5: LeCun et al. 1998, as counted in example:lenet5
    assert convcalc.analyse(network).totals.params == expected
    if form != "stream":
        assert convcalc.summary(forms[form]).totals.params == expected


def test_an_example_is_the_file_of_that_name() -> None:
    network = convcalc.load("example:resnet18")
    assert network.file == "example:resnet18"
    assert network == convcalc.load(examples.find_file("resnet18"))._replace(file=network.file)


def test_load_returns_a_network_unchanged() -> None:
    network = convcalc.load(SPEC)
    assert convcalc.load(network) is network


def test_every_argument_has_its_effect() -> None:
    report = convcalc.summary(SPEC, params={"width": 2}, input=(3, 16, 16), batch=2, dtype="float16")
    assert report.totals.params == 3 * 3 * 3 * 2 + 2
    assert report.layers[0].output_shape == (2, (14, 14))
    assert report.totals.weight_memory == 2 * report.totals.params
    assert report.totals.activation_memory == 2 * 2 * 2 * 14 * 14
    assert convcalc.summary(SPEC, inputs={"input": [3, 16, 16]}).layers[0].output_shape == (4, (14, 14))


def test_memory_arguments_reach_the_analysis() -> None:
    network = convcalc.load("example:resnet18")
    every: list[dict[str, Any]] = [{"inplace": False}, {"fold_batchnorm": True}, {"optimizer": "adam"}]
    for given in every:
        one, other = convcalc.summary("example:resnet18", **given), convcalc.analyse(network, **given)
        assert one.to_dict() == other.to_dict()
        assert one.to_dict() != convcalc.summary("example:resnet18").to_dict()


class Whole:
    """An integer of another library."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


def test_integers_of_other_libraries_are_accepted() -> None:
    sizes: Any = [Whole(3), Whole(16), Whole(16)]
    batch: Any = Whole(2)
    network = convcalc.load({**SPEC, "input": sizes}, batch=batch)
    assert network.inputs["input"].sizes == (3, 16, 16)
    assert network.batch == 2


# -- PyTorch modules


@pytest.mark.torch
def test_summary_accepts_a_pytorch_module() -> None:
    from torch import nn

    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 5)
    )
    report = convcalc.summary(module, input_shape=(3, 8, 8), batch=2, optimizer="adam")
    assert report.totals.params == sum(parameter.numel() for parameter in module.parameters())
    assert report.network.batch == 2
    assert report.layers[-1].output_shape.sizes == (5,)
    assert convcalc.load(module, input_shape=[3, 8, 8]) == convcalc.from_torch(module, (3, 8, 8))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"a PyTorch module needs its input shape, such as input_shape=\(3, 224, 224\)"),
        ({"input": (3, 8, 8)}, "input cannot be combined with a PyTorch module: it takes input_shape"),
        ({"params": {"width": 2}, "input_shape": (3, 8, 8)}, "params cannot be combined with a PyTorch module"),
        ({"input_shape": "3,8,8"}, "input_shape must be a shape such as"),
        ({"input_shape": 3}, "input_shape must be a shape such as"),
    ],
)
def test_arguments_that_do_not_fit_a_module_are_a_type_error(given: dict[str, Any], message: str) -> None:
    from torch import nn

    with pytest.raises(TypeError, match=message):
        convcalc.summary(nn.Conv2d(3, 8, 3), **given)


@pytest.mark.torch
def test_a_class_is_not_a_module() -> None:
    from torch import nn

    wrong: Any = nn.Conv2d
    with pytest.raises(TypeError, match="got the class Conv2d: pass an instance"):
        convcalc.summary(wrong, input_shape=(3, 8, 8))
    with pytest.raises(TypeError, match="got the class Conv2d: pass an instance"):
        convcalc.from_torch(wrong, (3, 8, 8))


@pytest.mark.torch
def test_a_module_that_cannot_be_traced_is_not_imported() -> None:
    from torch import nn

    with pytest.raises(convcalc.NotImported, match="shape"):
        convcalc.summary(nn.Conv2d(3, 8, 3), input_shape=(3, 0, 8))


# -- what is refused


@pytest.mark.parametrize(
    "value", [3, None, ["conv"], object(), convcalc.Network, b"net.yaml"], ids=lambda value: type(value).__name__
)
def test_a_wrong_type_of_network_is_a_type_error(value: Any) -> None:
    for function in (convcalc.load, convcalc.summary):
        with pytest.raises(
            TypeError, match="a network must be a path, example:NAME, a text stream, a mapping, a Network"
        ):
            function(value)
    with pytest.raises(TypeError, match="analyse expects a Network; got a value of the type"):
        convcalc.analyse(value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"params": ["width"]}, r"params must be a mapping from names to values; got the list \[width\]"),
        ({"params": "width=2"}, "params must be a mapping from names to values; got 'width=2'"),
        ({"inputs": [3, 8, 8]}, "inputs must be a mapping from names to values"),
        (
            {"input_shape": (3, 8, 8)},
            "input_shape cannot be combined with a spec or a model file: it takes input, or inputs by name",
        ),
        ({"inplace": "no"}, "inplace must be True or False; got 'no'"),
        ({"fold_batchnorm": 1}, "fold_batchnorm must be True or False; got 1"),
        ({"bacth": 2}, "unexpected keyword argument 'bacth'"),
    ],
)
def test_a_wrong_type_of_argument_is_a_type_error(given: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        convcalc.summary(SPEC, **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": 224}, "input: an input must be a list of 1 to 4 sizes, channels first; got 224"),
        ({"input": "3,8,8"}, "input: an input must be a list"),
        ({"input": (3, 8.5, 8)}, "input: a size must be a positive integer; got 8.5"),
        ({"inputs": {"left": (3, 8, 8)}}, r"unknown input 'left' \(available: input\)"),
        ({"params": {"widht": 2}}, r"the spec has no parameter 'widht' \(did you mean width\?\)"),
        ({"batch": "8"}, "batch: batch must be a positive integer; got '8'"),
        ({"batch": True}, "batch: batch must be a positive integer; got true"),
        ({"dtype": "flaot16"}, r"dtype: unknown data type 'flaot16' \(did you mean float16\?\)"),
        ({"dtype": {"weight": "int8"}}, "dtype: unknown key 'weight' in dtype"),
    ],
)
def test_a_wrong_value_is_an_invalid_spec_that_names_the_argument(given: dict[str, Any], message: str) -> None:
    with pytest.raises(convcalc.InvalidSpec, match=message):
        convcalc.summary(SPEC, **given)


def test_a_wrong_optimizer_is_a_value_error() -> None:
    wrong: list[Any] = ["adm", ["adam"]]
    for optimizer in wrong:
        with pytest.raises(ValueError, match="optimizer must be one of sgd, momentum, adam; got"):
            convcalc.summary(SPEC, optimizer=optimizer)


def test_a_binary_stream_is_a_type_error() -> None:
    stream: Any = io.BytesIO(b"input: [3]\n")
    with pytest.raises(TypeError, match="opened in text mode"):
        convcalc.load(stream)


def test_an_unknown_example_is_an_invalid_spec_with_a_suggestion() -> None:
    with pytest.raises(convcalc.InvalidSpec, match=r"unknown example 'resnet19': did you mean resnet\d+\?"):
        convcalc.summary("example:resnet19")


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("resnet18", "no such file: did you mean example:resnet18?"),
        ("input: [3, 8, 8]\nlayers: []\n", "for the text of a spec, pass io.StringIO(text)"),
    ],
)
def test_a_missing_file_has_a_note_with_a_suggestion(path: str, note: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        convcalc.load(path)
    assert caught.value.__notes__ == [note]


# -- the text of an invalid spec


def test_the_text_of_an_invalid_spec_includes_the_hints() -> None:
    spec = {"input": [3, 8, 8], "layers": [{"cov": {}}, {"conv": {"filters": 4, "kernel_size": 3}}]}
    with pytest.raises(convcalc.InvalidSpec) as caught:
        convcalc.load(spec)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.problems)
    for line, problem in zip(lines, caught.value.problems, strict=True):
        assert problem.hint
        assert line.endswith(f"{problem.message} ({problem.hint})")
    assert "did you mean conv?" in lines[0] + lines[1]
    assert "write out_channels" in lines[0] + lines[1]


def test_a_missing_spec_parameter_is_explained_in_python() -> None:
    with pytest.raises(convcalc.InvalidSpec, match=re.escape("(give it with params={'width': …})")):
        convcalc.load({**SPEC, "params": {"width": None}})


# -- public names and signatures


def test_dir_shows_exactly_the_public_names() -> None:
    assert dir(convcalc) == sorted(convcalc.__all__)
    code = "import sys, convcalc\ndir(convcalc)\nprint(*[name for name in sys.modules if name.startswith('convcalc')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["convcalc.version", "convcalc"] or found.stdout.split() == [
        "convcalc",
        "convcalc.version",
    ]


def test_star_import_brings_the_public_names() -> None:
    names: dict[str, Any] = {}
    exec("from convcalc import *", names)
    assert {name for name in names if name != "__builtins__"} == set(convcalc.__all__)


def test_a_misspelt_name_is_suggested() -> None:
    code = "import convcalc\nconvcalc.analyze"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Did you mean: 'analyse'?" in found.stderr


@pytest.mark.parametrize("name", ["load", "summary", "analyse", "from_torch"])
def test_signatures_name_and_annotate_every_argument(name: str) -> None:
    signature = inspect.signature(getattr(convcalc, name))
    for parameter in signature.parameters.values():
        assert parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        assert parameter.annotation is not parameter.empty
    assert signature.return_annotation in ("Network", "Report", convcalc.Report)


def test_the_arguments_of_summary_are_those_of_load_and_analyse() -> None:
    load, analyse, summary = (
        inspect.signature(function).parameters for function in (convcalc.load, convcalc.analyse, convcalc.summary)
    )
    assert list(summary) == [*load, *list(analyse)[1:]]
    for name in list(summary)[1:]:
        assert summary[name].default == (load.get(name) or analyse[name]).default


USER_CODE = """
from pathlib import Path
import convcalc

class Module:
    def named_modules(self, memo: set[int] | None = None, prefix: str = "") -> list[tuple[str, object]]:
        return []

report: convcalc.Report = convcalc.summary("net.yaml", params={"width": 2}, input=(3, 8, 8), batch=2, dtype="int8")
convcalc.summary(Path("net.yaml"), inputs={"left": [3, 8, 8]}, optimizer="adam", inplace=False, fold_batchnorm=True)
convcalc.summary({"input": [3], "layers": []})
convcalc.summary(convcalc.load("example:lenet5"))
convcalc.summary(Module(), input_shape=(3, 8, 8))
convcalc.summary(Module(), input_shape={"left": (3, 8, 8), "right": (3, 8, 8)})
with open("net.yaml") as stream:
    convcalc.load(stream)
rows: list[dict[str, str | int | None]] = report.to_records()
total: int = report.totals.params
"""
WRONG_USES = {
    "convcalc.summary(3)": "arg-type",
    "convcalc.summary('net.yaml', bacth=2)": "call-arg",
    "convcalc.summary('net.yaml', batch='2')": "arg-type",
    "convcalc.summary('net.yaml', params=['width'])": "arg-type",
    "convcalc.summary('net.yaml', optimizer='adm')": "arg-type",
    "convcalc.load('net.yaml', inplace=False)": "call-arg",
    "convcalc.sumary('net.yaml')": "attr-defined",
}


@pytest.mark.slow
def test_type_checkers_see_the_types(tmp_path: Path) -> None:
    wrong = "".join(f"{use}\n" for use in WRONG_USES)
    (tmp_path / "user.py").write_text(USER_CODE + wrong, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--follow-imports",
        "silent",
        "--config-file",
        "",
    ]
    found = subprocess.run([*command, "user.py"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert found.stderr == ""
    first = USER_CODE.count("\n") + 1
    errors = re.findall(r"^user\.py:(\d+): error: .*\[([a-z-]+)\]$", found.stdout, re.MULTILINE)
    assert errors == [(str(line), code) for line, code in enumerate(WRONG_USES.values(), first)]


# -- how results show themselves


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_repr_of_a_report_is_its_table_at_the_width_of_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = repr(convcalc.summary("example:lenet5"))
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("lenet5")
    assert len([line for line in lines if re.match(r"(conv|tanh|avgpool|flatten|linear)\d", line)]) == 12
    assert any(line.split()[:2] == ["params", "61,706"] for line in lines)
    assert "\x1b" not in text


def test_a_repr_without_a_terminal_has_80_columns() -> None:
    code = "import convcalc; print(repr(convcalc.summary('example:resnet18')))"
    clean = {"PATH": "", "PYTHONIOENCODING": "utf-8"}
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=True,
        stdin=subprocess.DEVNULL,
        env=clean,
    )
    widths = [len(line) for line in found.stdout.splitlines()]
    assert 72 < max(widths) <= 80


def test_a_long_repr_is_folded_and_says_so() -> None:
    report = nested(blocks=12, repeats=3)  # two branches of two layers, and the sum
    assert report.totals.layers == 12 * 3 * 5
    text = repr(report)
    assert len(text.splitlines()) < 80
    assert "folded to depth 2 of 5; print(report) shows all 180 layers" in text
    assert "pair12.2 " in text
    assert "tanh" not in text
    assert str(report).count("tanh") == 12 * 3 * 2


def test_a_long_repr_without_scopes_is_cut_and_says_so() -> None:
    text = repr(chain(1000))
    assert "relu60 " in text
    assert "relu61 " not in text
    assert "60 of 1,000 rows; print(report) shows all 1,000 layers" in text
    assert re.search(r"^layers +1,000$", text, re.MULTILINE)


def test_other_results_have_a_short_repr() -> None:
    report = convcalc.summary("example:lenet5")
    setup, param = Setup(Overrides()), Param("width", (1, 2))
    evaluator = OrdinaryEvaluator(lambda _: report.network, setup)
    tried = fit(evaluator.load, evaluator, setup, Combinations((param,)), Order("macs", False))
    assert repr(report.network) == "<Network lenet5, 12 layers, input 1×32×32>"
    assert repr(compare_reports(report, chain(2))).startswith("<Difference lenet5 → network: ")
    assert repr(explain_layers(report, "conv1")[0]).startswith("<Explanation of conv1: ")
    assert repr(Verification(report, ())) == "<Verification of lenet5 against PyTorch: 0 layers, 0 differ>"
    assert repr(tried) == "<Fit of lenet5: 2 combinations, 2 within the budget>"


# -- HTML


class Outline(HTMLParser):
    """The elements of a page: their texts, their attributes, and whether they are nested properly."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: list[tuple[int, list[str]]] = []  # per row: how many <details> surround it, and its cells
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append(tag)
        self.attributes += attributes
        classes = (dict(attributes).get("class") or "").split()
        if "row" in classes:
            self.rows.append((self.open.count("details"), []))
        elif tag == "span" and self.rows:
            self.rows[-1][1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.open[-1] == "span" and self.rows:
            self.rows[-1][1][-1] += data


PICTURES = 3  # in the HTML of a report: the graph, the feature maps, the memory
SVG_TAGS = {"svg", "title", "desc", "rect", "g", "path", "polygon", "text"}


def outline(report: convcalc.Report) -> Outline:
    found = Outline(report._repr_html_())
    assert found.open == []
    return found


def test_html_has_every_layer_with_its_figures() -> None:
    report = convcalc.summary("example:lenet5")
    _, *rows = outline(report).rows
    rows[-1] = (rows[-1][0], rows[-1][1][:8])  # the totals follow
    for layer, (_, cells) in zip(report.layers, rows, strict=True):
        assert cells[0] == layer.name
        assert cells[2] == str(layer.output_shape)
        assert not layer.macs or cells[7].strip() == f"{layer.macs / 416_520:.1%}"
    assert "61,706" in outline(report).texts


def test_scopes_fold() -> None:
    page = outline(nested(blocks=2, repeats=1))
    _, *rows = page.rows
    assert page.tags.count("details") == page.tags.count("summary") == 2 * 2 + PICTURES
    assert [(depth, cells[0]) for depth, cells in rows][:7] == [
        (1, "pair1.0"),
        (2, "branches1"),
        (2, "0.relu1"),
        (2, "0.tanh1"),
        (2, "1.relu1"),
        (2, "1.tanh1"),
        (2, "add"),
    ]
    assert rows[0][1][1] == "5 layers"


def test_at_most_60_rows_are_open_at_first() -> None:
    assert "<details open>" in nested(blocks=2, repeats=1)._repr_html_()
    page = nested(blocks=30, repeats=2)._repr_html_()
    assert "<details open>" not in page
    assert page.count("<details>") == 30 * 2 * 2 + PICTURES


@pytest.mark.parametrize("report", [chain(5000), nested(blocks=20, repeats=50)], ids=["flat", "nested"])
def test_html_has_at_most_2000_rows_and_says_so(report: convcalc.Report) -> None:
    page = outline(report)
    assert len(page.rows) <= 2001
    assert any(f"print(report) shows all {report.totals.layers:,} layers" in text for text in page.texts)
    assert len(report._repr_html_()) < 1024 * 1024


def test_names_cannot_break_out_of_the_html() -> None:
    hostile = "</style></div><script>alert(1)</script><img src=x onerror='alert(2)'> \"&amp;"
    layers = [{"conv": {"out_channels": 4, "kernel_size": 3}}, {"opaque": {"output_shape": [4, 4]}}]
    spec = {"name": hostile, "description": hostile, "params": {"w": hostile}, "input": [3, 8, 8], "layers": layers}
    page = outline(convcalc.summary(spec))
    assert set(page.tags) - SVG_TAGS <= {"div", "style", "p", "b", "i", "span", "details", "summary"}
    assert not {name for name, _ in page.attributes if name.startswith(("on", "href", "src", "xlink"))}
    assert hostile in page.texts
    assert "?" in page.texts  # the MACs are unknown


def test_html_is_self_contained_and_follows_the_colour_scheme() -> None:
    page = convcalc.summary("example:lenet5")._repr_html_()
    assert "@media (prefers-color-scheme: dark)" in page
    assert not re.search(r"https?:|url\(|@import|<script|<link", page)


def test_a_network_is_shown_like_its_report() -> None:
    network = convcalc.load("example:lenet5")
    assert network._repr_html_() == convcalc.analyse(network)._repr_html_()


def test_pictures_of_a_report_are_folded_and_those_of_huge_graphs_left_out() -> None:
    assert re.findall(r'<details><summary><span class="name">([\w ]+)', convcalc.summary(SPEC)._repr_html_()) == [
        "graph",
        "feature maps",
        "memory",
    ]
    assert re.findall(r'<details><summary><span class="name">([\w ]+)', chain(5000)._repr_html_()) == ["memory"]


def test_a_notebook_does_not_typeset_formulas_in_names() -> None:
    assert "mathjax_ignore" in (convcalc.summary({**SPEC, "name": "$x^2$"})._repr_html_().split(">")[0])


# -- records


def column_types(records: list[dict[str, Any]]) -> dict[str, set[type]]:
    """Return the types of the values of every column that are not None."""
    return {key: {type(record[key]) for record in records} - {type(None)} for key in records[0]}


@pytest.mark.parametrize("name", examples.list_names())
def test_records_have_the_same_keys_and_one_type_per_column(name: str) -> None:
    report = convcalc.summary(f"example:{name}")
    records = report.to_records()
    assert [record["name"] for record in records] == [layer.name for layer in report.layers]
    assert {tuple(record) for record in records} == {tuple(records[0])}
    for key, types in column_types(records).items():
        text = key in ("name", "kind", "from", "input_shape", "output_shape")
        assert types <= ({str} if text else {int}), key


def test_records_are_named_like_the_columns_of_the_table() -> None:
    from convcalc.render.columns import COLUMNS

    [record] = convcalc.summary(SPEC).to_records()
    assert set(record) == set(COLUMNS) - {"what", "jump", "share"}


def test_a_record_has_the_figures_of_its_layer() -> None:
    spec = {"input": [3, 8, 9], "layers": [{"conv": {"out_channels": 4, "kernel_size": [3, 5]}}]}
    [record] = convcalc.summary(spec, batch=2).to_records()
    macs = 2 * 6 * 5 * 4 * 3 * 15
    expected = {
        "name": "conv1",
        "kind": "conv",
        "line": None,
        "from": "input",
        "input_shape": "3×8×9",
        "output_shape": "4×6×5",
        "params": 4 * (3 * 15 + 1),
        "trainable_params": 4 * (3 * 15 + 1),
        "buffers": 0,
        "multiplications": macs,
        "additions": macs,
        "macs": macs,
        "flops": 2 * macs,
        "input_memory": 4 * 2 * 3 * 8 * 9,
        "weight_memory": 4 * 4 * (3 * 15 + 1),
        "activation_memory": 4 * 2 * 4 * 6 * 5,
        "live_memory": 4 * 2 * (3 * 8 * 9 + 4 * 6 * 5),
        "receptive_field": 3,
    }
    assert record == expected


def test_unknown_figures_are_none_in_records() -> None:
    [record] = convcalc.summary({"input": [3, 8, 8], "layers": [{"opaque": {"output_shape": [4, 8, 8]}}]}).to_records()
    assert record["macs"] is None
    assert record["flops"] is None
    assert record["receptive_field"] is None


NETS = ("example:resnet18", "example:m5", {"input": [3, 8, 8], "layers": [{"opaque": {"output_shape": [4]}}, "relu"]})


@pytest.mark.parametrize("net", NETS, ids=["resnet18", "m5", "opaque"])
def test_pandas_reads_the_records(net: Any) -> None:
    pandas = pytest.importorskip("pandas", reason="reads the records with pandas: pip install pandas")

    report = convcalc.summary(net)
    frame = pandas.DataFrame(report.to_records())
    assert len(frame) == report.totals.layers
    assert frame["params"].sum() == report.totals.params
    assert frame["activation_memory"].dtype == "int64"
    by_kind = frame.groupby("kind")["params"].sum()
    assert by_kind.sum() == report.totals.params


@pytest.mark.parametrize("net", NETS, ids=["resnet18", "m5", "opaque"])
def test_polars_reads_the_records(net: Any) -> None:
    polars = pytest.importorskip("polars", reason="reads the records with polars: pip install polars")

    report = convcalc.summary(net)
    frame = polars.DataFrame(report.to_records())
    assert frame.height == report.totals.layers
    assert frame["params"].sum() == report.totals.params
    assert frame.schema["params"] == polars.Int64
    assert frame.schema["output_shape"] == polars.String
    assert frame.filter(polars.col("macs").is_null()).height == len(report.uncounted)
