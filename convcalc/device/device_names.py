"""Lists the devices that come with convcalc by name, without reading their files as YAML."""

import os
from collections.abc import Sequence

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files")
SUFFIX = ".yaml"
EXAMPLE_DEVICE, EXAMPLE_BOARD = "rtx4090", "nucleo-l4r5zi"
_KIND = "kind:"


def list_device_names(kinds: Sequence[str] = ()) -> list[str]:
    """Return the names of the devices that come with convcalc, sorted; only those of `kinds`, if any are given."""
    names = sorted(file.removesuffix(SUFFIX) for file in os.listdir(FOLDER) if file.endswith(SUFFIX))
    return [name for name in names if not kinds or _find_kind(name) in kinds]


def list_board_names() -> list[str]:
    """Return the names of the microcontrollers that come with convcalc, sorted; each has RAM, flash and a runtime."""
    return list_device_names(("microcontroller",))


def _find_kind(name: str) -> str:
    """Return the kind of a device, such as `gpu`, from the line `kind:` of its file."""
    with open(os.path.join(FOLDER, name + SUFFIX), encoding="utf-8") as lines:
        return next(line.removeprefix(_KIND).strip() for line in lines if line.startswith(_KIND))
