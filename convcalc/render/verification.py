"""Our figures beside PyTorch's, for people and programs."""

import json
from typing import Any

from convcalc.convert.pytorch.verify import Compared, Figures, Verification
from convcalc.problems import printable, shortened
from convcalc.render.lines import Line

SCHEMA = "convcalc/verify/1"
GAP = "  "
TITLES = ("network", "layers", "params", "MACs", "PyTorch")
LEAST_NAME = 12
WORDS = {"output_shape": "output shape", "macs": "MACs"}
FIRST_TO_GO = (1, 2, 3)


def verification_lines(found: list[Verification], width: int | None) -> list[Line]:
    """A row a network, and below the rows every difference with both figures."""
    rows = [TITLES, *(cells(network) for network in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES))]
    columns = list(range(len(TITLES)))
    for column in FIRST_TO_GO:
        if width is not None and taken(columns, widths) - widths[0] + min(widths[0], LEAST_NAME) > width:
            columns.remove(column)
    if width is not None:
        widths[0] = max(min(widths[0], widths[0] + width - taken(columns, widths)), LEAST_NAME)
    lines = [row_line(row, columns, widths, "head" if not index else "") for index, row in enumerate(rows)]
    for network in found:
        lines += difference_lines(network)
    return lines


def taken(columns: list[int], widths: list[int]) -> int:
    """The width of columns with the gaps between them."""
    return sum(widths[column] for column in columns) + len(GAP) * (len(columns) - 1)


def cells(network: Verification) -> tuple[str, ...]:
    """A network's name and totals, and what PyTorch says to them."""
    total = network.report.totals
    return (
        printable(network.report.network.name),
        f"{total.layers:,}",
        known(total.params),
        known(total.macs),
        verdict(network),
    )


def known(count: int | None) -> str:
    """A count, `?` where it is not known."""
    return "?" if count is None else f"{count:,}"


def verdict(network: Verification) -> str:
    """Whether PyTorch agrees, and of how many layers nothing is known."""
    differences, unknown = len(network.differences), len(network.unknown)
    said = f"{differences} differ{'s' if differences == 1 else ''}" if differences else "agrees"
    return f"{said}, {unknown} unknown" if unknown else said


def row_line(row: tuple[str, ...], columns: list[int], widths: list[int], style: str) -> Line:
    """The line of a row; the verdict in the colour of what it says."""
    line: Line = []
    for column in columns:
        text = row[column].rjust(widths[column]) if column in FIRST_TO_GO else row[column]
        if column == 0:
            text = shortened(text, widths[0]).ljust(widths[0])
        differs = column == len(TITLES) - 1 and not row[column].startswith(("agrees", TITLES[-1]))
        line += [(text, "error" if differs else style), (GAP, "")]
    return line[:-1]


def difference_lines(network: Verification) -> list[Line]:
    """Every difference of a network, with both figures."""
    name = printable(network.report.network.name)
    lines: list[Line] = []
    for layer in network.differences:
        place: Line = [(f"{name}: {layer.name}", "place"), (f" ({layer.kind})", "dim")]
        lines += [[*place, (f": {said}", "")] for said in differences(layer)]
    return [[], *lines] if lines else []


def differences(layer: Compared) -> list[str]:
    """What is different, figure by figure."""
    if layer.pytorch is None:
        return [f"PyTorch refuses it: {layer.refusal}"]
    pairs = zip(figures(layer.ours).items(), figures(layer.pytorch).values(), strict=True)
    return [
        f"{WORDS.get(figure, figure)} {said(ours)} here, {said(theirs)} in PyTorch"
        for (figure, ours), theirs in pairs
        if ours != theirs
    ]


def figures(of: Figures) -> dict[str, Any]:
    """The figures by their names in JSON."""
    return {**of._asdict(), "output_shape": list(of.output_shape)}


def said(figure: Any) -> str:
    """A shape or a count."""
    return "×".join(map(str, figure)) if isinstance(figure, list) else f"{figure:,}"


def verification_json(found: list[Verification]) -> str:
    """The same for programs, with all layers."""
    networks = [
        {
            "name": network.report.network.name,
            "file": network.report.network.file,
            "agrees": not network.differences,
            "complete": not network.unknown,
            "layers": [layer_dict(layer) for layer in network.layers],
        }
        for network in found
    ]
    return json.dumps({"schema": SCHEMA, "networks": networks}, indent=1) + "\n"


def layer_dict(layer: Compared) -> dict[str, Any]:
    """What JSON holds of a layer: PyTorch's figures are null where there are none, with a word why."""
    pytorch = None if layer.pytorch is None else figures(layer.pytorch)
    why = {"refusal": layer.refusal} if layer.refusal else {}
    return {"name": layer.name, "kind": layer.kind, "ours": figures(layer.ours), "pytorch": pytorch, **why}
