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


def test_stated_macs_make_the_total_complete() -> None:
    found = report(network(CONV, opaque(macs=1000, receptive_field="all")), batch=2)
    layer, totals = found["layers"][1], found["totals"]
    assert [layer[name] for name in OPERATIONS] == [None, None, 2000, None]
    assert [totals[name] for name in OPERATIONS] == [None, None, 2 * (8 * 8 * 8 * 27 + 1000), None]
    assert found["complete"] is False
    assert layer["arguments"] == {
        "output_shape": [8, 4, 4],
        "params": 0,
        "buffers": 0,
        "macs": 1000,
        "receptive_field": "all",
    }


def test_stated_multiplications_and_additions_make_the_flops_complete() -> None:
    found = report(network(CONV, opaque(multiplications=300, additions=0)))
    flops = 2 * 8 * 8 * 8 * 27
    assert [found["layers"][1][name] for name in OPERATIONS] == [300, 0, None, 300]
    assert (found["totals"]["flops"], found["totals"]["macs"]) == (flops + 300, None)
    only_one = report(network(CONV, opaque(multiplications=300)))
    assert [only_one["totals"][name] for name in OPERATIONS] == [flops // 2 + 300, None, None, None]


STATED = {"macs": 100, "multiplications": 120, "additions": 90}


@pytest.mark.parametrize("field", ["same", "all"])
def test_a_report_with_everything_stated_is_complete(field: str) -> None:
    found = report(network(opaque(**STATED, output_shape=[8, 8, 8], receptive_field=field), CONV))
    assert found["complete"] is True
    assert report(network(opaque(**STATED), CONV))["complete"] is False
    half_stated = {"macs": 0, "multiplications": 0, "output_shape": [3, 8, 8], "receptive_field": field}
    assert report(network(opaque(**half_stated)))["complete"] is False


def test_the_same_position_passes_the_field_of_the_input() -> None:
    same = opaque(output_shape=[8, 8, 8], receptive_field="same")
    fields = [layer["receptive_field"] for layer in report(network(CONV, same, CONV))["layers"]]
    assert fields == [layer["receptive_field"] for layer in report(network(CONV, "relu", CONV))["layers"]]


def test_an_operation_at_the_same_position_merges_the_fields_of_its_inputs() -> None:
    gated = opaque(output_shape=[8, 8, 8], receptive_field="same", **{"from": ["conv1", "conv2"]})
    merged = {"add": {"from": ["conv1", "conv2"]}}
    found, expected = (report(network(CONV, CONV, last))["layers"][-1] for last in (gated, merged))
    assert found["receptive_field"] == expected["receptive_field"]


def test_all_positions_cover_the_input() -> None:
    everything = report(network(CONV, opaque(receptive_field="all"), CONV))["layers"]
    assert [layer["receptive_field"].get("global") for layer in everything] == [None, True, True]
    cropped = report(network({"crop": {"amount": 2}}, opaque(receptive_field="all")))["layers"]
    assert cropped[1]["receptive_field"]["size"] == [4, 4]


def test_some_positions_are_unknown_but_together_they_cover_the_input() -> None:
    some = opaque(output_shape=[8, 4, 16], receptive_field="some")
    fields = [layer["receptive_field"] for layer in report(network(some, "global_avgpool"))["layers"]]
    assert fields[0]["size"] is None
    assert fields[1]["global"] is True
    cropped = report(network({"crop": {"amount": 2}}, opaque(receptive_field="some"), "global_avgpool"))["layers"]
    assert cropped[2]["receptive_field"]["size"] == [4, 4]


@pytest.mark.parametrize("field", ["some", None])
def test_whatever_is_read_of_a_layer_that_sees_everything_sees_everything(field: str | None) -> None:
    stated = {} if field is None else {"receptive_field": field}
    entries = (opaque(output_shape=[8, 8, 8], receptive_field="all"), opaque(output_shape=[3, 5], **stated))
    assert report(network(*entries))["layers"][1]["receptive_field"]["global"] is True


def test_a_vector_is_seen_as_a_whole() -> None:
    entries = ("flatten", opaque(output_shape=[5], receptive_field="same"))
    assert report(network(*entries))["layers"][-1]["receptive_field"]["global"] is True


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"receptive_field": "same"}, "the output is 8×4×4, the input 3×8×8"),
        ({"receptive_field": "same", "output_shape": [8]}, "receptive_field: same needs an output with the spatial"),
        ({"receptive_field": "any"}, "receptive_field must be same, some or all; got 'any'"),
        ({"receptive_field": "ALL"}, "write all"),
        ({"macs": 10, "multiplications": 9}, "macs 10 exceeds the 9 multiplications; each MAC includes one"),
        ({"macs": -1}, "macs must be a non-negative integer; got -1"),
        ({"additions": 1.5}, "additions must be a non-negative integer; got 1.5"),
    ],
)
def test_contradictory_figures_are_reported(arguments: dict[str, Any], expected: str) -> None:
    assert expected in said(problem(network(opaque(**arguments))))


