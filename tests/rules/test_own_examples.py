"""Every rule shows itself: it finds its wrong example, once where it is on by default, and not its right one."""

import pytest

from convcalc.check.rule import Rule
from convcalc.check.rules import RULES
from tests.rules.helpers import found


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_its_own_examples_show_it(rule: type[Rule]) -> None:
    assert found(rule, rule.wrong) != []
    assert len(found(rule, rule.wrong)) == 1 or not rule.default
    assert found(rule, rule.right) == []
