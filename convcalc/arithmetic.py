"""The arithmetic of one spatial axis, in whole numbers.

Every function takes and returns integers for a single axis and knows nothing of layers. Sizes are in
elements; `padding` is a pair (before, after).

Sources: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning"; the formulas in
the documentation of `torch.nn.Conv2d`, `ConvTranspose2d` and `MaxPool2d`.
"""

from math import gcd

Pair = tuple[int, int]


def extent(kernel_size: int, dilation: int) -> int:
    """Inputs from the first to the last that a dilated kernel reaches over: d (k - 1) + 1."""
    return dilation * (kernel_size - 1) + 1


def window_count(
    size: int, kernel_size: int, stride: int, padding: Pair, dilation: int, ceil_mode: bool = False
) -> int:
    """How many windows fit: floor((n + p_before + p_after - d (k - 1) - 1) / s) + 1, under 1 where none does.

    With `ceil_mode` the division rounds up, less one where the last window would start beyond the input
    and its leading padding (as in `torch.nn.MaxPool2d`).
    """
    room = size + padding[0] + padding[1] - extent(kernel_size, dilation)
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    starts_beyond = (count - 1) * stride >= size + padding[0]
    return count - starts_beyond


def window_formula(
    size: int, kernel_size: int, stride: int, padding: Pair, dilation: int, ceil_mode: bool = False
) -> str:
    """`window_count` as text with its numbers put in, its result at the end."""
    rounding = "ceil" if ceil_mode else "floor"
    result = window_count(size, kernel_size, stride, padding, dilation, ceil_mode)
    before, after = padding
    return f"{rounding}(({size} + {before} + {after} - {dilation} × ({kernel_size} - 1) - 1) / {stride}) + 1 = {result}"


def same_padding(size: int, kernel_size: int, stride: int, dilation: int) -> Pair:
    """The padding that gives ceil(n / stride) windows, the odd element after.

    Source: TensorFlow, `tf.nn.convolution`, padding "SAME"; `torch.nn.Conv2d(padding="same")` at stride 1.
    """
    windows = -(-size // stride)
    total = max((windows - 1) * stride + extent(kernel_size, dilation) - size, 0)
    return total // 2, total - total // 2


def transposed_size(size: int, kernel_size: int, stride: int, padding: Pair, dilation: int, output_padding: int) -> int:
    """Output size of a transposed convolution: (n - 1) s - p_before - p_after + d (k - 1) + output_padding + 1."""
    return (size - 1) * stride - padding[0] - padding[1] + extent(kernel_size, dilation) + output_padding


def transposed_formula(
    size: int, kernel_size: int, stride: int, padding: Pair, dilation: int, output_padding: int
) -> str:
    """`transposed_size` as text with its numbers put in, its result at the end."""
    result = transposed_size(size, kernel_size, stride, padding, dilation, output_padding)
    return (
        f"({size} - 1) × {stride} - {padding[0]} - {padding[1]} + {dilation} × ({kernel_size} - 1)"
        f" + {output_padding} + 1 = {result}"
    )


def transposed_same(kernel_size: int, stride: int, dilation: int, output_padding: int) -> tuple[Pair, int]:
    """The padding and output padding with which a transposed convolution gives n × stride.

    The odd element is cut after. A kernel that reaches less far than the stride leaves nothing to cut;
    the output padding then makes up the rest. Source: TensorFlow, `tf.nn.conv2d_transpose`, "SAME".
    """
    output_padding = max(output_padding, stride - extent(kernel_size, dilation))
    total = extent(kernel_size, dilation) + output_padding - stride
    return (total // 2, total - total // 2), output_padding


def adaptive_reads(size: int, output_size: int) -> int:
    """Inputs that the windows of an adaptive pooling read, added up over all its outputs.

    Window i goes from floor(i n / o) to ceil((i + 1) n / o); the lengths add up to n + o - gcd(n, o).
    Source: `torch.nn.AdaptiveAvgPool2d`; the sum follows from the sum of floor(i n / o) over i < o, which
    is ((n - 1)(o - 1) + gcd(n, o) - 1) / 2 (Graham, Knuth, Patashnik, "Concrete Mathematics", 3.32).
    """
    return size + output_size - gcd(size, output_size)
