"""The one list of a network's figures: their names, and the headers under which tables show them.

`figure` takes a report and a name, such as `peak_memory`, and returns a whole number, or None if it is unknown.
"""

from convcalc.analysis import budgets
from convcalc.analysis.report import Report

FIGURES: dict[str, str] = {
    "layers": "layers",
    "params": "params",
    "trainable_params": "trainable",
    "buffers": "buffers",
    "multiplications": "multiplications",
    "additions": "additions",
    "macs": "MACs",
    "flops": "FLOPs",
    "weight_memory": "weights",
    "activation_memory": "activations",
    "peak_memory": "peak",
    "training_memory": "training",
    "receptive_field": "field",
}


def figure(report: Report, name: str) -> int | None:
    """Return one figure of a network: a count, bytes or, for the receptive field, its largest side in positions.

    It is None if it is unknown.
    """
    if name == "training_memory":
        return report.training().total
    if name == "receptive_field":
        size = report.totals.receptive_field.size
        return None if size is None else max(size, default=0)
    return budgets.figure(report, name)


def figures_of(report: Report) -> dict[str, int | None]:
    """Return all figures of a network."""
    return {name: figure(report, name) for name in FIGURES}


def find_figure(name: str) -> str | None:
    """Return the name of a figure given by its name, with or without underscores, or by its printed header, or None."""
    words = name.lower().replace("_", " ")
    return next(
        (known for known, header in FIGURES.items() if words in (known.replace("_", " "), header.lower())), None
    )
