"""CV213 finds input shapes that look as if they had the axis order of another framework."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.axis_order import Misreading
from convcalc.check.rule import Rule
from convcalc.problems import Path, Problem
from convcalc.shape import AXIS_NAMES, Shape


class MisreadInput(Rule):
    """An input shape looks as if it had the batch first or the channels last.

    Such a shape is valid, but describes another input. In [1, 3, 224, 224], the leading 1 is taken as the one channel
    of a volume; in [224, 224, 3], the final 3 is taken as the width. Reported are a leading 1 before three sizes, and a
    final 1, 3 or 4 after two larger, equal sizes. If the shape is intended, name its axes:
    {channels: 1, depth: 64, height: 128, width: 128}.
    """

    code = "CV213"
    name = "misread-input"
    why = (
        "All results are then those of a different network: ResNet-18 with the input [1, 3, 224, 224] has 3-D kernels "
        "and 33.7 M params."
    )
    source = (
        "PyTorch writes the shape of a batch as (N, C, H, W), and Keras that of a sample as (H, W, C); convcalc "
        "expects one sample, channels first"
    )
    wrong = """\
input: [1, 3, 224, 224]
layers:
  - conv: {out_channels: 64, kernel_size: 7, stride: 2, padding: 3}
"""
    right = """\
input: [3, 224, 224]
layers:
  - conv: {out_channels: 64, kernel_size: 7, stride: 2, padding: 3}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Yield a finding for each input whose axis order is doubtful."""
        network = report.network
        for name, doubt in network.misread.items():
            path: Path = ("input",) if list(network.inputs) == ["input"] else ("inputs", name)
            shape = network.inputs[name]
            message = f"{name} {shape} is read as {_describe_reading(shape)}, but {doubt.why}"
            yield self.finding(path, message, _write_hint(name, shape, doubt))


def _describe_reading(shape: Shape) -> str:
    """Return how convcalc interprets a shape, such as `1 channel of 3×224×224`."""
    channels = f"{shape.channels} channel{'s' if shape.channels > 1 else ''}"
    return f"{channels} of {'×'.join(map(str, shape.spatial))}"


def _write_hint(name: str, shape: Shape, doubt: Misreading) -> str:
    """Return a hint with the sizes that were probably meant, and with a way to confirm the sizes in the spec."""
    if doubt.is_override:
        option = "--input " if name == "input" else f"--input {name}="
        return f"use {option}{','.join(map(str, doubt.likely))} if that is intended"
    named = zip(("channels", *AXIS_NAMES[shape.axes]), shape.sizes, strict=True)
    axes = ", ".join(f"{axis}: {size}" for axis, size in named)
    return f"if that is wrong, use {name}: {list(doubt.likely)}; if it is right, name the axes: {{{axes}}}"
