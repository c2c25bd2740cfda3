"""Computes sizes, padding and windows along one spatial axis, in integers.

Every function is about a single axis and knows nothing about layers. Sizes are in elements; `padding` is a pair
(before, after). In formulas, n is the input size, o the output size, k the kernel size, s the stride, p the padding and
d the dilation. For example, a kernel of 3 with stride 2 and padding (1, 1) on an input of 224:

>>> window_count(224, 3, 2, (1, 1), 1)
112

Sources: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning"; the formulas in
the documentation of `torch.nn.Conv2d`, `ConvTranspose2d` and `MaxPool2d`.
"""

from convcalc.exact import gcd, largest

Pair = tuple[int, int]


def effective_kernel_size(kernel_size: int, dilation: int) -> int:
    """Return the effective kernel size, d (k - 1) + 1: the number of inputs from the first tap to the last."""
    return dilation * (kernel_size - 1) + 1


def window_count(
    size: int, kernel_size: int, stride: int, padding: Pair, dilation: int, ceil_mode: bool = False
) -> int:
    """Return how many windows fit: floor((n + p_before + p_after - d (k - 1) - 1) / s) + 1; less than 1 if none fits.

    With `ceil_mode` the division is rounded up. A window that would start after the last input is then not counted, as
    in `torch.nn.MaxPool2d`.
    """
    room = size + padding[0] + padding[1] - effective_kernel_size(kernel_size, dilation)
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    starts_beyond = (count - 1) * stride >= size + padding[0]
    return count - starts_beyond


def window_formula(
    size: int, kernel_size: int, stride: int, padding: Pair, dilation: int, ceil_mode: bool = False
) -> str:
    """Return the formula of `window_count` as text, with the given numbers and the result."""
    rounding = "ceil" if ceil_mode else "floor"
    result = window_count(size, kernel_size, stride, padding, dilation, ceil_mode)
    before, after = padding
    return f"{rounding}(({size} + {before} + {after} - {dilation} × ({kernel_size} - 1) - 1) / {stride}) + 1 = {result}"


def same_padding(size: int, kernel_size: int, stride: int, dilation: int) -> Pair:
    """Return the padding (before, after) with which ceil(n / s) windows fit.

    If the total padding is odd, the extra element is added after the input. Source: TensorFlow, `tf.nn.convolution`,
    padding "SAME"; `torch.nn.Conv2d(padding="same")` at stride 1.
    """
    windows = -(-size // stride)
    total = largest((windows - 1) * stride + effective_kernel_size(kernel_size, dilation) - size, 0)
    return total // 2, total - total // 2


def causal_padding(kernel_size: int, dilation: int) -> Pair:
    """Return the padding (d (k - 1), 0): the window of output i then ends at input i × s, for any stride s.

    No output therefore depends on later inputs. Source: `keras.layers.Conv1D`, padding "causal".
    """
    return effective_kernel_size(kernel_size, dilation) - 1, 0


def transposed_size(size: int, kernel_size: int, stride: int, padding: Pair, dilation: int, output_padding: int) -> int:
    """Return a transposed convolution's size: (n - 1) s - p_before - p_after + d (k - 1) + output_padding + 1."""
    return (size - 1) * stride - padding[0] - padding[1] + effective_kernel_size(kernel_size, dilation) + output_padding


def transposed_formula(
    size: int, kernel_size: int, stride: int, padding: Pair, dilation: int, output_padding: int
) -> str:
    """Return the formula of `transposed_size` as text, with the given numbers and the result."""
    result = transposed_size(size, kernel_size, stride, padding, dilation, output_padding)
    return (
        f"({size} - 1) × {stride} - {padding[0]} - {padding[1]} + {dilation} × ({kernel_size} - 1)"
        f" + {output_padding} + 1 = {result}"
    )


def same_transposed_padding(kernel_size: int, stride: int, dilation: int, output_padding: int) -> tuple[Pair, int]:
    """Return the padding and output padding with which a transposed convolution's output size is n × s.

    If the total padding is odd, the extra element is at the end. If the effective kernel size d (k - 1) + 1 is less
    than the stride s, the returned output padding is at least s - d (k - 1) - 1. Source: TensorFlow,
    `tf.nn.conv2d_transpose`, "SAME".
    """
    output_padding = largest(output_padding, stride - effective_kernel_size(kernel_size, dilation))
    total = effective_kernel_size(kernel_size, dilation) + output_padding - stride
    return (total // 2, total - total // 2), output_padding


def adaptive_window_total(size: int, output_size: int) -> int:
    """Return the total length of all windows of an adaptive pooling, n + o - gcd(n, o).

    Window i goes from floor(i n / o) to ceil((i + 1) n / o), the end excluded.
    Source: `torch.nn.AdaptiveAvgPool2d`; the sum follows from the sum of floor(i n / o) over i < o, which
    is ((n - 1)(o - 1) + gcd(n, o) - 1) / 2 (Graham, Knuth, Patashnik, "Concrete Mathematics", 3.32).
    """
    return size + output_size - gcd(size, output_size)
