"""Reads a spec from a file or from standard input into a `Document`.

The input is a path such as "net.yaml", or "-" for standard input. Files in other formats, such as ONNX, are refused
with advice on how to use them.
"""

import os
import stat
import sys

from convcalc import examples
from convcalc.convert import formats
from convcalc.problems import InvalidSpec, Problem, Span, did_you_mean, printable
from convcalc.spec.document import Document
from convcalc.spec.source import read_text

STANDARD_INPUT = "-"
WORKING_FOLDER_GONE = "the current directory has been deleted: change to one that exists"
MOST_BYTES = 4 * 1024 * 1024


def read_file(name: str) -> Document:
    """Read a spec from a file, or from standard input if the name is `-`.

    Raises OSError if the file cannot be read, and InvalidSpec if it is too large or not UTF-8 text.
    """
    if name == STANDARD_INPUT:
        return decode_spec(sys.stdin.buffer.read(MOST_BYTES + 1), "<stdin>", True)
    found = os.stat(name)
    if stat.S_ISDIR(found.st_mode):
        os.scandir(name).close()  # raises PermissionError if it cannot be listed
        raise IsADirectoryError(f"{name} is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{name} is not a regular file")
    with open(name, "rb") as stream:
        # read(MOST_BYTES + 1) would allocate 4 MiB even for a small file
        return decode_spec(stream.read(min(found.st_size, MOST_BYTES) + 1), name, not reached_through_link(name))


def read_net(net: str) -> Document:
    """Read the spec that a NET argument names: a file, `-` for standard input, or `example:NAME`.

    For an example, the document's `file` is `example:NAME`, not the path of the installed file. Raises NoExample if
    there is no such example, and otherwise the same errors as `read_file`.
    """
    document = read_file(examples.resolve_net(net))
    if net.startswith(examples.PREFIX):
        document.file = net
    return document


def explain_unreadable(name: str, error: OSError) -> str:
    """Return why a file cannot be read; for a missing file, suggest a similar file name or an example."""
    if not isinstance(error, FileNotFoundError):
        said = error.strerror or str(error).removeprefix(name).strip()
        return printable(said[:1].lower() + said[1:])
    if not os.path.isabs(name) and is_working_folder_gone():
        return WORKING_FOLDER_GONE
    folder = os.path.dirname(name) or "."
    there = os.listdir(folder) if os.path.isdir(folder) else []
    hint = did_you_mean(os.path.basename(name), [other for other in there if other.endswith((".yaml", ".yml"))])
    if not hint and name in examples.list_names():
        hint = f"did you mean example:{name}?"
    return f"no such file{f': {printable(hint)}' if hint else ''}"


def is_working_folder_gone() -> bool:
    """Whether the current directory has been deleted."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def reached_through_link(name: str) -> bool:
    """Whether the file or one of the folders in its path is a symbolic link.

    For a relative path inside the current directory, only the file and the folders below that directory are checked.
    """
    here = "" if os.path.isabs(name) else os.getcwd()
    path = os.path.normpath(os.path.join(here, name))
    while path not in (here, os.path.dirname(path)):
        if os.path.islink(path):
            return True
        path = os.path.dirname(path)
    return False


def decode_spec(data: bytes, file: str, quotable: bool) -> Document:
    """Return the document in the bytes of a file, which must be UTF-8, optionally with a byte order mark.

    `quotable` is true if messages may quote the file. Raises InvalidSpec if there are too many bytes, if they are not
    UTF-8, or if they have the format of another tool, such as ONNX.
    """
    other = formats.find_foreign_format(file, data)
    if other is not None:
        hint = formats.advice(other, printable(file))
        raise InvalidSpec([Problem((), f"{other.name}, not a spec", "CV000", hint, span=Span(1, 1, 1, 2))], file)
    if len(data) > MOST_BYTES:
        problem = Problem((), f"larger than {MOST_BYTES // 1024**2} MiB", "CV004", span=Span(1, 1, 1, 2))
        raise InvalidSpec([problem], file)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[data.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8", "replace")) + 1
        message = f"not UTF-8: byte 0x{data[error.start]:02x}"
        place = Span(line, column, line, column + 1)
        raise InvalidSpec([Problem((), message, "CV001", "save the file as UTF-8", span=place)], file) from None
    return read_text(text.removeprefix("\ufeff"), file, quotable)
