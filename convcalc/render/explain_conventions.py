"""Writes the output of `convcalc explain --conventions` as text, Markdown or JSON.

Without a network, this is a page that explains how convcalc and other tools count. With a network, it is a calculation
that leads from convcalc's total to the total of each tool.
"""

import json
from typing import Any

from convcalc.analysis.report import Report
from convcalc.explain.conventions import ASSUMPTIONS, PAGE, list_cautions
from convcalc.explain.counters import Reconciled, reconcile_tools
from convcalc.explain.tools import KERAS, TOOLS, Tool
from convcalc.render.layers import hang_text
from convcalc.render.lines import GAP, Line
from convcalc.render.markdown import escape
from convcalc.render.summary import heading_lines

_SCHEMA = "convcalc/conventions/2"
_WORDS = 17  # characters for the names of the conventions, to the left of their texts


# -- the page


def page_lines(width: int | None) -> list[Line]:
    """Return the page on how convcalc counts and how other tools count differently, as lines."""
    lines: list[Line] = [[("how convcalc counts", "title")], []]
    for name, text in PAGE:
        lines += hang_text(f"{name:<{_WORDS}}", text, width, "head")
    lines += [[], [("how other tools count differently", "title")]]
    for tool in TOOLS:
        lines += [[], _tool_line(tool), *hang_text("  ", tool.call, width, style="dim")]
        lines += [line for term in tool.terms for line in hang_text("  · ", term.what, width)]
    lines += [
        [],
        _tool_line(KERAS),
        *hang_text("  ", f"{KERAS.call}; its params include the running statistics", width),
    ]
    lines += [[], *hang_text("", ASSUMPTIONS, width, style="dim"), []]
    return [
        *lines,
        *hang_text("", "convcalc explain NET --conventions shows the numbers for a network.", width, style="dim"),
    ]


def _tool_line(tool: Tool) -> Line:
    return [(tool.name, "title"), (f"  {tool.version}", "dim")]


def page_markdown() -> str:
    """Return, as Markdown, the page on how convcalc counts and how other tools count differently."""
    lines = ["## How convcalc counts", "", *(f"- **{name}**: {escape(text)}" for name, text in PAGE), ""]
    lines += ["## How other tools count differently", ""]
    lines += ["| tool | version | in addition to the MACs |", "|---|---|---|"]
    for tool in TOOLS:
        lines.append(f"| {tool.name} | {tool.version} | {escape('; '.join(term.what for term in tool.terms))} |")
    return "\n".join([*lines, "", escape(ASSUMPTIONS), ""])


def page_json() -> str:
    """Return, as JSON text, the page on how convcalc counts and how other tools count differently."""
    conventions = {name.lower().replace(" ", "_"): text for name, text in PAGE}
    tools = [{**_tool_dict(tool), "terms": [term.what for term in tool.terms]} for tool in (*TOOLS, KERAS)]
    found = {"schema": _SCHEMA, "conventions": conventions, "assumptions": ASSUMPTIONS, "tools": tools}
    return json.dumps(found, indent=1) + "\n"


def _tool_dict(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "version": tool.version, "call": tool.call, "prints": tool.prints}


# -- one network


def reconciliation_lines(report: Report, width: int | None, assumptions: bool = True) -> list[Line]:
    """Return, for each tool, the calculation that leads from convcalc's total to the tool's total; then warnings.

    Without `assumptions`, the text on how the tools are assumed to be run is left out.
    """
    found = reconcile_tools(report)
    number = max(len(f"{tool.total:,}") for tool in found)
    lines = heading_lines(report, width)
    for tool in found:
        lines += [[], *_tool_lines(tool, number, width)]
    notes = [*list_cautions(report), *([ASSUMPTIONS] if assumptions else [])]
    hints = [line for text in notes for line in hang_text("", text, width, style="dim")]
    return [*lines, *([[]] if notes else []), *hints]


def _tool_lines(found: Reconciled, number: int, width: int | None) -> list[Line]:
    tool = found.tool
    lines = [[*_tool_line(tool), (f"{GAP}{tool.call}" if _call_fits(tool, width) else "", "dim")]]
    lines += hang_text(f"    {found.ours:>{number},}{GAP}", found.basis, width)
    for what, amount in found.terms:
        lines += hang_text(f"  {_sign(amount)} {abs(amount):>{number},}{GAP}", what, width)
    return [*lines, *hang_text(f"  = {found.total:>{number},}{GAP}", tool.prints, width, "title")]


def _call_fits(tool: Tool, width: int | None) -> bool:
    return width is None or len(tool.name) + len(tool.version) + len(tool.call) + 2 * len(GAP) <= width


def _sign(amount: int) -> str:
    return "+" if amount > 0 else "-"


def reconciliation_markdown(report: Report) -> str:
    """Return a Markdown table with the calculation that leads from convcalc's total to that of each tool."""
    lines = [
        f"### {escape(report.network.name)}: the totals of other tools",
        "",
        "| tool | term | count |",
        "|---|---|---:|",
    ]
    for found in reconcile_tools(report):
        tool = found.tool
        lines.append(f"| {tool.name} {tool.version} | {found.basis} | {found.ours:,} |")
        lines += [f"| | {_sign(amount)} {escape(what)} | {abs(amount):,} |" for what, amount in found.terms]
        lines.append(f"| | **= {tool.prints}** | **{found.total:,}** |")
    return "\n".join([*lines, "", *(f"{escape(text)}\n" for text in (*list_cautions(report), ASSUMPTIONS))])


def reconciliation_json(report: Report) -> str:
    """Return, as JSON text, how each tool's total follows from convcalc's total, and warnings about some tools."""
    tools = [
        {
            **_tool_dict(found.tool),
            found.basis.lower(): found.ours,
            "terms": [{"what": what, "count": amount} for what, amount in found.terms],
            "total": found.total,
        }
        for found in reconcile_tools(report)
    ]
    network = report.network
    found = {
        "schema": _SCHEMA,
        "name": network.name,
        "file": network.file,
        "tools": tools,
        "cautions": list_cautions(report),
    }
    return json.dumps(found, indent=1) + "\n"
