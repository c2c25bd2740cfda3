"""Reads a spec from a file or from standard input into a `Document`.

The input is a path such as "net.yaml", or "-" for standard input. A file in another format, such as ONNX, raises
ForeignFile, which says what it is; `convert.model_files` reads those that have a reader.
"""

import os
import stat
import sys
from itertools import islice
from typing import TYPE_CHECKING

from convcalc import examples
from convcalc.caching import remember_last
from convcalc.problems import InvalidSpec, Problem, Span, did_you_mean, printable
from convcalc.spec.document import Document
from convcalc.spec.source import read_text
from convcalc.spec_head import HEAD, is_binary, is_spec

if TYPE_CHECKING:
    from convcalc.convert.formats import Format

STANDARD_INPUT = "-"
_MOST_ENTRIES = 1_000  # of a folder, that are compared with those of known formats
WORKING_FOLDER_GONE = "the current directory has been deleted: change to one that exists"
MOST_BYTES = 4 * 1024 * 1024
_MOST_REMEMBERED = 100_000  # bytes of a text whose document is remembered


class ForeignFile(InvalidSpec):
    """A file or folder is in another format than a spec; `format` is None for binary files of an unknown format."""

    def __init__(self, found: "Format | None", file: str) -> None:
        from convcalc.convert.formats import describe_readable  # a spec does not need the table of formats

        name = found.name if found else "a binary file of an unknown format"
        hint = found.advice if found else f"convcalc reads specs and: {describe_readable()}"
        if found and found.reader:
            hint = "model files are read only by their names: save it to a file"
        super().__init__([Problem((), f"{name}, not a spec", "CV000", hint)], file)
        self.format = found


def read_file(name: str) -> Document:
    """Read a spec from a file, or from standard input if the name is `-`.

    Raises OSError if the file cannot be read, InvalidSpec if its contents are not the text of a spec, and ForeignFile
    if they have another format.
    """
    if name == STANDARD_INPUT:
        return decode_spec(sys.stdin.buffer.read(MOST_BYTES + 1), "<stdin>", True)
    found = os.stat(name)
    if stat.S_ISDIR(found.st_mode):
        if folder := find_folder_format(name):
            raise ForeignFile(folder, name)
        raise IsADirectoryError(f"{name} is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{name} is not a regular file")
    with open(name, "rb") as stream:
        # read(MOST_BYTES + 1) would allocate 4 MiB even for a small file
        head = stream.read(min(found.st_size, HEAD) + 1)
        _refuse_foreign_format(head, name)
        rest = stream.read(MOST_BYTES + 1 - len(head)) if len(head) > HEAD else b""
        return _decode_text(head + rest, name, not reached_through_link(name))


def find_folder_format(path: str) -> "Format | None":
    """Return the format of a folder such as a SavedModel; None for an ordinary folder. Raises OSError."""
    from convcalc.convert.formats import recognise_folder

    with os.scandir(path) as entries:
        return recognise_folder(path, [entry.name for entry in islice(entries, _MOST_ENTRIES)])


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
    from convcalc.convert.formats import model_endings

    folder = os.path.dirname(name) or "."
    there = os.listdir(folder) if os.path.isdir(folder) else []
    endings = (".yaml", ".yml", *model_endings())
    hint = did_you_mean(os.path.basename(name), [other for other in there if other.endswith(endings)])
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

    `quotable` is whether messages may quote the file. Raises InvalidSpec if the bytes are too many or not UTF-8, and
    ForeignFile if they have another file format.
    """
    _refuse_foreign_format(data, file)
    return _decode_text(data, file, quotable)


def _refuse_foreign_format(data: bytes, file: str) -> None:
    """Raise ForeignFile if the first bytes of a file are not those of a spec."""
    head = data[:HEAD]
    if is_spec(head) and not is_binary(head):
        return
    from convcalc.convert.formats import find_foreign_format

    other = find_foreign_format(file, head)
    if other or is_binary(head):
        raise ForeignFile(other, file)


def _decode_text(data: bytes, file: str, quotable: bool) -> Document:
    """Return the document in the bytes of a file. Raises InvalidSpec if they are too many, or not UTF-8."""
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
    read = _read_short_text if len(data) <= _MOST_REMEMBERED else read_text
    return read(text.removeprefix("\ufeff"), file, quotable)


@remember_last
def _read_short_text(text: str, file: str, quotable: bool) -> Document:
    """Return the document of a text, which is often read again with other overrides."""
    return read_text(text, file, quotable)
