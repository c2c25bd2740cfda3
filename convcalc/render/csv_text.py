r"""Writes CSV with exact numbers, in which no text of a spec is a formula for a spreadsheet.

>>> write_csv([("act", "macs"), ("=cmd()", -5)])
"act,macs\n'=cmd(),-5\n"
"""

from collections.abc import Iterable
from io import StringIO
from typing import Any

_STARTS = ("=", "+", "-", "@")  # tabs and line breaks never begin a cell: they are escaped


def write_csv(rows: Iterable[Iterable[Any]]) -> str:
    """Return one line per row; numbers and None are written as they are, texts as `guard_text` returns them."""
    return join_cells([guard_text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)


def join_cells(rows: Iterable[Iterable[Any]]) -> str:
    """Return one line per row of cells that are written as they are."""
    import csv

    stream = StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def guard_text(text: str) -> str:
    """Return a text for a cell of CSV: one that a spreadsheet would run as a formula begins with a single quote.

    Numbers are unchanged. Source: OWASP, CSV Injection.
    """
    return f"'{text}" if text.startswith(_STARTS) and len(text) > 1 and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
