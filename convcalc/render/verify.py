"""Writes the comparison of convcalc's figures with those of PyTorch or an ONNX file, as text or JSON."""

import json
from typing import Any

from convcalc.convert.comparison import ComparedLayer, MeasuredFigures, Verification
from convcalc.problems import printable, shorten
from convcalc.render.lines import GAP, Block, Line, Styled, Table

_SCHEMA = "convcalc/verify/1"
_TITLES = ("network", "layers", "params", "MACs")
_LEAST_NAME = 12
_MOST_LAYERS = 20  # at most this many differing layers are listed
_MOST_UNKNOWN = 10  # at most this many layers that could not be compared are named
_WORDS = {
    "output_shape": "output shape",
    "macs": "MACs",
    "trainable_params": "trainable params",
    "buffers": "running statistics",
}
_FIRST_TO_GO = (1, 2, 3)


def verification_lines(found: list[Verification], width: int | None) -> list[Block]:
    """Return a table with one row per network, then the differences and the layers that could not be compared."""
    titles = (*_TITLES, found[0].source)
    rows = [titles, *(_cell_texts(network) for network in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
    columns = list(range(len(titles)))
    for column in _FIRST_TO_GO:
        if width is not None and _total_width(columns, widths) - widths[0] + min(widths[0], _LEAST_NAME) > width:
            columns.remove(column)
    if width is not None:
        widths[0] = max(min(widths[0], widths[0] + width - _total_width(columns, widths)), _LEAST_NAME)
    table = Table(
        [titles[column] for column in columns],
        [column in _FIRST_TO_GO for column in columns],
        [[_make_cell(row, column, widths[0]) for column in columns] for row in rows[1:]],
    )
    return [table, *(line for network in found for line in _difference_lines(network))]


def _total_width(columns: list[int], widths: list[int]) -> int:
    return sum(widths[column] for column in columns) + len(GAP) * (len(columns) - 1)


def _cell_texts(network: Verification) -> tuple[str, ...]:
    total = network.report.totals
    return (
        printable(network.report.network.name),
        f"{total.layers:,}",
        _count_text(total.params),
        _count_text(total.macs),
        _verdict_text(network),
    )


def _count_text(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _verdict_text(network: Verification) -> str:
    """Return the result for a network, such as `agrees` or `2 differ, 1 unknown`; unknown figures are not compared."""
    unknown = len(network.unknown)
    differences = len(network.differences) or sum(not total.agrees for total in network.totals)
    text = f"{differences} differ{'s' if differences == 1 else ''}" if differences else "agrees"
    return f"{text}, {unknown} unknown" if unknown else text


def _make_cell(row: tuple[str, ...], column: int, name_width: int) -> Styled:
    text = row[column]
    if column == 0:
        return shorten(text, name_width), ""
    return text, "error" if column == len(_TITLES) and "differ" in text else ""


def _difference_lines(network: Verification) -> list[Line]:
    name = printable(network.report.network.name)
    lines: list[Line] = [
        [(name, "place"), (f": {_both_text(total.name, total.ours, total.theirs, network.source)}", "")]
        for total in network.totals
        if not total.agrees
    ]
    for layer in network.differences[:_MOST_LAYERS]:
        place: Line = [(f"{name}: {printable(layer.name)}", "place"), (f" ({printable(layer.kind)})", "dim")]
        lines += [[*place, (f": {text}", "")] for text in _difference_texts(layer, network.source)]
    if len(network.differences) > _MOST_LAYERS:
        lines.append([(f"and {len(network.differences) - _MOST_LAYERS} more layers: -f json lists all", "dim")])
    if network.unknown:
        lines.append([(name, "place"), (f": not compared: {_name_unknown(network.unknown)}", "")])
    return [[], *lines] if lines else []


def _name_unknown(layers: list[ComparedLayer]) -> str:
    """Return the names of layers that could not be compared, such as `stem.mix (opaque), head (opaque) and 3 more`."""
    named = ", ".join(f"{printable(layer.name)} ({printable(layer.kind)})" for layer in layers[:_MOST_UNKNOWN])
    more = len(layers) - _MOST_UNKNOWN
    return f"{named} and {more:,} more: -f json lists all" if more > 0 else named


def _difference_texts(layer: ComparedLayer, source: str) -> list[str]:
    if layer.refusal:
        return [f"PyTorch rejects it: {layer.refusal}"]
    if layer.ours is None or layer.theirs is None:
        only, alone = ("the spec", layer.ours) if layer.theirs is None else (source, layer.theirs)
        assert alone is not None
        listed = [
            f"{_WORDS.get(key, key)} {_value_text(value)}" for key, value in _figures_dict(alone).items() if value
        ]
        return [f"only in {only}: {', '.join(listed)}"]
    pairs = zip(_figures_dict(layer.ours).items(), _figures_dict(layer.theirs).values(), strict=True)
    return [_both_text(figure, ours, theirs, source) for (figure, ours), theirs in pairs if ours != theirs]


def _both_text(figure: str, ours: Any, theirs: Any, source: str) -> str:
    """Return convcalc's and the other tool's value of a figure as text, such as `params 104 here, 112 in PyTorch`."""
    return f"{_WORDS.get(figure, figure)} {_value_text(ours)} here, {_value_text(theirs)} in {source}"


def _figures_dict(of: MeasuredFigures) -> dict[str, Any]:
    return {**of._asdict(), "output_shape": list(of.output_shape)}


def _value_text(figure: Any) -> str:
    """Return a shape, a list of shapes or a count as text; `?` for None (unknown)."""
    if isinstance(figure, list) and figure and not isinstance(figure[0], int):
        return ", ".join(map(_value_text, figure))
    return "×".join(map(str, figure)) if isinstance(figure, list | tuple) else _count_text(figure)


def verification_json(found: list[Verification]) -> str:
    """Return the comparison of all layers as JSON text, with the schema convcalc/verify/1."""
    networks = [
        {
            "name": network.report.network.name,
            "file": network.report.network.file,
            "agrees": network.agrees,
            "complete": not network.unknown,
            **_whole_dict(network),
            "layers": [_layer_dict(layer, network.source) for layer in network.layers],
        }
        for network in found
    ]
    return json.dumps({"schema": _SCHEMA, "networks": networks}, indent=1) + "\n"


def _whole_dict(network: Verification) -> dict[str, Any]:
    if not network.totals:
        return {}
    key = network.source.lower()
    return {"totals": {total.name: {"ours": total.ours, key: total.theirs} for total in network.totals}}


def _layer_dict(layer: ComparedLayer, source: str) -> dict[str, Any]:
    """Return a layer as JSON data; figures are None if convcalc or `source` does not have the layer."""
    ours, theirs = (None if each is None else _figures_dict(each) for each in (layer.ours, layer.theirs))
    why = {"refusal": layer.refusal} if layer.refusal else {}
    found = {"name": layer.name, "kind": layer.kind, "compared": layer.known, "ours": ours, source.lower(): theirs}
    return {**found, **why}
