"""`convcalc explain`: every printed formula is evaluated from its text and equals the calculated and measured value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.analysis.report import Report, analyse
from convcalc.explain.derived_figures import DerivedFigure, Explanation, explain_layers
from convcalc.explain.totals import sum_by_kind
from convcalc.layers import KINDS
from convcalc.shape import AXIS_NAMES
from convcalc.symbolic import Latex, Notation, iterate_symbols
from tests.documented import printed
from tests.layers.test_oracle import CASES, Case
from tests.support.formulas import value_of, value_of_latex
from tests.support.places import EXAMPLES
from tests.support.specs import load

MOST = 30  # test cases per kind
COSTS = ("params", "buffers", "multiplications", "additions", "macs", "flops")


def explanations(report: Report) -> list[Explanation]:
    return explain_layers(report, "*")


def only(spec: dict[str, Any], **options: Any) -> Explanation:
    [found] = explanations(analyse(load(spec), **options))
    return found


def accepted(kind: str) -> list[Case]:
    """Layers that PyTorch accepts, spread over its table, with every number of axes."""
    cases = [case for case in CASES[kind] if "output" in case]
    return cases[:: max(1, len(cases) // MOST)]


def explanation_of(case: Case) -> Explanation:
    return only({"input": case["input"], "layers": [{case["kind"]: case["arguments"]}]})


def texts(figure: DerivedFigure) -> Iterator[tuple[str, int]]:
    """The texts that a figure prints, each with its value: in symbols, in numbers, in LaTeX."""
    assert figure.formula is not None
    values = {symbol.called(figure.one_axis): symbol.value for symbol in iterate_symbols(figure.formula)}
    yield Notation(True).write(figure.formula), int(value_of(Notation(True).write(figure.formula)))
    in_symbols = Notation(False, figure.one_axis).write(figure.formula)
    yield in_symbols, int(value_of(in_symbols, **values))
    in_latex = Latex(True).write(figure.formula)
    yield in_latex, int(value_of_latex(in_latex))


def wrong_formulas(found: Explanation) -> list[tuple[str, str, int, int | None]]:
    """The printed formulas whose value differs from the figure below them."""
    return [
        (found.layer.name, text, value, figure.value)
        for figure in found.figures
        if figure.formula is not None
        for text, value in texts(figure)
        if value != figure.value
    ]


def figure(found: Explanation, name: str) -> int | None:
    """The value of a figure; 0 for buffers that do not exist."""
    return {each.name: each.value for each in found.figures}.get(name, 0)


# -- formulas compared with PyTorch's answers and with the rules


@pytest.mark.parametrize("kind", sorted(set(KINDS) & set(CASES)))
def test_every_printed_formula_evaluates_to_its_figure(kind: str) -> None:
    assert [wrong for case in accepted(kind) for wrong in wrong_formulas(explanation_of(case))] == []


@pytest.mark.parametrize("kind", sorted(set(KINDS) & set(CASES)))
def test_explained_figures_are_those_of_pytorch(kind: str) -> None:
    for case in accepted(kind):
        found = explanation_of(case)
        sizes = [figure(found, "channels") or figure(found, "features")]
        for axis in AXIS_NAMES[len(case["output"]) - 1]:
            sizes += [each.value for each in found.figures if each.name == "size" and axis in each.axes][:1]
        assert sizes == case["output"], case
        for name in ("params", "buffers", "macs"):
            if name in case:
                assert figure(found, name) == case[name], case


def test_every_kind_is_explained() -> None:
    """Formulas come from the rules of a kind, so none can be missing."""
    without = {"opaque"}  # unknown costs
    for kind in set(KINDS) - without:
        found = explanation_of(accepted(kind)[0]) if kind in CASES else example_of(kind)
        named = {each.name for each in found.figures}
        assert {"params", "multiplications", "additions", "macs", "flops", "activation_memory"} <= named, kind
        assert {"channels", "features"} & named, kind
        for each in found.figures:
            if each.name in (*COSTS, "activation_memory") and each.value:
                assert each.formula is not None, (kind, each.name)


def example_of(kind: str) -> Explanation:
    from convcalc.render.layers import parse_page

    about = parse_page(KINDS[kind])
    shape = json.loads(about.example_input)
    return explanations(analyse(load(f"input: {shape}\nlayers:\n  - {about.example}\n")))[0]


def test_no_size_of_a_layer_hides_in_its_formulas() -> None:
    """Formulas in symbols contain only the constants of the rules: interpolation taps, counts per value, bits."""
    constants = {"1", "2", "3", "4", "7", "8", "15", "16", "32"}
    # the formula of lstm and gru adds equal terms of up to three layers, two directions and two matrices or biases each
    multiples = {"lstm": {"5", "6", "12"}, "gru": {"5", "6", "12"}}
    hidden = []
    for kind in sorted(set(KINDS) & set(CASES)):
        known = constants | multiples.get(kind, set())
        for case in accepted(kind):
            for each in explanation_of(case).figures:
                if each.formula is not None and each.name in (*COSTS, "activation_memory", "size"):
                    text = Notation(False, each.one_axis).write(each.formula)
                    hidden += [text for number in re.findall(r"(?<![\w.])\d+", text) if number not in known]
    assert hidden == []


@pytest.mark.parametrize(
    "name", ["resnet18", "unet", "mobilenet_v2", "c3d", "m5", "convnext_tiny", "deeplabv3_resnet50"]
)
@pytest.mark.parametrize(("batch", "dtype"), [(1, "float32"), (3, "int4")])
def test_every_figure_of_a_network_is_that_of_the_report(name: str, batch: int, dtype: str) -> None:
    report = analyse(convcalc.load(EXAMPLES / f"{name}.yaml", batch=batch, dtype=dtype))
    for found, layer in zip(explanations(report), report.layers, strict=True):
        assert wrong_formulas(found) == []
        reported = (layer.params, layer.buffers, layer.multiplications, layer.additions, layer.macs, layer.flops)
        assert tuple(figure(found, each) for each in COSTS) == reported
        memory = [figure(found, f"{each}_memory") for each in ("weight", "input", "activation")]
        assert memory == [layer.weight_memory, layer.input_memory, layer.activation_memory]


def by_axis(found: Explanation, name: str, axes: int) -> list[int | None]:
    """A field figure for each axis: a name without an axis applies to all of them."""
    values: dict[str, int | None] = {}
    for each in found.figures:
        if each.name == name:
            values |= dict.fromkeys(each.axes or AXIS_NAMES[axes], each.value)
    return [values[axis] for axis in AXIS_NAMES[axes]]


@pytest.mark.parametrize("name", ["resnet50", "unet", "m5", "c3d", "inception_v3", "lenet5", "conv_autoencoder"])
def test_the_receptive_field_of_each_step_is_that_of_the_report(name: str) -> None:
    report = analyse(convcalc.load(EXAMPLES / f"{name}.yaml"))
    steps = 0
    for found in explanations(report):
        seen, jump = found.layer.receptive_field.size, found.layer.receptive_field.jump
        assert seen is not None
        if found.layer.receptive_field.whole:
            assert [each.words for each in found.figures if each.name == "receptive_field"] == ["the whole input"]
            continue
        assert by_axis(found, "receptive_field", len(seen)) == list(seen)
        if any(each.name == "effective_kernel_size" for each in found.figures):
            assert [(step, 1) for step in by_axis(found, "jump", len(seen))] == list(jump or ())
            steps += 1
    assert steps > 2


# -- special cases


SHARED: dict[str, Any] = {
    "input": [4, 8, 8],
    "layers": [
        {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1, "name": "first", "bias": False}},
        "batchnorm",
        {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1, "bias": False, "share": "first"}},
        {"conv": {"out_channels": 4, "kernel_size": 1, "bias": False, "frozen": True, "name": "kept"}},
        "batchnorm",
        "flatten",
    ],
}


def notes(name: str, **options: Any) -> list[str]:
    [found] = explain_layers(analyse(load(SHARED), **options), name)
    return list(found.notes)


def test_shared_weights_are_mentioned_on_both_sides() -> None:
    assert notes("first") == ["its weights are shared by conv2 and counted only here"]
    assert notes("conv2") == ["shares the weights of first, where they are counted"]
    [user] = explain_layers(analyse(load(SHARED)), "conv2")
    assert figure(user, "params") == figure(user, "weight memory") == 0


def test_frozen_layers_and_views_are_mentioned() -> None:
    assert notes("kept") == ["frozen: its params are not trained"]
    assert notes("flatten1") == ["a view: the output shares the memory of the input"]


def test_a_folded_batch_norm_names_the_layer_it_was_folded_into() -> None:
    assert notes("kept", fold_batchnorm=True)[1:] == [
        "batchnorm2 is folded into it: the scale into its weights, the bias into its bias"
    ]
    [kept] = explain_layers(analyse(load(SHARED), fold_batchnorm=True), "kept")
    assert figure(kept, "params") == 4 * 4 + 4


def test_an_unknown_cost_is_not_zero() -> None:
    found = only({"input": [4, 8, 8], "layers": [{"opaque": {"output_shape": [7], "params": 9}}]})
    assert figure(found, "params") == 9
    assert [figure(found, name) for name in COSTS[2:]] == [None] * 4


def test_kinds_add_up_to_the_totals() -> None:
    for name in ("resnet50", "unet", "efficientnet_b0"):
        report = analyse(convcalc.load(EXAMPLES / f"{name}.yaml"))
        total = report.totals
        sums = tuple(map(sum, zip(*(share[1:] for share in sum_by_kind(report)), strict=True)))
        assert sums == (total.layers, total.params, total.multiplications, total.additions, total.macs)


# -- the command


CONV = """\
conv1  7×7, 64, /2, p3 · 3×224×224 → 64×112×112 · line 35

