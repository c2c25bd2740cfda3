"""Lists the metrics of a network, such as `params`: their names, and the headers under which tables show them.

`figure` takes a report and a name, such as `peak_memory`, and returns a whole number, or None if it is unknown.
"""

from typing import TYPE_CHECKING

from convcalc.exact import largest
from convcalc.spec.budget_metrics import MEASURED

if TYPE_CHECKING:
    from convcalc.analysis.report import Report
    from convcalc.metrics.budgets import Figures

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

ADDITIVE = (  # those that are the sums over the layers
    "layers",
    "params",
    "trainable_params",
    "buffers",
    "multiplications",
    "additions",
    "macs",
    "flops",
    "weight_memory",
    "activation_memory",
)
SHAPES = ("input_shape", "output_shape")  # figures that are texts, such as 3×224×224; several are joined by " + "
SWEPT = (*FIGURES, *MEASURED, *SHAPES)  # the columns of `convcalc sweep`


def figure(report: "Figures", name: str) -> int | None:
    """Return a metric that does not depend on a device, by its name; None if it is unknown.

    For `receptive_field`, this is the size of the receptive field on the axis where it is largest.
    """
    if name == "training_memory":
        return report.training().total
    if name == "receptive_field":
        size = report.totals.receptive_field.size
        return None if size is None else largest(0, *size)
    value: int | None = getattr(report.totals, name)
    return value


def figures_of(report: "Report") -> dict[str, int | None]:
    """Return all metrics of a network by name, such as `params`; an unknown one is None."""
    return {name: figure(report, name) for name in FIGURES}


def find_figure(name: str) -> str | None:
    """Return the key in `FIGURES` for a key or header such as `Peak memory` or `peak`; None if there is none."""
    words = name.lower().replace("_", " ")
    return next(
        (known for known, header in FIGURES.items() if words in (known.replace("_", " "), header.lower())), None
    )
