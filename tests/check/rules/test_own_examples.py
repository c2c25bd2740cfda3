"""Every rule finds its own bad example (once, if it is on by default) and nothing in its good example."""

import pytest

from convcalc.check.rule import Rule
from convcalc.check.rules import RULES
from tests.check.rules.helpers import found


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_flags_only_its_bad_example(rule: type[Rule]) -> None:
    assert found(rule, rule.wrong) != []
    assert len(found(rule, rule.wrong)) == 1 or not rule.default
    assert found(rule, rule.right) == []