Convolution in one, two or three dimensions; all positions share the weights.

channels               C_out = 64
height, width          floor((n + p_before + p_after - d × (k - 1) - 1) / s) + 1
                       = floor((224 + 3 + 3 - 1 × (7 - 1) - 1) / 2) + 1
                       = 112
params                 C_out × k_h × k_w × C_in / g
                       = 64 × 7 × 7 × 3 / 1
                       = 9,408 (9.41 K)
multiplications        C_out × H_out × W_out × k_h × k_w × C_in / g
                       = 64 × 112 × 112 × 7 × 7 × 3 / 1
                       = 118,013,952 (118.0 M)
additions              C_out × H_out × W_out × (k_h × k_w × C_in / g - 1 + b)
                       = 64 × 112 × 112 × (7 × 7 × 3 / 1 - 1 + 0)
                       = 117,211,136 (117.2 M)
MACs                   multiplications = 118,013,952 (118.0 M)
FLOPs                  multiplications + additions
                       = 118,013,952 + 117,211,136
                       = 235,225,088 (235.2 M)
weight memory          params × 32 / 8
                       = 9,408 × 32 / 8
                       = 37,632 B (36.75 KiB)
input memory           C_in × H_in × W_in × 32 / 8
                       = 3 × 224 × 224 × 32 / 8
                       = 602,112 B (588.0 KiB)
