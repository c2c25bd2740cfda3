"""The default rules find nothing in the examples, all of them published networks, except notes in six of them."""

from pathlib import Path

import pytest

import convcalc
from convcalc import examples
from convcalc.analysis.report import Report
from convcalc.check.comments import find_ignores
from convcalc.check.rule import Rule
from convcalc.check.rules import RULES

EXAMPLES = [Path(examples.find_file(name)) for name in examples.list_names()]
DEFAULT = [rule for rule in RULES.values() if rule.default]
# their convolutions have biases before batch norms
NOTED = {name: {"CV206"} for name in ("anomaly_detection", "crnn", "ds_cnn", "m5", "person_detection", "resnet8")}


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda path: path.stem)
def report(request: pytest.FixtureRequest) -> Report:
    return convcalc.summary(request.param)


def test_there_are_example_networks() -> None:
    assert len(EXAMPLES) > 30


@pytest.mark.parametrize("rule", DEFAULT, ids=lambda rule: rule.code)
def test_a_default_rule_finds_nothing_but_notes(report: Report, rule: type[Rule]) -> None:
    found = [(problem.path, problem.message) for problem in rule().findings(report)]
    assert bool(found) == (rule.code in NOTED.get(report.network.name, set())), found
    assert not found or rule.severity == "note"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_no_comment_suppresses_a_rule(path: Path) -> None:
    assert find_ignores(path.read_text(encoding="utf-8")) == []
