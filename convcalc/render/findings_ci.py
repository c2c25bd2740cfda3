"""What `check` found, in the formats of other programs: SARIF, GitLab's code quality and JUnit's XML."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from convcalc.check.rule import Rule
from convcalc.check.runner import Checked
from convcalc.problems import Problem, Related, Span, printable
from convcalc.render.excerpt import split_lines
from convcalc.render.findings import found, names, ordered, severities, told
from convcalc.version import __version__

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
GITLAB_SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}
FAILURES = ("error", "warning")


def fingerprinted(checked: Sequence[Checked]) -> Iterator[tuple[Checked, Problem, str]]:
    """Every problem with what tells it from all others, and stays when lines are put in above it.

    That is a hash of the file's name, the code, the line (the message, where there is none) and which of
    those alike it is.
    """
    import json
    from hashlib import sha256

    seen: Counter[tuple[str, ...]] = Counter()
    for one in ordered(checked):
        source = split_lines(one.text) if one.text is not None and one.problems else []
        for problem in one.problems:
            alike = (PurePath(one.file).as_posix(), problem.code, _line(source, problem) or problem.message)
            yield one, problem, sha256(json.dumps([*alike, seen[alike]]).encode()).hexdigest()
            seen[alike] += 1


def _line(source: list[str], problem: Problem) -> str:
    """The line a problem is in, as far as it is known."""
    number = problem.span.line if problem.span else 0
    return source[number - 1].strip() if 0 < number <= len(source) else ""


def sarif(checked: Sequence[Checked], rules: Mapping[str, type[Rule]]) -> str:
    """A log of SARIF 2.1.0, as code scanning takes it: https://docs.oasis-open.org/sarif/sarif/v2.1.0/."""
    import json

    codes = sorted({*names(rules), *(problem.code for _, problem in found(checked))})
    index = {code: number for number, code in enumerate(codes)}
    driver = {
        "name": "convcalc",
        "version": __version__,
        "rules": [_descriptor(code, names(rules).get(code, code), rules.get(code)) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(one, problem, fingerprint, index[problem.code])
            for one, problem, fingerprint in fingerprinted(checked)
        ],
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _descriptor(code: str, name: str, rule: type[Rule] | None) -> dict[str, Any]:
    """What a log says of a rule, or of a code that is none of a rule."""
    if rule is None:
        return {"id": code, "name": name, "shortDescription": {"text": name}, "fullDescription": {"text": name}}
    return {
        "id": code,
        "name": name,
        "shortDescription": {"text": (rule.__doc__ or name).strip().partition("\n")[0]},
        "fullDescription": {"text": rule.why},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(one: Checked, problem: Problem, fingerprint: str, index: int) -> dict[str, Any]:
    related = [
        _related(one.file, number, other, other.span) for number, other in enumerate(problem.related) if other.span
    ]
    return {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": _unlinked(told(problem))},
        "locations": [{"physicalLocation": _location(one.file, problem.span)}],
        **({"relatedLocations": related} if related else {}),
        "partialFingerprints": {"convcalc/v1": fingerprint},
    }


def _related(file: str, number: int, other: Related, span: Span) -> dict[str, Any]:
    label = _unlinked(other.label)
    return {"id": number, "physicalLocation": _location(file, span), **({"message": {"text": label}} if label else {})}


def _unlinked(text: str) -> str:
    """Text that holds no link: in a message of SARIF, `[text](target)` is one."""
    return text.replace("](", "] (")


def _location(file: str, span: Span | None) -> dict[str, Any]:
    """A place; a problem of the whole file is shown at its first line."""
    region = {"startLine": 1}
    if span is not None:
        region = dict(zip(("startLine", "startColumn", "endLine", "endColumn"), span, strict=True))
    return {"artifactLocation": {"uri": _uri(file)}, "region": region}


def _uri(file: str) -> str:
    """A file's name as a URI, relative where the name is."""
    from urllib.parse import quote

    path = PurePath(file)
    if path.is_absolute():
        return "file:///" + quote(os.fsencode(path.as_posix().lstrip("/")), safe="/:")
    return quote(os.fsencode(path.as_posix()))


def gitlab(checked: Sequence[Checked]) -> str:
    """The report that GitLab shows as code quality."""
    import json

    problems = [_quality(one, problem, fingerprint) for one, problem, fingerprint in fingerprinted(checked)]
    return json.dumps(problems, indent=1) + "\n"


def _quality(one: Checked, problem: Problem, fingerprint: str) -> dict[str, Any]:
    path = PurePath(one.file).as_posix().encode("utf-8", "backslashreplace").decode()
    return {
        "description": told(problem),
        "check_name": problem.code,
        "fingerprint": fingerprint,
        "severity": GITLAB_SEVERITIES[problem.severity],
        "location": {"path": path, "lines": {"begin": problem.span.line if problem.span else 1}},
    }


def junit(checked: Sequence[Checked]) -> str:
    """JUnit's XML: a test case a file, which fails for errors and warnings; notes are its output.

    What XML cannot hold is spelt out. A case has one failure that tells all, since readers show but one.
    """
    from xml.etree import ElementTree

    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", name="convcalc check")
    for one in ordered(checked):
        case = ElementTree.SubElement(suite, "testcase", classname="convcalc", name=printable(one.file))
        failures = tuple(problem for problem in one.problems if problem.severity in FAILURES)
        notes = [problem for problem in one.problems if problem.severity not in FAILURES]
        if failures:
            message = severities([one._replace(problems=failures)])
            worst = "error" if any(problem.severity == "error" for problem in failures) else "warning"
            failure = ElementTree.SubElement(case, "failure", type=worst, message=message)
            failure.text = _listed(one.file, failures)
        if notes:
            ElementTree.SubElement(case, "system-out").text = _listed(one.file, notes)
    counts = {"tests": len(checked), "failures": len(suite.findall("testcase/failure")), "errors": 0, "skipped": 0}
    for element in (suites, suite):
        element.attrib.update({key: str(count) for key, count in counts.items()})
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _listed(file: str, problems: Sequence[Problem]) -> str:
    """A line a problem."""
    return "\n".join(f"{_placed(file, problem)}: {told(problem)} [{problem.code}]" for problem in problems)


def _placed(file: str, problem: Problem) -> str:
    span = problem.span
    return f"{printable(file)}:{span.line}:{span.column}" if span else printable(file)
