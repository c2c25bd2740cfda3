"""Measures text in Helvetica, so that a drawing can leave room for it without a browser or a font file.

Arial, Liberation Sans and Nimbus Sans have the same widths. Source: Adobe's font metrics of Helvetica (phvr8a.afm).
"""

from bisect import bisect_right
from unicodedata import combining, east_asian_width

# widths in thousandths of the font size
_WIDTHS = {
    222: "ijl",
    191: "'",
    260: "|",
    278: " !,./:;I[\\]ft·",
    333: "()-`r",
    334: "{}",
    355: '"',
    389: "*",
    469: "^",
    500: "Jcksvxyz",
    556: "#$0123456789?L_abdeghnopqu–",
    584: "+<=>~×−",
    611: "FTZ",
    667: "&ABEKPSVXY",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    889: "%",
    944: "W",
    1000: "…→",
    1015: "@",
}
_WIDTH_OF = {character: width for width, characters in _WIDTHS.items() for character in characters}
_OTHER, _WIDE = 700, 1000  # of other characters, and of those of East Asian scripts
_BOLD = 1.08  # ratio of the widths of the bold and the regular font, measured over words of lower-case letters


def measure_text(text: str, size: float, bold: bool = False) -> float:
    """Return the width of a text, in the unit of the font size."""
    width = sum(_measure_character(character) for character in text) * size / 1000
    return width * _BOLD if bold else width


def _measure_character(character: str) -> int:
    known = _WIDTH_OF.get(character)
    if known is not None:
        return known
    if combining(character):
        return 0
    return _WIDE if east_asian_width(character) in "WF" else _OTHER


def cut_text(text: str, size: float, room: float, bold: bool = False) -> str:
    """Return a text that fits `room`: its beginning and end, with `…` in place of the middle, if it is too wide."""
    if measure_text(text, size, bold) <= room:
        return text
    kept = bisect_right(range(2, len(text)), room, key=lambda count: measure_text(_keep_ends(text, count), size, bold))
    return _keep_ends(text, kept + 1) if kept else f"{text[:1]}…"


def _keep_ends(text: str, kept: int) -> str:
    """Return the first and the last characters of a text, `kept` of them, with `…` between."""
    return f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
