"""The options that limit a figure of a network: `--max-params 5M`, `--min-receptive-field 224`, and so on."""

from collections.abc import Collection
from functools import wraps
from typing import Any

import click

from convcalc.cli import common, writing
from convcalc.device.runtime_names import DEFAULT_RUNTIME
from convcalc.problems import Flaw
from convcalc.spec.budget_metrics import LIMITED

_BOUNDS = tuple(f"{bound}-{metric.replace('_', '-')}" for metric in LIMITED for bound in ("max", "min"))
_METRIC_WORDS = {
    "macs": "MACs",
    "flops": "FLOPs",
    "receptive-field": "size of the receptive field",
    "arena": "tensor arena on a microcontroller, with the runtime or board after the @",
    "latency": "time of a batch on a device, fused",
    "flash": "flash on a microcontroller, with the runtime or board after the @",
}
_SHOWN_BOUNDS = (
    *(
        "max-params",
        "max-macs",
        "max-flops",
        "max-peak-memory",
        "max-weight-memory",
        "max-arena",
        "max-flash",
        "max-latency",
    ),
    "min-receptive-field",
)


def limit_options(
    function: common.Function, metrics: Collection[str] = LIMITED, runtime: str = DEFAULT_RUNTIME
) -> common.Function:
    """Add --max-… and --min-… for every metric that can be limited; the command receives `limits`.

    `limits` has only the limits that the user sets. The help does not list the options that are rarely needed, nor
    those of metrics other than `metrics`, for which the command has a message. `runtime` is that of a limit on arena or
    flash that names none.
    """
    shown = {bound for bound in _SHOWN_BOUNDS if bound.split("-", 1)[1].replace("-", "_") in metrics}

    @wraps(function)
    def run(**given: Any) -> Any:
        from convcalc.check.settings import read_limit

        texts = {bound: given.pop(bound.replace("-", "_")) for bound in _BOUNDS}
        limits = []
        for name, text in texts.items():
            try:
                limits += [] if text is None else [read_limit(name, text, f"--{name}", runtime=runtime)]
            except Flaw as flaw:
                option = "" if flaw.message.startswith("--") else f"--{name}: "
                raise writing.Failure(f"{option}{flaw.text}") from None
        return function(limits=tuple(limits), **given)

    options = [
        click.option(f"--{bound}", metavar=_limit_example(bound), hidden=bound not in shown, help=_limit_help(bound))
        for bound in _BOUNDS
    ]
    return common.add_options(run, *options)


def _limit_example(bound: str) -> str:
    if bound.endswith(("arena", "flash")):
        return "256KiB[@RUNTIME]"
    if bound.endswith("latency"):
        return "5ms@DEVICE"
    return "256KiB" if "memory" in bound else "224" if "field" in bound else "5M"


def _limit_help(bound: str) -> str:
    side, metric = bound.split("-", 1)
    what = _METRIC_WORDS.get(metric, metric.replace("-", " "))
    return f"{'Maximum' if side == 'max' else 'Minimum'} {what}, in addition to the spec's own budget."
