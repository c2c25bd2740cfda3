"""Writes how long a network takes on a device, as text and as Markdown: the total, and a row per layer."""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.device.device_file import Figure
from convcalc.device.energy import Energy
from convcalc.device.latency import FUSED, Latency, LayerLatency, Range
from convcalc.problems import printable
from convcalc.render.cells import Cells, cell_markdown, cell_table
from convcalc.render.lines import Block, Line, wrap_facts
from convcalc.render.markdown import escape
from convcalc.render.mcu import cell_lines
from convcalc.units import (
    DURATION_UNITS,
    choose_scale,
    format_bytes,
    format_count,
    format_digits,
    format_duration,
    is_integer_type,
)

_JOULES = (("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6), ("nJ", 1e-9))
_LONGEST_NAME = 40
_MOST_NAMED = 3


class LatencyPage(NamedTuple):
    """What is shown besides the figures: heading, batch size, notes, energy, and how many layers to list (None: all).

    Listed are the layers that take longest, in the order of the network.
    """

    title: str
    facts: tuple[str, ...]
    file: str | None
    batch: int
    notes: tuple[str, ...]
    energy: Energy | None = None
    limit: int | None = None


def latency_lines(latency: Latency, page: LatencyPage, width: int | None) -> list[Block]:
    """Return the total, the layers that take longest, the energy if there is one, and notes."""
    shown = choose_layers(latency, page.limit)
    rest = len(latency.layers) - len(shown)
    facts = _list_total_facts(latency, page)
    more: list[Line] = [[(f"… and {_count_layers(rest)}{_rest_share(latency, shown)}", "dim")]] if rest else []
    return [
        [(printable(page.title), "title")],
        *wrap_facts(page.facts, width),
        *wrap_facts(describe_device(latency), width, "head"),
        [],
        [("latency ", "head"), (describe_total(latency), "title")],
        *(cell_lines(facts, width) if latency.total is None else wrap_facts(facts, width) if facts else []),
        [],
        cell_table(latency_columns(latency, shown), width, ""),
        *more,
        *_energy_lines(page.energy, width),
        *([[], *cell_lines(page.notes, width)] if page.notes else []),
    ]


def latency_markdown(latency: Latency, page: LatencyPage) -> str:
    """Return the same as Markdown."""
    total = " · ".join([f"latency {describe_total(latency)}", *_list_total_facts(latency, page)])
    lines = [f"**{escape(page.title)}**: {escape(' · '.join(page.facts))}", ""]
    lines += [f"{escape(' · '.join(describe_device(latency)))}", "", f"**{escape(total)}**", ""]
    lines += cell_markdown(latency_columns(latency, choose_layers(latency, page.limit)))
    if page.energy is not None:
        lines += ["", *cell_markdown(_energy_columns(page.energy))]
    return "\n".join([*lines, *(line for note in page.notes for line in ("", escape(note))), ""])


def choose_layers(latency: Latency, limit: int | None) -> list[LayerLatency]:
    """Return the layers that take longest, at most `limit`, in the order of the network; those of no time are left out.

    A layer whose time is unknown comes before all others.
    """
    order = sorted(
        (index for index, layer in enumerate(latency.layers) if layer.time is None or layer.time.high > 0),
        key=lambda index: -_measure(latency.layers[index]),
    )
    return [latency.layers[index] for index in sorted(order[:limit])]


def _measure(layer: LayerLatency) -> float:
    return float("inf") if layer.time is None else layer.time.high


def describe_device(latency: Latency) -> list[str]:
    """Return the facts about the device: its name, peak, bandwidth, ridge point, and mode."""
    device = latency.device
    facts = [printable(device.name), printable(device.description)]
    if latency.peak is None or latency.bandwidth is None:
        clock = device.figures["clock"]
        return [*facts, _format_rate(clock, "Hz") if clock else "", f"{latency.dtype}"]
    operations = "OPS" if is_integer_type(latency.dtype) else "FLOPS"
    facts += [f"{_format_rate(latency.peak, operations)} in {latency.dtype}"]
    facts += [_format_rate(latency.bandwidth, "B/s"), f"ridge point {latency.ridge:.4g} operations per byte"]
    what = "fused" if latency.mode == FUSED else "eager, a kernel per operation"
    return [*facts, what]


def _format_rate(figure: Figure, unit: str) -> str:
    """Return a figure of a device with its unit, such as `1.01 TB/s`."""
    text = format_count(int(figure.low))
    return f"{text}{unit}" if text[-1].isalpha() else f"{text} {unit}"


def format_time(time: Range | None) -> str:
    """Return a duration with three digits, such as `1.23 ms`; a range as `35.1 to 116 ms`; `?` if it is unknown."""
    if time is None:
        return "?"
    if time.low == time.high:
        return format_duration(time.high)
    unit, scale = choose_scale(time.high, DURATION_UNITS)
    return f"{format_digits(time.low / scale)} to {format_digits(time.high / scale)} {unit}"


def describe_total(latency: Latency) -> str:
    """Return the time of the network, such as `about 1.23 ms`; `?` if it is unknown."""
    return f"about {format_time(latency.total)}" if latency.total else "?"


def _list_total_facts(latency: Latency, page: LatencyPage) -> list[str]:
    """Return how the total is computed, and the samples per second; if it is unknown, the reasons."""
    total, efficiency = latency.total, latency.efficiency
    if total is None:
        return _explain_unknown(latency)
    facts = []
    if latency.ridge is not None:
        share = f"{efficiency.low:.2f}" + (f" to {efficiency.high:.2f}" if efficiency.high > efficiency.low else "")
        roof = Range(total.low * efficiency.high, total.low * efficiency.high)
        facts = [f"roofline {format_time(roof)}, divided by the efficiency of {share}"]
    if page.batch > 1 and total.high > 0:
        facts.append(f"about {page.batch / total.high:,.0f} samples per second")
    return facts


def _explain_unknown(latency: Latency) -> list[str]:
    """Return each reason why times are unknown, with the first layers that it applies to."""
    named: dict[str, list[str]] = {}
    for layer in latency.unknown:
        named.setdefault(layer.reason, []).append(f"{layer.name} ({layer.kind})")
    return [printable(f"{reason}: {_shorten_names(names)}") for reason, names in named.items()]


def _shorten_names(names: Sequence[str]) -> str:
    more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return ", ".join([*names[:_MOST_NAMED], *more])


def _count_layers(number: int) -> str:
    return f"{number:,} more layer{'s' if number != 1 else ''}"


def _rest_share(latency: Latency, shown: Sequence[LayerLatency]) -> str:
    total = latency.total
    if not total or not total.high:
        return ""
    share = 1 - sum(layer.time.high for layer in shown if layer.time) / total.high
    return f", {100 * max(share, 0):.1f}% of the time"


def latency_columns(latency: Latency, layers: Sequence[LayerLatency]) -> list[Cells]:
    """Return the columns of a table of layers: time, share, what limits the time, and the figures that explain it."""
    total = latency.total
    columns = [
        Cells("layer", [_cut(printable(layer.name)) for layer in layers], right=False),
        Cells("kind", [layer.kind for layer in layers], 3, right=False),
        Cells("time", [format_time(layer.time) for layer in layers]),
        Cells("share", [format_share(layer, total) for layer in layers], 7),
        Cells("bound", [layer.bound or "?" for layer in layers], 6, right=False),
        Cells("op/byte", [_format_intensity(layer) for layer in layers], 5),
        Cells("MACs", [format_count(layer.macs) for layer in layers], 4),
        Cells("moved", [format_bytes(layer.moved) for layer in layers], 4),
    ]
    return columns if latency.ridge is not None else [*columns[:4], columns[6]]


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else "…" + name[1 - _LONGEST_NAME :]


def format_share(layer: LayerLatency, total: Range | None) -> str:
    """Return the share of a layer in the time of the network, such as `12.3%`; `?` if it is unknown."""
    if layer.time is None or total is None or not total.high:
        return "?"
    return f"{100 * layer.time.high / total.high:.1f}%"


def _format_intensity(layer: LayerLatency) -> str:
    found = layer.intensity
    return "?" if found is None else f"{found:.3g}" if found < 1000 else f"{found:,.0f}"


# -- energy


def _energy_lines(energy: Energy | None, width: int | None) -> list[Block]:
    return [] if energy is None else [[], cell_table(_energy_columns(energy), width, "")]


def _energy_columns(energy: Energy) -> list[Cells]:
    rows = [
        (f"arithmetic in {energy.dtype} (Horowitz 2014, 45 nm)", energy.arithmetic),
        ("DRAM (Horowitz 2014: 1.3 nJ per 8 bytes)", energy.dram_horowitz),
        ("DRAM (Eyeriss: a word as 200 MACs)", energy.dram_eyeriss),
        ("arithmetic and DRAM only, a lower bound", energy.total),
    ]
    shown = [row for row in rows if row[1] is not None or row[0].startswith("arithmetic")]
    return [
        Cells("energy", [name for name, _ in shown], right=False),
        Cells("at least", [format_energy(joules) for _, joules in shown]),
    ]


def format_energy(joules: float | None) -> str:
    """Return an energy with three digits, such as `1.23 mJ`; `?` if it is unknown."""
    if joules is None:
        return "?"
    unit, scale = choose_scale(joules, _JOULES)
    return f"{format_digits(joules / scale)} {unit}"
