"""Reads the text files of networks, such as Caffe's, and reports mistakes at their lines and columns.

A `Mistake` at the characters 17 to 23 of `net.cfg` becomes an InvalidSpec at net.cfg:2:4, which quotes that line.
"""

from collections.abc import Iterable

from convcalc.convert.graph import NotImported
from convcalc.problems import InvalidSpec, Problem
from convcalc.spec.document import Document, Extent
from convcalc.spec.files import reached_through_link

MOST_BYTES = 4 * 2**20


class Mistake(Exception):
    """Raised for a part of a text that is wrong or unsupported; `extent` is its start and end, `code` as in Problem."""

    def __init__(self, message: str, extent: Extent, hint: str = "", code: str = "CV013") -> None:
        super().__init__(message)
        self.message = message
        self.extent = extent
        self.hint = hint
        self.code = code


def read_text_file(path: str) -> Document:
    """Return a document with the text of a file, and no values.

    Raises OSError if the file cannot be read, and NotImported if it is too large.
    """
    with open(path, "rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise NotImported(f"larger than {MOST_BYTES // 2**20} MiB")
    return Document(None, path, content.decode("utf-8", "replace"), not reached_through_link(path))


def report(document: Document, mistakes: Iterable[Mistake]) -> InvalidSpec:
    """Return one error with these mistakes in a document."""
    return document.invalid(
        [
            Problem((), mistake.message, mistake.code, mistake.hint, span=document.span(mistake.extent))
            for mistake in mistakes
        ]
    )
