"""Combines the settings of a configuration file, the spec and the command line: which rules and limits to check."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from convcalc.check.options import SEVERITIES, IntegerOption
from convcalc.check.rule import Rule
from convcalc.device.device_names import EXAMPLE_DEVICE
from convcalc.device.runtime_names import DEFAULT_RUNTIME
from convcalc.network import Limit
from convcalc.problems import Flaw, did_you_mean, show
from convcalc.spec import budget
from convcalc.spec.budget_metrics import DEVICE, LATENCY, LIMITED

KEYS = ("select", "ignore", "fail-on", "per-path")


class Settings(NamedTuple):
    """The rules to select and to ignore, and the limits that are set outside the spec.

    `choices` has one (select, ignore) pair for each source of settings, such as a configuration file and the command
    line; a later pair overrides the earlier ones. `fail_on` is the lowest severity that fails the check; None means the
    default, warning. `options` holds the values that were set for the options of rules, such as `{"channel-multiple":
    16}`.
    """

    choices: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    limits: tuple[Limit, ...] = ()
    fail_on: str | None = None
    options: Mapping[str, int] = {}

    def then(self, later: "Settings") -> "Settings":
        """Return these settings, overridden by the settings in `later`.

        A maximum in `later` replaces the earlier maximum of the same metric; a minimum replaces the earlier minimum.
        """
        replaced = {_get_metric_and_side(limit) for limit in later.limits}
        return Settings(
            self.choices + later.choices,
            tuple(limit for limit in self.limits if _get_metric_and_side(limit) not in replaced) + later.limits,
            later.fail_on or self.fail_on,
            {**self.options, **later.options},
        )

    def with_choice(self, select: Iterable[str], ignore: Iterable[str]) -> "Settings":
        """Return the settings with one more (select, ignore) pair, which overrides the earlier pairs."""
        return self._replace(choices=(*self.choices, (tuple(select), tuple(ignore))))

    def enabled(self, rules: Mapping[str, type[Rule]]) -> list[type[Rule]]:
        """Return the rules that are on, sorted by code.

        At first, the default rules are on. Each pair in `choices`, in turn, then turns on the rules that it
        selects and turns off the rules that it ignores.
        """
        on = {code: rule.default for code, rule in rules.items()}
        for select, ignore in self.choices:
            for codes, value in ((select, True), (ignore, False)):
                on.update((code, value) for code in on if any(code.startswith(prefix) for prefix in codes))
        return [rules[code] for code in sorted(on) if on[code]]


def _get_metric_and_side(limit: Limit) -> tuple[str, bool]:
    """Return the metric of a limit, and whether the limit is a maximum."""
    return limit.metric, limit.minimum is None


def read_limit(name: str, value: Any, origin: str, other_names: Iterable[str] = ()) -> Limit:
    """Return the limit that a setting such as `max-params` or `min-receptive-field` describes.

    `origin` is the source of the limit, for messages. Raises Flaw if the value is wrong or the name is unknown. The
    hint then suggests a similar name, which is that of a limit or is in `other_names`.
    """
    bound, _, metric = name.replace("-", "_").partition("_")
    if bound not in ("max", "min") or metric not in LIMITED:
        names = [f"{bound}-{known.replace('_', '-')}" for known in LIMITED for bound in ("max", "min")]
        raise Flaw(f"unknown setting {show(name)}", did_you_mean(name, [*names, *other_names]))
    runtime = device = ""
    if metric in DEVICE:
        value, runtime, device = _split_runtime(value)
    elif metric == LATENCY:
        value, device = _split_device(value)
    if value == "" and bound == "max" and device and metric in DEVICE:  # the memory of the board
        return Limit(metric, None, None, (), origin=origin, device=device)
    number = budget.read_quantity(metric, value, origin if origin.startswith("--") else "")
    least, most = (number, None) if bound == "min" else (None, number)
    return Limit(metric, least, most, (), origin=origin, runtime=runtime, device=device)


def _split_runtime(value: Any) -> tuple[Any, str, str]:
    """Return the quantity, the runtime and the board in a text such as `96KiB@tflm-cmsis-dsp`, or `@nucleo-l4r5zi`.

    If there is neither, the runtime is the default. Raises Flaw if the name is unknown.
    """
    if not isinstance(value, str) or "@" not in value:
        return value, DEFAULT_RUNTIME, ""
    quantity, _, name = value.partition("@")
    return quantity.strip(), *budget.check_runtime_or_board(name.strip())


def _split_device(value: Any) -> tuple[str, str]:
    """Return the duration and the device in a text such as `5ms@rtx4090`. Raises Flaw if there is no such device."""
    if not isinstance(value, str) or "@" not in value:
        raise Flaw(f"the limit of latency must name a device, such as 5ms@{EXAMPLE_DEVICE}; got {show(value)}")
    quantity, _, name = value.partition("@")
    return quantity.strip(), budget.check_device(name.strip())


def read_codes(key: str, value: Any, rules: Mapping[str, type[Rule]]) -> tuple[str, ...]:
    """Return a list of rule codes, or of the first characters of codes such as `CV2`, as a tuple.

    Raises Flaw if the value is not a list of texts, or if a text matches no rule.
    """
    if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
        raise Flaw(f"{key} must be a list of rule codes; got {show(value)}", "for example: [CV201]")
    for code in value:
        if not any(known.startswith(code) for known in rules) or not code.startswith("CV"):
            raise Flaw(f"unknown rule {show(code)}", did_you_mean(code, rules) or "convcalc rules lists them")
    return tuple(value)


def read_severity(value: Any) -> str:
    """Return the value of the setting `fail-on`. Raises Flaw if it is not a severity."""
    if value not in SEVERITIES:
        raise Flaw(f"fail-on must be error, warning or note; got {show(value)}", did_you_mean(str(value), SEVERITIES))
    return str(value)


def rule_options(rules: Mapping[str, type[Rule]]) -> dict[str, IntegerOption]:
    """Return all options that users can set for the given rules, such as `channel-multiple`, by option name."""
    return {option.name: option for rule in rules.values() for option in rule.options}
