"""Lists the devices that come with convcalc by name, without reading their files."""

import os

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files")
SUFFIX = ".yaml"
EXAMPLE_DEVICE = "rtx4090"


def list_device_names() -> list[str]:
    """Return the names of the devices that come with convcalc, sorted."""
    return sorted(file.removesuffix(SUFFIX) for file in os.listdir(FOLDER) if file.endswith(SUFFIX))
