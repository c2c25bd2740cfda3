"""The findings of `check` in every format, with names and messages that try to break out of it."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcalc.check.rule import Rule
from convcalc.check.runner import Checked
from convcalc.problems import TITLES, Problem, Related, Span
from convcalc.render.check import (
    MOST_ROWS,
    disarm_commands,
    findings_json,
    github_annotations,
    github_summary,
    statistics_lines,
    summary,
    text_lines,
)
from convcalc.render.check_ci import SARIF_SCHEMA, gitlab_report, junit_xml, sarif_log
from convcalc.render.lines import plain_text
from convcalc.version import __version__
from tests.support.places import DATA

TEXT = "input: [3, 8, 8]\nlayers:\n  - conv: {bias: true}\n  - norm\n"
HERE = Span(3, 12, 3, 22)
SCHEMA = DATA / "sarif-schema-2.1.0.json"


class Biased(Rule):
    """A bias that the following norm cancels.

    The description continues here.
    """

    code = "CV206"
    name = "bias-before-norm"
    why = "The norm takes the mean away, and the bias with it."
    source = "a paper"
    wrong = right = ""

    def findings(self, report: object) -> Any:
        return iter(())


RULES: dict[str, type[Rule]] = {"CV206": Biased}


def problem(
    code: str = "CV206",
    severity: str = "warning",
    span: Span | None = HERE,
    message: str = "the bias does nothing",
    hint: str = "",
    related: tuple[Related, ...] = (),
) -> Problem:
    return Problem(("layers", 0), message, code, hint, span=span, severity=severity, related=related)


BIAS = problem(hint="say bias: false", related=(Related((), "the [norm](x)", Span(4, 5, 4, 9)),))
WRONG = problem("CV016", "error", Span(3, 5, 4, 9), "it does not fit")
BUDGET = problem("CV100", "error", None, "params is 6 M, over 5 M")
NOTE = problem("CV301", "note", Span(1, 1, 1, 6), "an input of [3, 8, 8]")
CHECKED = [
    Checked("nets/b.yaml", (WRONG, BIAS, BUDGET, NOTE), TEXT),
    Checked("a.yaml", (), TEXT),
    Checked("nets/a b.yaml", (BIAS,), None),
]
NASTY = [
    "a\n::error::b.yaml",
    "::error::b.yaml",
    "a\r\n##[error]b",
    "%0A::error::",
    "a,line=9,title=b::c",
    "]]>&<!--\"'",
    "\x00\x01\x1b[31m\x7f\x85",
    "\u202egnp.\u2066\u2028\u2029",
    "\ufffe\uffff\udc80",
    "| `a` <b> [c](http://d) *e*",
    "x" * 50_000,
]
NASTY_CHECKED = [Checked(text, (problem(message=text, hint=text),), f"input: {text}\n" * 3) for text in NASTY]
RENDERERS: dict[str, Callable[[list[Checked]], str]] = {
    "text": lambda checked: plain_text(text_lines(checked)),
    "statistics": lambda checked: plain_text(statistics_lines(checked, RULES)),
    "json": findings_json,
    "github": github_annotations,
    "github summary": github_summary,
    "sarif": lambda checked: sarif_log(checked, RULES),
    "junit": junit_xml,
    "gitlab": gitlab_report,
}


@pytest.mark.parametrize("name", RENDERERS)
def test_the_order_of_files_and_problems_does_not_matter(name: str) -> None:
    turned = [one._replace(problems=one.problems[::-1]) for one in CHECKED[::-1]]
    assert RENDERERS[name](CHECKED) == RENDERERS[name](turned)


@pytest.mark.parametrize("name", RENDERERS)
def test_hostile_text_is_escaped_and_not_fatal(name: str) -> None:
    text = RENDERERS[name](NASTY_CHECKED)
    assert [character for character in set(text) - {"\n"} if not character.isprintable()] == []
    assert not re.search(r"^::error::", text, re.MULTILINE) or name == "text"  # a file's name begins a line of text


@pytest.mark.parametrize("name", RENDERERS)
def test_empty_results_are_rendered(name: str) -> None:
    assert isinstance(RENDERERS[name]([]), str)
    assert isinstance(RENDERERS[name]([Checked("a.yaml", (), TEXT)]), str)


def test_text_shows_the_location_the_code_and_the_line() -> None:
    lines = plain_text(text_lines(CHECKED[:2])).splitlines()
    assert lines[0] == "nets/b.yaml:layers.0: error: params is 6 M, over 5 M [CV100]"
    start = lines.index("nets/b.yaml:3:12: warning: the bias does nothing [CV206]")
    assert lines[start + 1 : start + 3] == ["   3 |   - conv: {bias: true}", "     |            ^^^^^^^^^^"]
    assert "   = say bias: false" in lines
    assert lines[-1] == "1 of 2 files: 2 errors, 1 warning, 1 note"


def test_text_of_a_file_that_may_not_be_quoted_is_omitted() -> None:
    assert "conv" not in plain_text(text_lines(CHECKED[2:]))


@pytest.mark.parametrize(
    ("checked", "expected"),
    [
        ([], "no files checked"),
        ([Checked("a", (), "")], "1 file checked: no problems; no budget is set"),
        ([Checked("a", (), "")] * 3, "3 files checked: no problems; no budget is set"),
        ([Checked("a", (WRONG,), "")], "1 file: 1 error"),
        ([Checked("a", (WRONG,), ""), Checked("b", (BIAS,) * 4, ""), CHECKED[1]], "2 of 3 files: 1 error, 4 warnings"),
    ],
)
def test_the_summary_counts(checked: list[Checked], expected: str) -> None:
    assert summary(checked) == expected


def test_statistics_begin_with_the_most_frequent() -> None:
    assert plain_text(statistics_lines(CHECKED, RULES)).splitlines() == [
        "count  code   problem",
        "    2  CV206  bias-before-norm",
        "    1  CV016  shapes that do not fit",
        f"    1  CV100  {TITLES['CV100']}",
        "    1  CV301",
    ]


def test_json_follows_the_schema_of_problems() -> None:
    found = json.loads(findings_json(CHECKED))
    assert list(found) == ["schema", "problems"]
    assert found["schema"] == "convcalc/problems/1"
    assert [(each["file"], each["line"], each["code"]) for each in found["problems"]] == [
        ("nets/a b.yaml", 3, "CV206"),
        ("nets/b.yaml", None, "CV100"),
        ("nets/b.yaml", 1, "CV301"),
        ("nets/b.yaml", 3, "CV016"),
        ("nets/b.yaml", 3, "CV206"),
    ]


def annotation(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command, parsed as by GitHub's runner."""
    assert line.startswith("::")
    head, _, data = line[2:].partition("::")
    command, _, properties = head.partition(" ")
    pairs = [pair.partition("=") for pair in properties.split(",")]
    return command, {key: unescaped(value) for key, _, value in pairs}, unescaped(data)


