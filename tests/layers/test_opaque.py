"""The kind `opaque`: stated figures are counted, the others are unknown, and unknown is not zero."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.render.columns import EVERY
from convcalc.render.summary import table_text
from convcalc.render.summary_data import report_csv
from convcalc.render.summary_markdown import markdown_report
from tests.support.specs import load, memory, problem, report, said

OPERATIONS = ("multiplications", "additions", "macs", "flops")


def opaque(**arguments: Any) -> dict[str, Any]:
    return {"opaque": {"output_shape": [8, 4, 4], **arguments}}


def network(*entries: Any, **top: Any) -> dict[str, Any]:
    return {"name": "net", "input": [3, 8, 8], "layers": list(entries), **top}


CONV = {"conv": {"out_channels": 8, "kernel_size": 3, "padding": 1}}
SPEC = network(CONV, opaque(params=100), "relu", CONV)


def test_stated_figures_are_counted() -> None:
    found = report(SPEC)
    layer = found["layers"][1]
    assert layer["output_shape"] == [8, 4, 4]
    assert (layer["params"], layer["trainable_params"], layer["buffers"]) == (100, 100, 0)
    assert memory(layer) == {"input": 8 * 8 * 8 * 4, "weight": 400, "activation": 8 * 4 * 4 * 4, "live": 2048 + 512}
    assert found["totals"]["params"] == (3 * 9 * 8 + 8) + 100 + (8 * 9 * 8 + 8)


def test_its_cost_is_null_and_so_are_the_totals() -> None:
    found = report(SPEC)
    assert [found["layers"][1][name] for name in OPERATIONS] == [None] * 4
    assert [found["totals"][name] for name in OPERATIONS] == [None] * 4
    assert found["totals"]["training_memory"] is None
    assert found["complete"] is False
    assert found["layers"][3]["macs"] == 4 * 4 * 8 * 72


def test_an_unknown_cost_stays_unknown_for_a_batch() -> None:
    assert report(SPEC, batch=4)["totals"]["flops"] is None


def test_layers_after_it_have_an_unknown_field() -> None:
    entries = (CONV, opaque(), CONV, "global_avgpool", "flatten", {"linear": {"out_features": 2}})
    fields = [layer["receptive_field"] for layer in report(network(*entries))["layers"]]
    assert fields[0]["size"] == [3, 3]
    assert [field["size"] for field in fields[1:]] == [None] * 5
    assert [field.get("global") for field in fields] == [None] * 6


def test_layers_that_read_the_whole_input_besides_it_have_a_known_field() -> None:
    seen = {"sequence": ["global_avgpool", "flatten"], "name": "seen"}
    guessed = opaque(output_shape=[3], **{"from": "input"})
    found = report(network(seen, guessed, {"add": {"from": ["previous", "seen"]}}))
    assert found["layers"][-1]["receptive_field"]["global"] is True


@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_has_one_or_more_inputs(count: int) -> None:
    reading: Any = ["conv1", "input", "conv1"][:count]
    found = report(network(CONV, opaque(**{"from": reading})))
    assert found["layers"][1]["from"] == reading


def test_training_memory_is_known_if_nothing_before_it_learns() -> None:
    """It saves nothing for backward if no earlier layer learns."""
    found = report(network(opaque(), {"conv": {"out_channels": 2, "kernel_size": 1, "bias": False}}))
    weights = 2 * 8 * 4
    assert found["totals"]["training_memory"] == 2 * weights + 8 * 4 * 4 * 4
    learning = report(network(opaque(params=1), {"conv": {"out_channels": 2, "kernel_size": 1, "bias": False}}))
    assert learning["totals"]["training_memory"] is None


def test_a_table_shows_a_question_mark_and_names_the_unknown_layers() -> None:
    text = table_text(convcalc.summary(SPEC))
    row = next(line for line in text.splitlines() if line.startswith("opaque1"))
    assert row.split().count("?") == 4  # MACs, FLOPs, field, share
    totals = dict(line.split(maxsplit=1) for line in text.splitlines()[-8:])
    assert totals["MACs"] == "?"
    assert totals["unknown"].split(maxsplit=1) == ["1", "the cost of opaque1"]


def test_many_unknown_costs_are_abbreviated() -> None:
    text = table_text(convcalc.summary(network(*[opaque()] * 5)))
    assert "the cost of opaque1, opaque2, opaque3 and 2 more" in text


def test_a_scope_is_unknown_if_a_layer_in_it_is() -> None:
    spec = network({"sequence": [opaque(), CONV]}, {"sequence": [CONV, "relu"]})
    lines = table_text(convcalc.summary(spec)).splitlines()
    unknown, known = (next(line for line in lines if line.startswith(f"sequence{number}")) for number in (1, 2))
    assert "?" in unknown.split()[3]
    assert known.split()[3] == "9.22"  # K MACs: 4 × 4 × 8 × 72


def test_a_csv_has_an_empty_cell() -> None:
    rows = list(csv.DictReader(io.StringIO(report_csv(convcalc.summary(SPEC), EVERY, "macs"))))
    assert rows[0]["name"] == "opaque1"  # the unknown cost may be the largest
    assert [rows[0][name] for name in (*OPERATIONS, "share")] == [""] * 5


def test_markdown_reports_it() -> None:
    text = markdown_report(convcalc.summary(SPEC))
    assert "? MACs, ? FLOPs" in text
    assert "unknown: the cost of opaque1" in text


def test_an_unknown_figure_violates_a_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(json.dumps({**SPEC, "budget": {"macs": "5G", "params": "5G"}}))
    assert run(["check", str(path)]) == 1
    said = capsys.readouterr().out
    assert "MACs are unknown" in said
    assert "unknown for: opaque1" in said
    assert "params exceed" not in said


def test_an_unknown_cost_of_a_layer_violates_its_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(json.dumps({**SPEC, "budget": {"per_layer": {"*": {"flops": "5G"}}}}))
    assert run(["check", str(path)]) == 1
    assert "opaque1: FLOPs are unknown" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["summary", "memory", "rf", "check"])
def test_every_command_accepts_it(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(json.dumps(SPEC))
    assert run([command, str(path)]) in (0, 1)
    assert "internal error" not in capsys.readouterr().err


def test_a_smaller_input_is_not_suggested_for_stated_shapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(json.dumps(network(opaque(), CONV)))
    assert run(["memory", str(path)]) == 0
    said = capsys.readouterr().out
    assert "int8 activations" in said
    assert "smaller input" not in said


def test_its_description_cannot_control_a_terminal() -> None:
    found = convcalc.analyse(load(network(opaque(what="Roi\x1b[31m\u202eAlign"))))
    assert table_text(found).replace("\n", "").isprintable()
    assert found.layers[0].layer.arguments()["what"] == r"Roi\x1b[31m\u202eAlign"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"output_shape": []}, "output_shape must be a list of 1 to 4 positive integers, channels first"),
        ({"output_shape": [0, 3]}, "each entry of output_shape must be a positive integer; got 0"),
        ({"output_shape": [1, 2, 3, 4, 5]}, "output_shape must be a list of 1 to 4 positive integers, channels first"),
        ({"output_shape": [10**17, 10**17]}, ""),
        ({"params": -1}, "params must be a non-negative integer; got -1"),
        ({"what": 3}, "what must be text; got 3"),
        ({"kernel_size": 3}, "opaque has no argument 'kernel_size'"),
    ],
)
def test_wrong_arguments_are_reported(arguments: dict[str, Any], expected: str) -> None:
    if expected:
        assert expected in said(problem(network(opaque(**arguments))))
    else:
        assert report(network(opaque(**arguments)))["layers"][0]["output_shape"] == [10**17, 10**17]


def test_its_shape_must_be_given() -> None:
    assert "opaque needs output_shape" in said(problem(network({"opaque": {"params": 3}})))
