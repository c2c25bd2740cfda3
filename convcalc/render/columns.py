"""Defines the columns of the layer table: the name, title, weight, and cell texts of each column."""

from collections.abc import Callable
from typing import Any

from convcalc.analysis.report import LayerReport, Totals
from convcalc.intervals import Ratio
from convcalc.render.grid import LEAST_NAME, Column, find_columns
from convcalc.render.legend import MISALIGNED
from convcalc.render.rows import Row
from convcalc.units import format_bytes, format_count, format_exact

_BAR = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_INDENT = "  "


def _name_text(row: Row, exact: bool) -> str:
    return _INDENT * row.indent + row.label


def _count_column(name: str, title: str, weight: int) -> Column[Row]:

    def text(row: Row, exact: bool) -> str:
        number = row.sums[name]
        return format_exact(number) if exact else "·" if number == 0 else format_count(number)

    return Column(name, title, weight, lambda row: row.sums[name], text)


def _bytes_column(name: str, title: str, weight: int, value: Callable[[Row], int | None]) -> Column[Row]:

    def text(row: Row, exact: bool) -> str:
        number = value(row)
        return format_exact(number) if exact else "·" if number == 0 else format_bytes(number)

    return Column(name, title, weight, value, text)


def _text_column(name: str, title: str, weight: int, value: Callable[[Row], Any]) -> Column[Row]:
    return Column(name, title, weight, value, lambda row, exact: str(value(row)), right=False)


def count_eighths(part: float, whole: float, cells: int) -> int:
    """Return the length of a bar for `part`, in eighths of a character; a bar for `whole` has `cells` characters.

    The length is at least 1 if `part` is positive, and less than 8 × `cells` if `part` is less than `whole`.
    """
    if part <= 0:
        return 0
    full = cells * 8
    return full if part >= whole else min(max(round(part * full / whole), 1), full - 1)


def draw_bar(share: float, cells: int = _BAR) -> str:
    """Return a bar for a share between 0 and 1; the bar for a share of 1 has `cells` characters."""
    eighths = count_eighths(share, 1, cells)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _share_text(row: Row, exact: bool) -> str:
    """Return a row's share of the total cost, such as `12.3% █`; blanks for 0, and `?` if it is unknown."""
    if row.share is None:
        return f"{'?':>6} {'':<{_BAR}}"
    return f"{row.share:6.1%} {draw_bar(row.share):<{_BAR}}" if row.share else " " * (_BAR + 7)


def field_text(row: Row | LayerReport | Totals) -> str:
    """Return the size of a receptive field as text.

    For example: `427`; `43×11` if the axes differ; `188–204` if positions have different sizes; `all` if every position
    sees the whole input; `?` if unknown. A final ` !` marks merged branches whose receptive fields are misaligned.
    """
    field = row.receptive_field
    if field.whole:
        return "all"
    if field.size is None:
        return "?"
    largest = per_axis_text(field.size)
    text = largest if field.size_min is None else f"{per_axis_text(field.size_min)}–{largest}"
    return text if field.aligned else f"{text} {MISALIGNED}"


def is_marked_misaligned(row: Row | LayerReport | Totals) -> bool:
    """Return whether `field_text` ends with `!`, because merged branches are misaligned."""
    return field_text(row).endswith(MISALIGNED)


def jump_text(row: Row | LayerReport) -> str:
    """Return the jump (cumulative stride) as text, such as `32`, `1/2` or `4×2`; empty if it is unknown."""
    if row.receptive_field.jump is None:
        return ""
    return per_axis_text(map(ratio_text, row.receptive_field.jump))


def ratio_text(ratio: Ratio) -> str:
    """Return a (numerator, denominator) pair as text, such as `32` or `1/2`."""
    return str(ratio[0]) if ratio[1] == 1 else f"{ratio[0]}/{ratio[1]}"


def per_axis_text(values: Any) -> str:
    """Return the values of all axes as one text, such as `4×2`; a single value if they are equal."""
    texts = [str(value) for value in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def shapes_text(shapes: Any) -> str:
    """Return the shapes as text, joined by ` + `."""
    return " + ".join(map(str, shapes))


EVERY: tuple[Column[Row], ...] = (
    Column("name", "layer", 9, lambda row: row.name, _name_text, right=False, cut=LEAST_NAME),
    _text_column("kind", "kind", 0, lambda row: row.kind),
    _text_column("what", "what", 7, lambda row: row.what),
    _text_column("line", "line", 0, lambda row: "" if row.line is None else row.line),
    _text_column("from", "from", 0, lambda row: " ".join(row.reads)),
    _text_column("input_shape", "input", 0, lambda row: shapes_text(row.input_shapes)),
    Column("output_shape", "output", 8, lambda row: str(row.output_shape), lambda row, exact: str(row.output_shape)),
    _count_column("params", "params", 9),
    _count_column("trainable_params", "trainable", 0),
    _count_column("buffers", "buffers", 0),
    _count_column("multiplications", "multiplications", 0),
    _count_column("additions", "additions", 0),
    _count_column("macs", "MACs", 9),
    _count_column("flops", "FLOPs", 3),
    _text_column("receptive_field", "field", 4, field_text)._replace(right=True),
    _text_column("jump", "jump", 0, jump_text)._replace(right=True),
    _bytes_column("input_memory", "inputs", 0, lambda row: row.input_memory),
    _bytes_column("weight_memory", "weights", 1, lambda row: row.sums["weight_memory"]),
    _bytes_column("activation_memory", "activations", 5, lambda row: row.sums["activation_memory"]),
    _bytes_column("live_memory", "live", 2, lambda row: row.live_memory),
    Column(
        "share", "share", 6, lambda row: None if row.share is None else round(row.share, 6), _share_text, right=False
    ),
)
COLUMNS = {column.name: column for column in EVERY}
SHOWN = tuple(column for column in EVERY if column.weight)


def choose_columns(names: str | None, default: tuple[Column[Row], ...] = SHOWN) -> tuple[Column[Row], ...]:
    """Return the columns named in a comma-separated list; `default` if `names` is None.

    Raises UnknownColumn if a column does not exist.
    """
    return find_columns(names, COLUMNS, default)