activation memory      C_out × H_out × W_out × 32 / 8
                       = 64 × 112 × 112 × 32 / 8
                       = 3,211,264 B (3.06 MiB)
effective kernel size  d × (k - 1) + 1
                       = 1 × (7 - 1) + 1
                       = 7
receptive field        field + (k_eff - 1) × jump
                       = 1 + (7 - 1) × 1
                       = 7
jump                   jump × s
                       = 1 × 2
                       = 2
"""
NARROW = """\
additions
  C_out × H_out × W_out
  × (k_h × k_w × C_in / g - 1 + b)
  = 64 × 112 × 112
    × (7 × 7 × 3 / 1 - 1 + 0)
  = 117,211,136 (117.2 M)
"""
ROOM = r"n + p_{\text{before}} + p_{\text{after}} - d \cdot \left( k - 1 \right) - 1"
WINDOW = rf"\left\lfloor \frac{{{ROOM}}}{{s}} \right\rfloor + 1"
IN_NUMBERS = r"\left\lfloor \frac{224 + 3 + 3 - 1 \cdot \left( 7 - 1 \right) - 1}{2} \right\rfloor + 1"
WEIGHTS = r"C_{\text{out}} \cdot \frac{k_h \cdot k_w \cdot C_{\text{in}}}{g}"
MARKDOWN = rf"""
**height, width**: 112

$${WINDOW} = {IN_NUMBERS} = 112$$

**params**: 9,408 (9.41 K)

