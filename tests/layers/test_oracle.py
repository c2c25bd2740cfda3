"""Every layer kind, compared with a table of PyTorch's answers, which oracle/make_cases.py creates."""

from __future__ import annotations

import importlib.util
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.layers import KINDS
from convcalc.render.layers import parse_page
from tests.support.dependence import DRAWN
from tests.support.places import ORACLE

Case = dict[str, Any]
NOT_IN_THE_TABLE = {"opaque": "its figures are those that it is given"}
NOT_DRAWN = {
    "linear": "no positions remain: every output sees all that its input sees",
    "flatten": "no positions remain",
    "reshape": "positions get another meaning",
    "attention": "tested with gradients in test_attention.py",
    **dict.fromkeys(("matmul", "lstm", "gru", "conv_lstm"), "every output depends on all positions"),
    "embedding": "its input has one channel",
    "parameter": "it has no input",
    "tokens": "positions get another meaning",
    "map": "positions get another meaning",
    "permute": "positions get another meaning",
    "opaque": "which inputs it reads is not known",
    "deform_conv": "its taps move",
}


def committed_lines() -> list[str]:
    return (ORACLE / "cases.jsonl").read_text(encoding="utf-8").splitlines()


def cases_by_kind() -> dict[str, list[Case]]:
    grouped: dict[str, list[Case]] = defaultdict(list)
    for line in committed_lines():
        case = json.loads(line)
        grouped[case["kind"]].append(case)
    return grouped


CASES = cases_by_kind()


def expected(case: Case) -> Case:
    return {name: value for name, value in case.items() if name not in ("kind", "input", "arguments")}


def answer(case: Case) -> Case:
    """convcalc's answer for the same layer, limited to the figures that the case has."""
    try:
        network = convcalc.load({"input": case["input"], "layers": [{case["kind"]: case["arguments"]}]})
        layer = convcalc.analyse(network).to_dict()["layers"][0]
    except convcalc.InvalidSpec:
        return {"refused": True}
    figures = {"output": layer["output_shape"]} | {name: layer[name] for name in ("params", "buffers", "macs")}
    return {name: figures[name] for name in figures if name in case or "refused" in case}


def mismatches(cases: list[Case]) -> list[str]:
    wrong = []
    for case in cases:
        found = answer(case)
        if found != expected(case):
            wrong.append(f"{case['input']} {case['arguments']}: PyTorch {expected(case)}, convcalc {found}")
    return wrong


@pytest.mark.parametrize("kind", sorted(CASES))
def test_answers_match_pytorch(kind: str) -> None:
    assert mismatches(CASES[kind]) == []


@pytest.mark.parametrize("kind", sorted(CASES))
def test_every_kind_has_a_case_accepted_by_pytorch(kind: str) -> None:
    """A kind whose cases are all refused would pass even if it did not exist."""
    assert any("output" in case for case in CASES[kind])


def test_every_kind_is_in_the_table() -> None:
    assert set(CASES) == KINDS.keys() - NOT_IN_THE_TABLE.keys(), (
        "add the kind to BUILDERS in tests/oracle/make_cases.py, then run python -m tests.oracle.make_cases"
    )


def test_every_kind_is_part_of_the_random_receptive_field_networks() -> None:
    assert KINDS.keys() - NOT_DRAWN.keys() == DRAWN, (
        "every kind is either in DRAWN in tests/support/dependence.py or, with a reason, in NOT_DRAWN in this file"
    )


@pytest.mark.torch
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - NOT_IN_THE_TABLE.keys()))
def test_the_example_of_the_manual_is_verified(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = parse_page(KINDS[kind])
    net = tmp_path / "net.yaml"
    net.write_text(f"input: {found.example_input}\nlayers:\n  - {found.example}\n", encoding="utf-8")
    assert run(["verify", str(net), "-f", "json"]) == 0
    [network] = json.loads(capsys.readouterr().out)["networks"]
    assert network["complete"]
    assert [layer["kind"] for layer in network["layers"]] == [kind]


def test_no_case_is_listed_twice() -> None:
    lines = committed_lines()
    assert len(set(lines)) == len(lines) > 4000


@pytest.mark.torch
def test_the_table_is_what_pytorch_answers() -> None:
    specification = importlib.util.spec_from_file_location("make_cases", ORACLE / "make_cases.py")
    assert specification is not None
    assert specification.loader is not None
    make_cases = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(make_cases)
    assert [make_cases.line_of(case) for case in make_cases.cases()] == committed_lines()
