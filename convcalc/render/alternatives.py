"""Writes alternatives to the convolutions of a network as a table, Markdown or JSON, for `convcalc alternatives`."""

import json
from collections.abc import Sequence
from typing import Any

from convcalc.alternatives.factorings import FACTORINGS, Convolution
from convcalc.alternatives.subjects import names_of, pattern_of
from convcalc.alternatives.weighing import Alternative, Found, Refused, cost_of
from convcalc.analysis.report import Report, field_dict
from convcalc.metrics.figures import FIGURES, figure, figures_of
from convcalc.problems import printable
from convcalc.render.cells import Cells, cell_markdown, cell_table
from convcalc.render.columns import field_text, is_marked_misaligned
from convcalc.render.grid import ALWAYS
from convcalc.render.layers import hang_text
from convcalc.render.legend import legend_lines, list_signs
from convcalc.render.lines import Block, Line, wrap_facts
from convcalc.render.markdown import escape, legend_markdown
from convcalc.render.summary import heading_lines
from convcalc.units import format_bytes, format_count

_SCHEMA = "convcalc/alternatives/2"
_SAME = "="
_CHANGES = {"macs": ALWAYS, "params": 7, "peak_memory": 2}  # network figures shown, with column weights
_NETWORK_ONLY = ("peak_memory", "training_memory")  # figures that only a network has, not a layer


def _ratio_text(before: int, after: int) -> str:
    """Return `after / before` as text, such as `0.30×`; empty if both are 0, and `∞` if only `before` is 0."""
    if not before:
        return "" if not after else "∞"
    ratio = after / before
    if 0 < ratio < 0.0005:
        return "<0.001×"
    digits = 3 if ratio < 0.0995 else 2 if ratio < 9.995 else 1 if ratio < 999.95 else 0
    return f"{ratio:,.{digits}f}×"


def _change_text(before: int | None, after: int | None) -> str:
    """Return the change in percent, such as `-12.3%`.

    The text is `=` if the values are equal, `?` if one is unknown, and empty if only `before` is 0.
    """
    if before is None or after is None:
        return "?"
    if before == after:
        return _SAME
    return "" if not before else f"{100 * (after - before) / before:+,.1f}%"


def _format_new_field(alternative: Alternative) -> str:
    return _SAME if alternative.same_field else field_text(alternative.after)


def _format_new_shape(alternative: Alternative) -> str:
    return _SAME if alternative.same_shape else str(alternative.after.output_shape)


def _make_columns(report: Report, found: Sequence[Alternative], by: str, hide_layer: bool) -> list[Cells]:
    """Return the columns of the table, which has one row per alternative.

    Costs of the layer are shown as the ratio of new to old cost. Costs of the network are shown as changes in percent;
    the change of the metric `by` is always among them. With `hide_layer`, the column `layer` is left out.
    """

    def ratios(name: str) -> list[str]:
        figures = [(alternative.option.before, alternative.option.after) for alternative in found]
        return [_ratio_text(getattr(before, name), getattr(after, name)) for before, after in figures]

    def changes(name: str) -> Cells:
        old = figure(report, name)
        texts = [_change_text(old, figure(alternative.report, name)) for alternative in found]
        title = FIGURES[name] if name in _NETWORK_ONLY else f"all {FIGURES[name]}"
        return Cells(title, texts, ALWAYS if name == by else _CHANGES.get(name, 0))

    convs = {alternative.option.conv.path: alternative.option.conv for alternative in found}
    patterns = {path: pattern_of(conv, report.network) for path, conv in convs.items()}
    layer = [printable(patterns[alternative.option.conv.path]) for alternative in found]
    what = [FACTORINGS[alternative.option.factoring].what for alternative in found]
    return [
        *([] if hide_layer else [Cells("layer", layer, right=False)]),
        Cells("alternative", [alternative.option.factoring for alternative in found], right=False),
        Cells("what", what, 1, right=False),
        Cells("params", ratios("params"), 6),
        Cells("MACs", ratios("macs"), 8),
        Cells("weights", ratios("weight_memory"), 1),
        Cells("activations", ratios("activation_memory"), 4),
        Cells("field", list(map(_format_new_field, found)), 5),
        Cells("output", list(map(_format_new_shape, found)), 3),
        *map(changes, dict.fromkeys([*_CHANGES, by])),
    ]


