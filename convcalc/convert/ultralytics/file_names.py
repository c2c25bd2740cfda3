"""Finds the scale of a network in the name of its file: n in yolov8n-seg.yaml."""

import os
import re

_SCALED = r"(yolo(?:e-)?v?\d+)([nslmx])"


def find_scale_letter(path: str) -> str:
    """Return the letter of the scale in a file's name: "n" for `yolov8n.yaml`, "" if there is none."""
    found = re.search(_SCALED, os.path.basename(path))
    return found[2] if found else ""


def find_file(path: str) -> str:
    """Return `path`, or `yolov8.yaml` for `yolov8n.yaml` if only the former exists."""
    folder, name = os.path.split(path)
    general = os.path.join(folder, re.sub(_SCALED, r"\1", name, count=1))
    return path if os.path.exists(path) or not os.path.isfile(general) else general
