"""Reads the option --device, which several commands share: the name of a device, or a device file."""

from collections.abc import Sequence

from convcalc.cli import writing
from convcalc.device.device_file import Device, find_device
from convcalc.problems import Flaw, printable
from convcalc.spec.files import ForeignFile, explain_unreadable


def read_device_option(name: str, kinds: Sequence[str] = ()) -> Device:
    """Return the device of --device; if `kinds` are given, it must be of one of them.

    Raises Failure if there is none of that name or kind, and InvalidSpec, with lines, for a wrong file.
    """
    try:
        return find_device(name, kinds)
    except Flaw as flaw:
        raise fail_option("--device", flaw) from None
    except ForeignFile as error:
        found = error.problems[0].message.removesuffix(", not a spec")
        raise writing.Failure(f"--device {printable(name)}: {found}, not a device file") from None
    except OSError as error:
        raise writing.Failure(f"--device {printable(name)}: {explain_unreadable(name, error)}") from None


def fail_option(option: str, flaw: Flaw) -> writing.Failure:
    """Return the failure for a wrong value of an option."""
    return writing.Failure(f"{option}: {flaw.message}{f': {flaw.hint}' if flaw.hint else ''}")
