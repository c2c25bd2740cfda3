"""What is checked: rules and limits, from a configuration file, the spec and the command line."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from convcalc.check.rule import Rule
from convcalc.keys import is_integer
from convcalc.network import Limit
from convcalc.problems import Flaw, did_you_mean, shown
from convcalc.spec import budget

SEVERITIES = ("error", "warning", "note")
KEYS = ("select", "ignore", "fail-on", "channel-multiple", "per-path")


class Settings(NamedTuple):
    """Rules chosen and left out, in the order in which they are said, and limits set outside of any spec.

    What is None is not set: `fail_on` is then warning, and the rule knows its own multiple.
    """

    choices: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()  # select and ignore, level by level
    limits: tuple[Limit, ...] = ()
    fail_on: str | None = None
    channel_multiple: int | None = None

    def then(self, later: "Settings") -> "Settings":
        """These and later ones, which win: a limit takes the place of one on the same side of the same metric."""
        said = {side(limit) for limit in later.limits}
        return Settings(
            self.choices + later.choices,
            tuple(limit for limit in self.limits if side(limit) not in said) + later.limits,
            later.fail_on or self.fail_on,
            later.channel_multiple or self.channel_multiple,
        )

    def with_choice(self, select: Iterable[str], ignore: Iterable[str]) -> "Settings":
        """The settings with a further level of select and ignore, which wins over those before."""
        return self._replace(choices=(*self.choices, (tuple(select), tuple(ignore))))

    def enabled(self, rules: Mapping[str, type[Rule]]) -> list[type[Rule]]:
        """The rules that are on: those by default, and level by level what is selected, less what is ignored."""
        on = {code: rule.default for code, rule in rules.items()}
        for select, ignore in self.choices:
            for codes, value in ((select, True), (ignore, False)):
                on.update((code, value) for code in on if any(code.startswith(prefix) for prefix in codes))
        return [rules[code] for code in sorted(on) if on[code]]


def side(limit: Limit) -> tuple[str, bool]:
    """What a limit from outside limits: a metric, and whether from above."""
    return limit.metric, limit.minimum is None


def limit_of(name: str, value: Any, origin: str) -> Limit:
    """A limit by its option's name, `max-params` or `min-receptive-field`. Raises Flaw."""
    bound, _, metric = name.replace("-", "_").partition("_")
    if bound not in ("max", "min") or metric not in budget.LIMITED:
        names = [f"{bound}-{known.replace('_', '-')}" for known in budget.LIMITED for bound in ("max", "min")]
        raise Flaw(f"no setting {shown(name)}", did_you_mean(name, [*names, *KEYS]))
    number = budget.quantity(metric, value)
    least, most = (number, None) if bound == "min" else (None, number)
    return Limit(metric, least, most, (), origin=origin)


def codes_of(key: str, value: Any, rules: Mapping[str, type[Rule]]) -> tuple[str, ...]:
    """Codes, or the beginnings of codes. Raises Flaw."""
    if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
        raise Flaw(f"{key} takes a list of rule codes, not {shown(value)}", "write [CV201]")
    for code in value:
        if not any(known.startswith(code) for known in rules) or not code.startswith("CV"):
            raise Flaw(f"no rule {shown(code)}", did_you_mean(code, rules) or "convcalc rules lists them")
    return tuple(value)


def severity(value: Any) -> str:
    """A severity. Raises Flaw."""
    if value not in SEVERITIES:
        raise Flaw(f"fail-on takes error, warning or note, not {shown(value)}", did_you_mean(str(value), SEVERITIES))
    return str(value)


def multiple(value: Any) -> int:
    """What channels are to be a multiple of. Raises Flaw."""
    if not is_integer(value) or value < 1:
        raise Flaw(f"channel-multiple takes an integer from 1, not {shown(value)}")
    return int(value)