@pytest.mark.parametrize("order", [["vector", "input"], ["input", "vector"]])
def test_a_vector_and_a_map_have_no_positions_in_common(order: list[str]) -> None:
    entries = (
        {"flatten": {"name": "vector"}},
        opaque(output_shape=[3, 8, 8], receptive_field="same", **{"from": order}),
    )
    assert "receptive_field: same needs an output with the spatial sizes" in said(problem(network(*entries)))


def test_a_single_position_is_not_the_same_as_many() -> None:
    pooled = ("global_avgpool", opaque(output_shape=[8, 4, 4], receptive_field="same"))
    assert "the output is 8×4×4, the input 3×1×1" in said(problem(network(*pooled)))
    reading = {"from": ["pooled", "input"]}
    entries = (
        {"global_avgpool": {"name": "pooled"}},
        opaque(output_shape=[3, 8, 8], receptive_field="same", **reading),
    )
    assert report(network(*entries))["layers"][1]["receptive_field"]["global"] is True


def test_tables_name_what_is_unknown() -> None:
    spec = network(opaque(macs=5), opaque(multiplications=5, additions=5), opaque(), opaque(macs=1))
    text = table_text(convcalc.summary(spec))
    assert "4  the FLOPs of opaque1, opaque4; the MACs of opaque2; the cost of opaque3" in text
    known = table_text(convcalc.summary(network(opaque(**STATED, receptive_field="all"))))
    assert "?" not in known
    assert "opaque1  8×4×4  " in known


def test_stated_figures_are_explained() -> None:
    from convcalc.explain.derived_figures import explain_layers

    found = convcalc.summary(network(opaque(macs=100, multiplications=120)), batch=2)
    [explained] = explain_layers(found, "opaque1")
    values = {figure.name: figure.value for figure in explained.figures}
    assert [values[name] for name in ("multiplications", "additions", "macs", "flops")] == [240, None, 200, None]


def test_stated_macs_keep_a_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(json.dumps({**network(opaque(macs=900)), "budget": {"macs": 900}}))
    assert run(["check", str(path)]) == 0
    path.write_text(json.dumps({**network(opaque(macs=901)), "budget": {"macs": 900, "flops": "1G"}}))
    assert run(["check", str(path)]) == 1
    said = capsys.readouterr().out
    assert "901 MACs exceed the budget of 900" in said
    assert "FLOPs are unknown" in said


def test_a_changed_figure_is_part_of_a_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(json.dumps(network(opaque(macs=900))))
    new.write_text(json.dumps(network(opaque(macs=1000))))
    assert run(["diff", str(old), str(new), "-f", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["totals"]["macs"]["change"] == 100


def test_an_imported_network_with_stated_figures_is_written_as_it_is() -> None:
    from convcalc.convert.decompile.spec_writer import spec_text
    from convcalc.convert.graph import Graph, Step

    arguments = {"output_shape": [3, 8, 8], "what": "Attention", **STATED, "receptive_field": "same"}
    steps = tuple(
        Step(f"attention{place}", "opaque", arguments, (before,))
        for place, before in enumerate(("x", "attention0", "attention1"))
    )
    text = spec_text(Graph("net", "a test", {"x": (3, 8, 8)}, steps, ("attention2",)))
    assert "macs: 100" in text
    assert "receptive_field: same" in text
    assert report(text)["totals"]["macs"] == 300


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
