"""What published networks do is no finding: the rules that are on by default are silent about all examples."""

from pathlib import Path

import pytest

import convcalc
from convcalc import examples
from convcalc.analysis.report import Report
from convcalc.check.comments import ignores
from convcalc.check.rule import Rule
from convcalc.check.rules import RULES

EXAMPLES = [Path(examples.path(name)) for name in examples.names()]
DEFAULT = [rule for rule in RULES.values() if rule.default]
# the published networks have biases before their batch norms; the lines that do say so in a comment
REMARKED = {"ds_cnn": {"CV206"}, "m5": {"CV206"}}


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda path: path.stem)
def report(request: pytest.FixtureRequest) -> Report:
    return convcalc.summary(request.param)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 30


@pytest.mark.parametrize("rule", DEFAULT, ids=lambda rule: rule.code)
def test_a_default_rule_finds_nothing(report: Report, rule: type[Rule]) -> None:
    found = [(problem.path, problem.message) for problem in rule().findings(report)]
    assert bool(found) == (rule.code in REMARKED.get(report.network.name, set())), found


def test_comments_silence_only_what_is_remarked_here() -> None:
    silenced = {path.stem: {ignore.code for ignore in ignores(path.read_text(encoding="utf-8"))} for path in EXAMPLES}
    assert {name: codes for name, codes in silenced.items() if codes} == REMARKED
