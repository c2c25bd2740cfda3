"""Recognises the text of a spec by its first bytes, so that files in other formats are not read as one.

It imports nothing from convcalc: reading a spec does not need the table of formats in `convcalc.convert.formats`.
"""

import re

HEAD = 65_536  # number of bytes at the start of a file that are inspected
LAYERS = rb"""(?:\xef\xbb\xbf)?(['"]?)layers\1\s*:"""  # the outermost key of every spec, at the start of a line
_CONTROL_CHARACTERS = bytes((*range(9), *range(14, 32)))  # without tab, the line breaks and the page break
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")  # of UTF-16, which is text although it contains NUL bytes


def is_spec(head: bytes) -> bool:
    """Whether the first bytes of a file are text with the key `layers` at the start of a line."""
    if b"\0" in head:
        return False
    return b"\nlayers:" in head or re.search(b"^" + LAYERS, head, re.MULTILINE) is not None


def is_binary(head: bytes) -> bool:
    """Whether the first bytes of a file are not text: more than 5% are control characters, and they are not UTF-16."""
    controls = len(head) - len(head.translate(None, _CONTROL_CHARACTERS))
    return controls > len(head) // 20 and not head.startswith(_BYTE_ORDER_MARKS)