def alternative_lines(
    report: Report,
    chosen: Sequence[Convolution],
    found: Found,
    by: str,
    width: int | None,
) -> list[Block]:
    """Return a heading, the table of alternatives, the number of alternatives left out, and a legend.

    `chosen` are the convolutions that the user selected. If the user selected a single one, its cost and the reasons
    why some alternatives cannot replace it are shown too. `by` is the metric that ranks the alternatives.
    """
    one = len(chosen) == 1
    lines: list[Block] = [*heading_lines(report, width), []]
    if one:
        lines += [*_describe_convolution(report, chosen[0], width), []]
    shown = found.alternatives
    table = cell_table(_make_columns(report, shown, by, one), width, "") if shown else None
    lines.append(table or [(_none_text(found, by), "dim")])
    if found.more:
        text = f"and {found.more:,} more: --limit 0 lists all, LAYER only those of one layer"
        lines += hang_text("", text, width, style="dim")
    if one:
        lines += [[(_explain_refusal(one_refused), "dim")] for one_refused in found.refused]
    signs = _make_legend(shown, table.titles, [text for row in table.rows for text, _ in row]) if table else []
    return [*lines, *legend_lines(signs, width)]


def _make_legend(found: Sequence[Alternative], titles: Sequence[str], texts: Sequence[str]) -> list[str]:
    marked = any(is_marked_misaligned(one.after) for one in found if not one.same_field)
    same = [f"{_SAME} unchanged"] if _SAME in texts else []
    return [*same, *list_signs((), "field" in titles and marked)]


def _none_text(found: Found, by: str) -> str:
    return f"no alternative lowers {FIGURES[by]}" if found.only_lower else "no alternatives"


def _explain_refusal(refused: Refused) -> str:
    what = f"not {refused.factoring}" if refused.factoring else "cannot be changed"
    return f"{what}: {printable(refused.reason)}"


def _describe_convolution(report: Report, conv: Convolution, width: int | None) -> list[Line]:
    """Return the name, arguments and shapes of a convolution, and the total cost of all layers built from its entry."""
    layers = [report.layers[node] for node in conv.nodes]
    first, times, spent = layers[0], len(layers), cost_of(conv, report.network)
    facts = [
        f"{first.kind} {first.layer.glance()}",
        f"{first.layer.input} → {first.output_shape}" + (f" and {times - 1:,} more" if times > 1 else ""),
        f"params {format_count(spent.params)}",
        f"MACs {format_count(spent.macs)}",
        f"weights {format_bytes(spent.weight_memory)}",
        f"activations {format_bytes(spent.activation_memory)}",
        f"field {field_text(first)}",
    ]
    return [[(printable(pattern_of(conv, report.network)), "title")], *wrap_facts(facts, width)]


def alternative_markdown(report: Report, found: Found, by: str) -> str:
    """Return a Markdown table of the alternatives; `by` is the metric that ranks them."""
    lines = [f"### Alternatives in {escape(report.network.name)}", ""]
    columns = _make_columns(report, found.alternatives, by, False)
    lines += cell_markdown(columns) if found.alternatives else [_none_text(found, by)]
    texts = [text for column in columns for text in column.texts]
    lines += legend_markdown(_make_legend(found.alternatives, [column.title for column in columns], texts))
    return "\n".join([*lines, *(["", f"and {found.more:,} more"] if found.more else []), ""])


def alternative_json(report: Report, found: Found, by: str) -> str:
    """Return the alternatives as JSON text, with exact costs before and after; `by` is the metric that ranks them."""
    answer = {
        "schema": _SCHEMA,
        "name": report.network.name,
        "file": report.network.file,
        "by": by,
        "network": figures_of(report),
        "alternatives": [_alternative_dict(report, alternative) for alternative in found.alternatives],
        "more": found.more,
        "refused": [
            {"layers": names_of(one.conv, report.network), "alternative": one.factoring or None, "reason": one.reason}
            for one in found.refused
        ],
    }
    return json.dumps(answer, indent=1) + "\n"


def _alternative_dict(report: Report, alternative: Alternative) -> dict[str, Any]:
    option = alternative.option
    return {
        "layers": names_of(option.conv, report.network),
        "pattern": pattern_of(option.conv, report.network),
        "alternative": option.factoring,
        "source": FACTORINGS[option.factoring].source,
        "entries": [{word: arguments} for word, arguments in option.entries],
        "before": option.before._asdict(),
        "after": option.after._asdict(),
        "network": figures_of(alternative.report),
        "output_shape": {"same": alternative.same_shape, "sizes": list(alternative.after.output_shape.sizes)},
        "receptive_field": {"same": alternative.same_field, **field_dict(alternative.after.receptive_field)},
    }


def applied_line(before: Report, after: Report, entries: int) -> str:
    """Return a line with the network's MACs and params before and after alternatives were applied.

    `entries` is the number of spec entries that were changed.
    """
    old, new = before.totals, after.totals
    counted = "1 entry" if entries == 1 else f"{entries} entries"
    return (
        f"{counted} changed: MACs {format_count(old.macs)} → {format_count(new.macs)} "
        f"({_change_text(old.macs, new.macs)}), params {format_count(old.params)} → {format_count(new.params)} "
        f"({_change_text(old.params, new.params)})"
    )
