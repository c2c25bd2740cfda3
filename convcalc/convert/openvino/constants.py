"""Reads small constants of an OpenVINO model, such as the axes of a reduction, from the `.bin` file next to it.

The file is not needed: without it, these values are unknown. Weights are never read.
"""

import os
import stat
import struct
from math import prod
from typing import BinaryIO

from convcalc.convert.openvino.xml_file import Dims, XmlLayer

MOST_CONTENTS = 4096  # bytes
_CODES = {  # of the module struct, by element type
    "i64": "q",
    "i32": "i",
    "i16": "h",
    "i8": "b",
    "u64": "Q",
    "u32": "I",
    "u16": "H",
    "u8": "B",
    "boolean": "?",
    "f64": "d",
    "f32": "f",
    "f16": "e",
}


class ConstantFile:
    """The `.bin` file of a model; `close` closes it."""

    def __init__(self, xml_path: str) -> None:
        path = f"{os.path.splitext(xml_path)[0]}.bin"
        self.stream: BinaryIO | None = None
        try:
            if stat.S_ISREG(os.stat(path).st_mode):
                self.stream = open(path, "rb")  # noqa: SIM115 - closed by `close`
        except (OSError, ValueError):
            pass  # no values are known

    def close(self) -> None:
        """Close the file."""
        if self.stream is not None:
            self.stream.close()

    def read(self, layer: XmlLayer, dims: Dims) -> tuple[float, ...] | None:
        """Return the values of a Const; None if they are unknown, many or malformed."""
        code = _CODES.get(layer.data.get("element_type", ""))
        offset, size = (layer.data.get(name, "") for name in ("offset", "size"))
        known = all(text.isascii() and text.isdecimal() and len(text) < 16 for text in (offset, size))
        if self.stream is None or code is None or not known:
            return None
        if int(size) > MOST_CONTENTS or int(size) != prod(dims) * struct.calcsize(f"<{code}"):
            return None
        try:
            self.stream.seek(int(offset))
            content = self.stream.read(int(size))
        except OSError:
            return None
        return struct.unpack(f"<{prod(dims)}{code}", content) if len(content) == int(size) else None
