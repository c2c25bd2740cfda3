"""The options --runtime, --device and --eager, which say on what arena, flash and latency are measured."""

from __future__ import annotations  # the types are imported only for type checkers

from collections.abc import Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from convcalc.cli import common, completing, writing
from convcalc.device.runtime_names import DEFAULT_RUNTIME, RUNTIME_NAMES
from convcalc.metrics.target import Target
from convcalc.problems import Flaw, printable
from convcalc.spec.budget_metrics import DEVICE, LATENCY, MEASURED

if TYPE_CHECKING:
    from convcalc.analysis.report import Report
    from convcalc.network import Limit
    from convcalc.spec.inputs import Overrides


class Asked(NamedTuple):
    """The values of --runtime, --device and --eager."""

    runtime: str | None
    device: str | None
    eager: bool

    def read(self, where: writing.Output, limits: Sequence[Limit] = ()) -> Target:
        """Return the target.

        Without --device, it has the device of the limits. Without --runtime, it has the runtime of the device,
        otherwise that of the limits.

        Raises Failure for an unknown name, and Exit if the problems of a device file have been printed.
        """
        from convcalc.cli.devices import read_device_option
        from convcalc.spec.budget import check_runtime

        try:
            runtime = None if self.runtime is None else check_runtime(self.runtime)
        except Flaw as flaw:
            raise writing.Failure(f"--runtime: {flaw.text}") from None
        device = None if self.device is None else read_device_option(self.device, where)
        limited = _find_limited_target(limits)
        return Target(
            runtime or (device and device.runtime) or limited.runtime,
            device or limited.device,
            self.eager,
        )

    def choose_runtimes(self, limits: Sequence[Limit], target: Target) -> tuple[Limit, ...]:
        """Return limits in which those on arena and flash that name no runtime have the one of --runtime or --device.

        Without these options, it is the default runtime.
        """
        runtime = DEFAULT_RUNTIME if self.runtime is None and self.device is None else target.runtime
        return tuple(
            limit._replace(runtime=runtime) if limit.metric in DEVICE and not (limit.runtime or limit.device) else limit
            for limit in limits
        )

    def list_added(self, target: Target) -> tuple[str, ...]:
        """Return the columns that the options add: arena and flash for a runtime or board, latency for a device.

        Raises Failure if a device has neither memory nor the figures from which a time can be computed.
        """
        if self.runtime is None and self.device is None:
            return ()
        from convcalc.cli.devices import fail_option
        from convcalc.metrics.device_figures import list_added

        try:
            return list_added(self.runtime, None if self.device is None else target.device)
        except Flaw as flaw:
            raise fail_option("--device", flaw) from None

    def check_used(self, names: Iterable[str]) -> None:
        """Raise UsageError if an option has no effect on the columns that are shown or needed."""
        used = set(names)
        if self.runtime is not None and used.isdisjoint(DEVICE):
            raise click.UsageError("--runtime needs the column arena or flash: --columns arena,flash")
        if self.device is not None and used.isdisjoint(MEASURED):
            raise click.UsageError("--device needs the column latency, arena or flash: --columns latency")

    def check_columns(self, names: Iterable[str], target: Target, overrides: Overrides) -> None:
        """Raise Failure if the latency is one of some columns, and the target does not say for which device it is.

        It is also raised if the device lacks the figures from which a time can be computed, or --dtype asks for another
        type than the one that the device of --device is for.
        """
        if LATENCY not in names:
            return
        from convcalc.cli.devices import check_dtype, fail_option
        from convcalc.metrics.device_figures import check_timed

        try:
            check_timed(target)
        except Flaw as flaw:
            if target.device is None:
                raise writing.Failure(flaw.text) from None
            raise fail_option("--device", flaw) from None
        if self.device is not None and target.device is not None:
            check_dtype(target.device, overrides)


def warn_of_unknown(
    named: Iterable[tuple[str, Report]], measured: Iterable[str], target: Target, where: writing.Output
) -> None:
    """Print on standard error why figures of a device are unknown, unless -q is given.

    `named` has pairs of a label, which can be empty, and a report. The arena and the flash are unknown together.
    """
    names = list(measured)
    if where.quiet or not names:
        return
    from convcalc.metrics.device_figures import explain_unknown

    groups = ([name for name in kind if name in names] for kind in (DEVICE, (LATENCY,)))
    shown = [group for group in groups if group]
    for label, report in named:
        begin = f"convcalc: {printable(label)}: " if label else "convcalc: "
        for group in shown:
            reason = explain_unknown(report, group[0], target)
            if reason:
                click.echo(f"{begin}{' and '.join(group)}: unknown: {printable(reason)}", err=True)


def _find_limited_target(limits: Sequence[Limit]) -> Target:
    """Return the runtime of the first limit on a microcontroller's memory, and the device of the first on latency.

    A device without the figures from which a time can be computed does not count.
    """
    if not limits:
        return Target()
    from convcalc.metrics.device_figures import find_target, list_added

    runtimes = [find_target(limit).runtime for limit in limits if limit.metric in DEVICE]
    devices = [find_target(limit).device for limit in limits if limit.metric == LATENCY]
    timed = [device for device in devices if LATENCY in list_added(None, device)]
    return Target(runtimes[0] if runtimes else DEFAULT_RUNTIME, timed[0] if timed else None)


def target_options(function: common.Function) -> common.Function:
    """Add --runtime, --device and --fused/--eager; the command receives `asked`."""

    @wraps(function)
    def run(runtime: str | None, device: str | None, eager: bool | None, **rest: Any) -> Any:
        if eager is not None and device is None:
            raise click.UsageError(f"--{'eager' if eager else 'fused'} needs --device NAME")
        return function(asked=Asked(runtime, device, bool(eager)), **rest)

    return common.add_options(
        run,
        click.option(
            "--runtime",
            metavar="NAME",
            shell_complete=completing.complete_from(lambda: RUNTIME_NAMES),
            help=f"Add arena and flash on a microcontroller with this runtime: {', '.join(RUNTIME_NAMES)} (default: "
            f"that of the device, else {DEFAULT_RUNTIME}).",
        ),
        click.option(
            "--device",
            metavar="NAME|FILE",
            shell_complete=completing.complete_device(),
            help="Add the latency on a device, such as rtx4090 or a device file; for a board, also arena and flash.",
        ),
        click.option(
            "--eager/--fused",
            "eager",
            default=None,
            help="For latency: whether batch norms and activations are kernels of their own, or part of the layer "
            "before them (default).",
        ),
    )
