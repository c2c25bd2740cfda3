"""The output for invalid specs: bad/NAME.txt is exactly what `convcalc summary NAME.yaml` prints for bad/NAME.yaml.

`python -m tests.rewrite_bad_specs` rewrites the answers; review the diff as a user would read it.
"""

from __future__ import annotations

import json
import re
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any
from unittest.mock import patch

import pytest

from convcalc.cli.main import run
from convcalc.problems import TITLES
from tests.support.places import BAD

NAMES = sorted(path.stem for path in BAD.glob("*.yaml"))


def answer(name: str, *options: str) -> tuple[int, str, str]:
    """Run a summary in the spec's folder, without colours; return exit status, standard output and standard error."""
    out, err = StringIO(), StringIO()
    with chdir(BAD), patch.dict("os.environ", {"NO_COLOR": "1"}), redirect_stdout(out), redirect_stderr(err):
        status = run(["summary", f"{name}.yaml", *options])
    return status, out.getvalue(), err.getvalue()


def golden(name: str) -> str:
    return (BAD / f"{name}.txt").read_text(encoding="utf-8")


def problems(name: str) -> list[dict[str, Any]]:
    """The problems in JSON."""
    status, out, err = answer(name, "-f", "json")
    document = json.loads(out)
    assert (status, err) == (1, "")
    assert sorted(document) == ["problems", "schema"]
    assert document["schema"] == "convcalc/problems/1"
    found: list[dict[str, Any]] = document["problems"]
    return found


def headings(name: str, text: str) -> list[str]:
    """The lines of an answer that begin a problem."""
    return [line for line in text.splitlines() if re.match(rf"{name}\.yaml:\d+:\d+: ", line)]


def source_lines(name: str) -> list[str]:
    """The lines of a spec without its byte order mark."""
    text = (BAD / f"{name}.yaml").read_bytes().decode("utf-8", "replace")
    return re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))


@pytest.mark.parametrize("name", NAMES)
def test_the_output_is_the_golden_one(name: str) -> None:
    assert answer(name) == (1, "", golden(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_output_cannot_control_a_terminal(name: str) -> None:
    assert [character for line in golden(name).split("\n") for character in line if not character.isprintable()] == []


@pytest.mark.parametrize("name", NAMES)
def test_programs_get_the_same_problems(name: str) -> None:
    said = [f"{each['file']}:{each['line']}:{each['column']}: {each['message']}" for each in problems(name)]
    assert said == headings(name, golden(name))
    assert said


@pytest.mark.parametrize("name", NAMES)
def test_every_problem_has_a_location_in_the_file(name: str) -> None:
    lines = source_lines(name)
    for problem in problems(name):
        start, end = (problem["line"], problem["column"]), (problem["end_line"], problem["end_column"])
        assert start < end
        for line, column in (start, end):
            assert 1 <= line <= len(lines)
            assert 1 <= column <= len(lines[line - 1]) + 2  # a value missing at the end of a line is located after it


@pytest.mark.parametrize("name", NAMES)
def test_problems_are_sorted_and_listed_once(name: str) -> None:
    found = problems(name)
    places = [(problem["line"], problem["column"]) for problem in found]
    assert places == sorted(places)
    assert len({(*place, problem["message"]) for place, problem in zip(places, found, strict=True)}) == len(found)
    assert {problem["code"] for problem in found} <= TITLES.keys()


def test_every_golden_text_has_its_spec() -> None:
    assert sorted(path.stem for path in BAD.glob("*.txt")) == NAMES
    assert len(NAMES) > 60


def test_no_golden_text_knows_the_machine() -> None:
    """No answer contains paths of this machine or an internal error: problems are explained in terms of the file."""
    told = [name for name in NAMES if re.search(r"(?<![\w.])/(home|root|tmp|work|usr)/|internal error", golden(name))]
    assert told == []
