"""Lists the devices that come with convcalc by name, without parsing their files."""

import os
from collections.abc import Sequence

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files")
SUFFIX = ".yaml"
EXAMPLE_DEVICE, EXAMPLE_BOARD = "rtx4090", "nucleo-l4r5zi"


def list_device_names() -> list[str]:
    """Return the names of the devices that come with convcalc, sorted."""
    return sorted(file.removesuffix(SUFFIX) for file in os.listdir(FOLDER) if file.endswith(SUFFIX))


def list_board_names() -> list[str]:
    """Return the names of the microcontrollers that come with convcalc, sorted; each has RAM, flash and a runtime."""
    return [name for name in list_device_names() if _is_board(os.path.join(FOLDER, name + SUFFIX))]


def _is_board(file: str) -> bool:
    with open(file, encoding="utf-8") as stream:
        return "kind: microcontroller\n" in stream
