"""Writes the results of `convcalc check` in the formats SARIF, GitLab Code Quality and JUnit XML."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from convcalc.check.rule import Rule
from convcalc.check.runner import Checked
from convcalc.problems import Problem, Related, Span, printable
from convcalc.render.check import code_titles, describe_problem, list_problems, severity_counts, sort_problems
from convcalc.render.excerpt import split_lines
from convcalc.version import __version__

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_GITLAB_SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}
_FAILURES = ("error", "warning")


def _add_fingerprints(checked: Sequence[Checked]) -> Iterator[tuple[Checked, Problem, str]]:
    """Yield every problem with its file and a unique fingerprint that does not depend on line numbers.

    The fingerprint is a hash of the file name, the problem code, the text of the line, and a counter for equal
    problems. If a problem has no line, the hash uses its message instead.
    """
    import json
    from hashlib import sha256

    seen: Counter[tuple[str, ...]] = Counter()
    for one in sort_problems(checked):
        source = split_lines(one.text) if one.text is not None and one.problems else []
        for problem in one.problems:
            key = (
                PurePath(one.file).as_posix(),
                problem.code,
                _stripped_line(source, problem) or describe_problem(one, problem),
            )
            yield one, problem, sha256(json.dumps([*key, seen[key]]).encode()).hexdigest()
            seen[key] += 1


def _stripped_line(source: list[str], problem: Problem) -> str:
    """Return the line of a problem without blanks at its ends; empty if the problem has no line."""
    number = problem.span.line if problem.span else 0
    return source[number - 1].strip() if 0 < number <= len(source) else ""


def sarif_log(checked: Sequence[Checked], rules: Mapping[str, type[Rule]]) -> str:
    """Return the problems as a SARIF 2.1.0 log, which GitHub code scanning accepts.

    The format is described at https://docs.oasis-open.org/sarif/sarif/v2.1.0/.
    """
    import json

    codes = sorted({*code_titles(rules), *(problem.code for _, problem in list_problems(checked))})
    index = {code: number for number, code in enumerate(codes)}
    driver = {
        "name": "convcalc",
        "version": __version__,
        "rules": [_rule_dict(code, code_titles(rules).get(code, code), rules.get(code)) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result_dict(one, problem, fingerprint, index[problem.code])
            for one, problem, fingerprint in _add_fingerprints(checked)
        ],
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule_dict(code: str, name: str, rule: type[Rule] | None) -> dict[str, Any]:
    """Return the SARIF rule for a code; `rule` is None if the code is not that of a lint rule."""
    if rule is None:
        return {"id": code, "name": name, "shortDescription": {"text": name}, "fullDescription": {"text": name}}
    return {
        "id": code,
        "name": name,
        "shortDescription": {"text": (rule.__doc__ or name).strip().partition("\n")[0]},
        "fullDescription": {"text": rule.why},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result_dict(one: Checked, problem: Problem, fingerprint: str, index: int) -> dict[str, Any]:
    related = [
        _related_dict(one.file, number, other, other.span) for number, other in enumerate(problem.related) if other.span
    ]
    return {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": _break_links(describe_problem(one, problem))},
        "locations": [{"physicalLocation": _location_dict(one.file, problem.span)}],
        **({"relatedLocations": related} if related else {}),
        "partialFingerprints": {"convcalc/v1": fingerprint},
    }


def _related_dict(file: str, number: int, other: Related, span: Span) -> dict[str, Any]:
    label = _break_links(other.label)
    return {
        "id": number,
        "physicalLocation": _location_dict(file, span),
        **({"message": {"text": label}} if label else {}),
    }


def _break_links(text: str) -> str:
    """Return the text without `[text](target)`, which SARIF would treat as a link."""
    return text.replace("](", "] (")


def _location_dict(file: str, span: Span | None) -> dict[str, Any]:
    """Return a SARIF location; without `span`, it is line 1 of the file."""
    region = {"startLine": 1}
    if span is not None:
        region = dict(zip(("startLine", "startColumn", "endLine", "endColumn"), span, strict=True))
    return {"artifactLocation": {"uri": _file_uri(file)}, "region": region}


def _file_uri(file: str) -> str:
    """Return a `file:` URI for an absolute file name, and a relative URI for a relative one."""
    from urllib.parse import quote

    path = PurePath(file)
    if path.is_absolute():
        return "file:///" + quote(os.fsencode(path.as_posix().lstrip("/")), safe="/:")
    return quote(os.fsencode(path.as_posix()))


def gitlab_report(checked: Sequence[Checked]) -> str:
    """Return the problems as a GitLab Code Quality report."""
    import json

    problems = [_gitlab_dict(one, problem, fingerprint) for one, problem, fingerprint in _add_fingerprints(checked)]
    return json.dumps(problems, indent=1) + "\n"


def _gitlab_dict(one: Checked, problem: Problem, fingerprint: str) -> dict[str, Any]:
    path = PurePath(one.file).as_posix().encode("utf-8", "backslashreplace").decode()
    return {
        "description": describe_problem(one, problem),
        "check_name": problem.code,
        "fingerprint": fingerprint,
        "severity": _GITLAB_SEVERITIES[problem.severity],
        "location": {"path": path, "lines": {"begin": problem.span.line if problem.span else 1}},
    }


def junit_xml(checked: Sequence[Checked]) -> str:
    """Return the problems as JUnit XML, with one test case per file.

    A test case fails if its file has errors or warnings. All of these are listed in a single failure, because programs
    that read JUnit XML show only one failure per test case. Notes become the output of the test case. Characters that
    XML does not allow are escaped.
    """
    from xml.etree import ElementTree

    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", name="convcalc check")
    for one in sort_problems(checked):
        case = ElementTree.SubElement(suite, "testcase", classname="convcalc", name=printable(one.file))
        failures = tuple(problem for problem in one.problems if problem.severity in _FAILURES)
        notes = [problem for problem in one.problems if problem.severity not in _FAILURES]
        if failures:
            message = severity_counts([one._replace(problems=failures)])
            worst = "error" if any(problem.severity == "error" for problem in failures) else "warning"
            failure = ElementTree.SubElement(case, "failure", type=worst, message=message)
            failure.text = _list_text(one, failures)
        if notes:
            ElementTree.SubElement(case, "system-out").text = _list_text(one, notes)
    counts = {"tests": len(checked), "failures": len(suite.findall("testcase/failure")), "errors": 0, "skipped": 0}
    for element in (suites, suite):
        element.attrib.update({key: str(count) for key, count in counts.items()})
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _list_text(one: Checked, problems: Sequence[Problem]) -> str:
    return "\n".join(
        f"{_place_text(one.file, problem)}: {describe_problem(one, problem)} [{problem.code}]" for problem in problems
    )


def _place_text(file: str, problem: Problem) -> str:
    span = problem.span
    return f"{printable(file)}:{span.line}:{span.column}" if span else printable(file)
