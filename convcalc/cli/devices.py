"""Reads the option --device, which several commands share: the name of a device, or a device file."""

from collections.abc import Sequence

import click

from convcalc.cli import writing
from convcalc.cli.main import NOT_DONE
from convcalc.device.device_file import Device, find_device
from convcalc.problems import Flaw, InvalidSpec, printable, show
from convcalc.spec.files import ForeignFile, explain_unreadable
from convcalc.spec.inputs import Overrides


def read_device_option(name: str, where: writing.Output, kinds: Sequence[str] = ()) -> Device:
    """Return the device of --device; if `kinds` are given, it must be of one of them.

    Raises Failure if there is none of that name or kind, or if -o names its file. If its file is wrong, prints the
    problems, with lines, and raises Exit with the status 2.
    """
    if where.file is not None:
        writing.refuse_inputs(where.file, [name])
    try:
        return find_device(name, kinds)
    except Flaw as flaw:
        raise fail_option("--device", flaw) from None
    except ForeignFile as error:
        found = error.problems[0].message.removesuffix(", not a spec")
        raise writing.Failure(f"--device {printable(name)}: {found}, not a device file") from None
    except InvalidSpec as error:
        writing.print_invalid(error, where)
        raise click.exceptions.Exit(NOT_DONE) from None
    except OSError as error:
        raise writing.Failure(f"--device {printable(name)}: {explain_unreadable(name, error)}") from None


def read_timed_device(name: str, where: writing.Output) -> Device:
    """Return the device of --device. Raises Failure if it lacks the figures from which a time can be computed."""
    from convcalc.device.latency import check_figures

    device = read_device_option(name, where)
    try:
        check_figures(device)
    except Flaw as flaw:
        raise fail_option("--device", flaw) from None
    return device


def check_dtype(device: Device, overrides: Overrides) -> None:
    """Raise Failure if --dtype is not int8, and the device has cycles per multiply-accumulate, which are for int8."""
    if device.cycles_per_mac and overrides.dtype not in (None, "int8"):
        got = "several data types" if isinstance(overrides.dtype, dict) else show(overrides.dtype)
        raise writing.Failure(
            f"--dtype must be int8 for {printable(device.name)}, which has cycles only for int8; got {got}"
        )


def fail_option(option: str, flaw: Flaw) -> writing.Failure:
    """Return the failure for a wrong value of an option."""
    return writing.Failure(f"{option}: {flaw.text}")