$${WEIGHTS} = 64 \cdot \frac{{7 \cdot 7 \cdot 3}}{{1}} = 9{{,}}408$$
"""


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize("columns", [80], indirect=True)
@pytest.mark.usefixtures("columns")
def test_a_layer_is_explained_as_on_paper() -> None:
    assert printed(["explain", "example:resnet50", "conv1"]).startswith(CONV)


@pytest.mark.parametrize("columns", [40], indirect=True)
@pytest.mark.usefixtures("columns")
def test_narrow_terminals_put_formulas_below_their_names_and_break_before_signs() -> None:
    assert NARROW in printed(["explain", "example:resnet50", "conv1"])


@pytest.mark.parametrize("columns", [40, 80, 200], indirect=True)
@pytest.mark.usefixtures("columns")
@pytest.mark.parametrize("arguments", [["example:unet", "up1.*"], ["example:unet", "--conventions"], ["--conventions"]])
def test_lines_fit_the_terminal(arguments: list[str]) -> None:
    import os

    text = printed(["explain", *arguments])
    titles = re.compile(r"^(up1|unet|input )")
    assert [
        line for line in text.splitlines() if len(line) > int(os.environ["COLUMNS"]) and not titles.match(line)
    ] == []


@pytest.mark.parametrize("columns", [1000], indirect=True)
@pytest.mark.usefixtures("columns")
def test_integers_in_text_have_separators_and_keep_their_values() -> None:
    """In every derivation, the line with numbers evaluates to the result below it."""
    text = printed(["explain", "example:resnet18", "conv1"]) + printed(["explain", "example:vgg16", "linear1"])
    derivations = re.findall(r"^ +(= .*)\n += ([0-9,]+)", text, re.MULTILINE)
    assert len(derivations) > 15
    for numbers, result in derivations:
        assert not re.search(r"[0-9]{4}", numbers), numbers
        assert value_of(numbers.removeprefix("= ").replace(",", "")) == int(result.replace(",", ""))
    assert ("= 118,013,952 + 117,211,136", "235,225,088") in derivations  # 64 × 112² × (147 + 146)
    latex = printed(["explain", "example:resnet18", "conv1", "-f", "markdown"])
    assert "118013952 + 117211136" in latex
    assert '"118013952 + 117211136"' in printed(["explain", "example:resnet18", "conv1", "-f", "json"])


def test_markdown_has_the_derivation_as_latex() -> None:
    assert MARKDOWN in printed(["explain", "example:resnet50", "conv1", "-f", "markdown"])


@cache
def equations() -> list[str]:
    text = "".join(
        printed(["explain", f"example:{name}", "*", "-f", "markdown"]) for name in ("unet", "mobilenet_v3_large")
    )
    return re.findall(r"^\$\$(.*)\$\$$", text, re.MULTILINE)


def test_every_equation_holds() -> None:
    """The numeric parts of every equation have the same value."""
    assert len(equations()) > 500
    for equation in equations():
        in_numbers = [
            part for part in equation.split(" = ") if not re.search(r"[A-Za-z]_|\\text\{[a-z]|\b[a-z]\b", part)
        ]
        assert len({value_of_latex(part) for part in in_numbers}) == 1, equation


def test_markdown_takes_nothing_of_latex_for_its_own() -> None:
    """No backslash before punctuation, no index that could start an emphasis, no bars and no stars."""
    for equation in equations():
        assert not re.search(r"\\[^A-Za-z]|(?<![A-Za-z])_|[|*<>`#~&]", equation), equation
        assert len(re.findall(r"\\left", equation)) == len(re.findall(r"\\right", equation))


def test_a_pattern_or_a_scope_explains_several() -> None:
    by_pattern = printed(["explain", "example:resnet18", "stage1.*", "-f", "json"])
    by_scope = printed(["explain", "example:resnet18", "stage1", "-f", "json"])
    assert by_pattern == by_scope
    layers = json.loads(by_scope)["layers"]
    assert len(layers) > 5
    assert all(layer["name"].startswith("stage1.") for layer in layers)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["example:lenet5", "linaer1"], "no layer named 'linaer1': did you mean linear1?"),
        (["example:unet", "conv_transpose1"], "did you mean up1.conv_transpose1?"),
        (["example:resnet18", "batchnorm1", "--fold-batchnorm"], "it is folded into conv1"),
        (["example:lenet5", "q"], "convcalc summary NET lists the layers"),
        ([], "Missing argument 'NET'"),
        (["example:lenet5", "conv1", "--conventions"], "--conventions applies to a whole network"),
        (["no.yaml", "conv1"], "no.yaml: no such file"),
    ],
)
def test_what_cannot_be_done_is_explained(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    from convcalc.cli.main import run

    assert run(["explain", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_an_invalid_spec_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from convcalc.cli.main import run

    (tmp_path / "net.yaml").write_text("input: [3]\nlayers:\n  - conv: {}\n")
    assert run(["explain", str(tmp_path / "net.yaml")]) == 1
    assert "net.yaml:3" in capsys.readouterr().err


def test_json_follows_its_schema() -> None:
    found = json.loads(printed(["explain", "example:unet", "*", "-f", "json"]))
    assert len(found["layers"]) == len(convcalc.load(EXAMPLES / "unet.yaml").nodes)
    for layer in found["layers"]:
        known = {name for symbol in layer["symbols"] for name in symbol["names"]}
        for each in layer["figures"]:
            if each["formula"] is not None:
                assert value_of(each["formula_numbers"]) == each["value"]
                used = set(re.findall(r"[A-Za-z]\w*", each["formula"])) - {"floor", "ceil"}
                assert used - {*COSTS, "k_eff"} <= known


def test_json_of_the_totals_adds_up() -> None:
    found = json.loads(printed(["explain", "example:vgg16", "-f", "json"]))
    assert found["schema"] == "convcalc/explanation/2"
    assert sum(kind["macs"] for kind in found["kinds"]) == found["totals"]["macs"] == 15_470_264_320
    assert sum(kind["params"] for kind in found["kinds"]) == found["totals"]["params"] == 138_357_544