def unescaped(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_github_annotates_the_location() -> None:
    assert github_annotations(CHECKED[:1]).splitlines() == [
        "::error file=nets/b.yaml,title=convcalc CV100::params is 6 M, over 5 M",
        "::notice file=nets/b.yaml,line=1,endLine=1,col=1,endColumn=6,title=convcalc CV301::an input of [3, 8, 8]",
        "::error file=nets/b.yaml,line=3,endLine=4,title=convcalc CV016::it does not fit",
        "::warning file=nets/b.yaml,line=3,endLine=3,col=12,endColumn=22,title=convcalc CV206"
        "::the bias does nothing (say bias: false)",
    ]


@pytest.mark.parametrize("text", NASTY)
def test_hostile_text_cannot_forge_an_annotation(text: str) -> None:
    (line,) = github_annotations([Checked(text, (problem(message=text),), None)]).splitlines()
    command, properties, _ = annotation(line)
    assert command == "warning"
    assert list(properties) == ["file", "line", "endLine", "col", "endColumn", "title"]
    assert properties["line"] == "3"


def test_github_gets_the_path_within_the_repository() -> None:
    assert "file=nets/a.yaml," in github_annotations([Checked("./nets/a.yaml", (BIAS,), TEXT)])


def test_github_finds_a_file_whose_name_contains_escaped_characters() -> None:
    for name in ("a\n::error::b.yaml", "%0A.yaml", "a\r,b:c=d%.yaml"):
        assert annotation(github_annotations([Checked(name, (WRONG,), None)]).rstrip("\n"))[1]["file"] == name


def test_text_in_the_log_of_github_contains_no_command() -> None:
    text = plain_text(text_lines(NASTY_CHECKED))
    first, *lines, last = disarm_commands(text).splitlines()
    token = last.strip(":")
    assert (first, last) == (f"::stop-commands::{token}", f"::{token}::")
    assert lines == text.splitlines()
    assert token not in text
    assert token not in disarm_commands(text + "a")


def test_github_summary_is_a_table() -> None:
    lines = github_summary(CHECKED).splitlines()
    assert lines[0] == "### convcalc: 2 of 3 files: 2 errors, 2 warnings, 1 note"
    assert lines[2:5] == [
        "| place | severity | code | problem |",
        "|---|---|---|---|",
        "| nets/a b.yaml:3:12 | warning | CV206 | the bias does nothing (say bias: false) |",
    ]
    assert r"an input of \[3, 8, 8\]" in lines[6]


def test_github_summary_limits_its_columns_and_size() -> None:
    rows = [line for line in github_summary(NASTY_CHECKED).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(NASTY)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}
    many = github_summary([Checked("界" * 4000, (problem(message="[" * 5000),) * (MOST_ROWS + 7), None)])
    assert many.splitlines()[-1] == "and 7 more"
    assert len(many.encode()) < 2**20


@pytest.mark.parametrize("checked", [[], CHECKED, NASTY_CHECKED, CHECKED + NASTY_CHECKED], ids=range(4))
def test_sarif_follows_its_published_schema(checked: list[Checked]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())
    assert list(validator.iter_errors(json.loads(sarif_log(checked, RULES)))) == []
    assert list(validator.iter_errors({"version": "2.1.0", "runs": [{"tool": {}}]}))


def run_of(checked: list[Checked]) -> dict[str, Any]:
    log = json.loads(sarif_log(checked, RULES))
    assert (log["version"], log["$schema"]) == ("2.1.0", SARIF_SCHEMA)
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def test_sarif_describes_its_rules() -> None:
    driver = run_of(CHECKED)["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("convcalc", __version__)
    rules = {rule["id"]: rule for rule in driver["rules"]}
    assert list(rules) == sorted({*TITLES, "CV100", "CV206", "CV301"})
    assert rules["CV206"] == {
        "id": "CV206",
        "name": "bias-before-norm",
        "shortDescription": {"text": "A bias that the following norm cancels."},
        "fullDescription": {"text": Biased.why},
        "defaultConfiguration": {"level": "warning"},
    }
    assert all(rule["shortDescription"]["text"] and rule["fullDescription"]["text"] for rule in rules.values())


def test_sarif_locates_its_results() -> None:
    run = run_of(CHECKED)
    results = run["results"]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [ids[result["ruleIndex"]] for result in results] == [result["ruleId"] for result in results]
    assert [result["level"] for result in results] == ["warning", "error", "note", "error", "warning"]
    assert results[0]["message"] == {"text": "the bias does nothing (say bias: false)"}
    (place,) = results[0]["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "nets/a%20b.yaml"},
        "region": {"startLine": 3, "startColumn": 12, "endLine": 3, "endColumn": 22},
    }
    (related,) = results[0]["relatedLocations"]
    assert related["message"]["text"] == "the [norm] (x)"
    assert related["physicalLocation"]["region"]["startLine"] == 4
    assert results[1]["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("./nets/a.yaml", "nets/a.yaml"),
        ("/nets/a b.yaml", "file:///nets/a%20b.yaml"),
        ("example:m5", "example%3Am5"),
        ("a\n%0A#?.yaml", "a%0A%250A%23%3F.yaml"),
        ("é\udc80", "%C3%A9%80"),
    ],
)
def test_sarif_names_files_by_uri(file: str, uri: str) -> None:
    (result,) = run_of([Checked(file, (WRONG,), None)])["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_a_uri_leads_back_to_its_file(name: str) -> None:
    file = "nets/" + name.replace("/", "_").replace(".", "_")
    (result,) = run_of([Checked(file, (WRONG,), None)])["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"[\w/%~.-]+", uri, re.ASCII)
    assert unquote(uri) == file


def prints(checked: list[Checked]) -> list[str]:
    return [each["fingerprint"] for each in json.loads(gitlab_report(checked))]


def test_fingerprints_distinguish_all_problems() -> None:
    found = prints([*CHECKED, Checked("c.yaml", (BIAS, BIAS, WRONG), TEXT), Checked("c.yaml", (BIAS,), None)])
    assert len(set(found)) == len(found) == 9
    assert prints(CHECKED) == [each["partialFingerprints"]["convcalc/v1"] for each in run_of(CHECKED)["results"]]


def test_fingerprints_do_not_depend_on_inserted_lines() -> None:
    moved = Checked("a.yaml", (BIAS._replace(span=Span(5, 12, 5, 22)),), "\n\n" + TEXT)
    assert prints([Checked("./a.yaml", (BIAS,), TEXT)]) == prints([moved])


def test_gitlab_shows_the_location_and_the_severity() -> None:
    found = json.loads(gitlab_report(CHECKED))
    assert found[0] == {
        "description": "the bias does nothing (say bias: false)",
        "check_name": "CV206",
        "fingerprint": found[0]["fingerprint"],
        "severity": "minor",
        "location": {"path": "nets/a b.yaml", "lines": {"begin": 3}},
    }
    assert [each["severity"] for each in found] == ["minor", "major", "info", "major", "minor"]
    assert found[1]["location"] == {"path": "nets/b.yaml", "lines": {"begin": 1}}


def test_junit_has_one_case_per_file() -> None:
    suites = ElementTree.fromstring(junit_xml(CHECKED))
    (suite,) = suites
    assert suite.attrib == {"name": "convcalc check", "tests": "3", "failures": "2", "errors": "0", "skipped": "0"}
    assert [case.get("name") for case in suite] == ["a.yaml", "nets/a b.yaml", "nets/b.yaml"]
    assert [len(case) for case in suite] == [0, 1, 2]
    failure, output = suite[2]
    assert failure.attrib == {"type": "error", "message": "2 errors, 1 warning"}
    assert (failure.text or "").splitlines() == [
        "nets/b.yaml: params is 6 M, over 5 M [CV100]",
        "nets/b.yaml:3:5: it does not fit [CV016]",
        "nets/b.yaml:3:12: the bias does nothing (say bias: false) [CV206]",
    ]
    assert output.text == "nets/b.yaml:1:1: an input of [3, 8, 8] [CV301]"


def test_junit_with_hostile_text_can_be_parsed() -> None:
    (suite,) = ElementTree.fromstring(junit_xml(NASTY_CHECKED))
    assert len(suite) == len(NASTY)
    assert [len(case) for case in suite] == [1] * len(NASTY)
    assert all(len((failure.text or "").splitlines()) == 1 for failure in suite.iter("failure"))


@given(st.text(st.characters(), max_size=40), st.text(st.characters(), max_size=40))
def test_every_format_can_be_parsed_whatever_the_names(name: str, message: str) -> None:
    checked = [Checked(f"a{name}".encode("utf-8", "replace").decode(), (problem(message=message),), name)]
    assert github_annotations(checked).count("\n") == 1
    assert len(json.loads(gitlab_report(checked))) == len(json.loads(findings_json(checked))["problems"]) == 1
    assert len(run_of(checked)["results"]) == 1
    assert len(ElementTree.fromstring(junit_xml(checked))[0]) == 1
