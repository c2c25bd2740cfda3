"""Contains the text of `convcalc explain --conventions` on how convcalc counts, and warnings about other tools."""

from convcalc.analysis.report import Report
from convcalc.explain.counters import count_untraced_macs
from convcalc.explain.tools import COMPOSED, MODULELESS
from convcalc.layers.base import Layer

PAGE: tuple[tuple[str, str], ...] = (
    (
        "MACs",
        "the multiplications of convolution, transposed convolution, locally connected and linear layers, of the "
        "matrix products in attention and recurrent layers, and of blurpool, a convolution with fixed weights. This is "
        "the convention of papers and of torchvision's published figures. A bias is not a MAC. Products with padding "
        "count, because a kernel does the same work at the border.",
    ),
    (
        "FLOPs",
        "multiplications + additions of every layer: a sum of n products is n multiplications and n - 1 additions, a "
        "bias is one more addition. A division counts as a multiplication, and a subtraction as an addition. "
        "Comparisons, exponentials and other functions are not counted.",
    ),
    (
        "transposed",
        "a transposed convolution multiplies every input value once by every weight of its kernel; products count even "
        "if padding then crops them. Counting the kernel at every output position instead would give about stride² "
        "times as many.",
    ),
    (
        "norms",
        "a batch norm costs one multiplication and one addition per value, because its statistics are constants at "
        "inference; other norms also compute the statistics of their input.",
    ),
    ("params", "learnt elements; running statistics are buffers. Weights shared by several layers count once."),
    ("batch", "operations and activation memory are for the whole batch; weight memory does not depend on it."),
    (
        "memory",
        "elements × the bits of their data type / 8. Activations are the sum of all outputs; the peak is the most "
        "memory that is live at once. A tensor is live from the layer that produces it to the last layer that uses it; "
        "an in-place operation writes its output over its input. Only tensors count, not the scratch space of kernels.",
    ),
    (
        "receptive field",
        "the region of the input on which an interior output position depends, not clipped at the border. A sliding "
        "window enlarges it to field + (k_eff - 1) × jump, where k_eff = d (k - 1) + 1 is the effective kernel size "
        "and jump is the cumulative stride.",
    ),
)
ASSUMPTIONS = (
    "The totals of other tools are those for one sample in evaluation mode, if the network is written in PyTorch with "
    "one module per layer, numeric padding, sums as +, products as *, and global average pooling as adaptive pooling "
    "to 1. If functions are used instead of modules, ptflops, thop and torchinfo count differently. The total of the "
    "TF profiler is that of the same network in Keras."
)


def list_cautions(report: Report) -> list[str]:
    """Return warnings about tools whose total for this network may differ from the total that convcalc derives."""
    found = [f"for one sample, not for the batch of {report.network.batch:,}"] if report.network.batch > 1 else []
    hidden = count_untraced_macs(report)
    if hidden:
        found.append(
            f'fvcore and mmengine print {hidden:,} less if convolutions are written with padding="same", which they do '
            "not count"
        )
    names = ", ".join(layer.name for layer in report.layers if _has_uneven_factors(layer.layer))
    if names:
        found.append(f"{names}: calflops cannot run upsampling by factors that differ between the axes")
    unclear = (*MODULELESS, *COMPOSED, "scale", "shift", "deform_conv")
    kinds = sorted(
        {layer.kind for layer in report.layers if layer.kind in unclear or (layer.kind == "opaque" and layer.macs)}
    )
    if kinds:
        found.append(f"{' and '.join(kinds)}: the count depends on how the layer is written")
    names = ", ".join(layer.name for layer in report.layers if layer.macs is None)
    if names:
        found.append(f"{names}: the cost is unknown and not included in any total")
    return found


def _has_uneven_factors(layer: Layer) -> bool:
    return layer.kind == "upsample" and len(set(layer.arguments().get("scale_factor") or ())) > 1
