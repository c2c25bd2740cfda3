"""How figures are counted here, on one page."""

from convcalc.analysis.report import Report
from convcalc.explain.counters import MODULELESS, count_untraced_macs

PAGE: tuple[tuple[str, str], ...] = (
    (
        "MACs",
        "the multiplications of convolution, transposed convolution, locally connected and linear layers, and of "
        "blurpool, a convolution with fixed weights: the convention of papers and of torchvision's published figures. "
        "A bias is no MAC. Products with padding count: a kernel does the same work at the border.",
    ),
    (
        "FLOPs",
        "multiplications + additions of every layer: a sum of n products is n multiplications and n - 1 additions, its "
        "bias one more. A division counts as a multiplication, a subtraction as an addition. Comparisons, exponentials "
        "and other functions are not counted.",
    ),
    (
        "transposed",
        "a transposed convolution is charged by its input positions: every input meets every tap once, cropped ones "
        "included. Charged by its output positions it would cost about stride² times as much.",
    ),
    (
        "norms",
        "a batch norm is one multiplication and one addition a value, as its statistics are constants at inference; "
        "other norms also find the statistics of their input.",
    ),
    ("params", "learnt elements; running statistics are buffers. Weights that several layers use count once."),
    ("batch", "operations and the memory of activations are for the whole batch, weights for one model."),
    (
        "memory",
        "elements × the bits of their data type / 8. Activations are all outputs added up; the peak is the most that "
        "is live at once, each tensor from the layer that makes it to its last reader, with reuse in place. Tensors "
        "only: no scratch space of kernels.",
    ),
    (
        "receptive field",
        "the region of the input that an interior position sees, not clipped at the border: "
        "field + (extent - 1) × jump for every sliding window, with extent = d (k - 1) + 1.",
    ),
)
ASSUMPTIONS = (
    "The tools are taken as run on one sample, in evaluation mode, of the network written in PyTorch with one module a "
    "layer, padding in numbers, sums as +, products as *, and global average pooling as adaptive pooling to 1. "
    "Functions in place of modules change what ptflops, thop and torchinfo see."
)


def list_cautions(report: Report) -> list[str]:
    """What of a network a tool may count in another way than is shown."""
    found = [f"of one sample, not of the batch of {report.network.batch:,}"] if report.network.batch > 1 else []
    hidden = count_untraced_macs(report)
    if hidden:
        found.append(
            f'fvcore prints {hidden:,} less where convolutions are written with padding="same", which it misses'
        )
    kinds = sorted({layer.kind for layer in report.layers if layer.kind in (*MODULELESS, "scale")})
    if kinds:
        found.append(f"{' and '.join(kinds)}: what is counted depends on how it is written")
    if report.uncounted:
        found.append(f"{', '.join(layer.name for layer in report.uncounted)}: not known, and left out of every total")
    return found
