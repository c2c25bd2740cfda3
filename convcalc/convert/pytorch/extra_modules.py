"""Defines layers that PyTorch has no module for. An exported module contains copies of the classes that it uses."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class SeparableConv(nn.Sequential):
    """A depthwise convolution, then a 1×1 one."""

    def __init__(self, depthwise: nn.Module, pointwise: nn.Module) -> None:
        super().__init__()
        self.depthwise = depthwise
        self.pointwise = pointwise


class StandardizedConv(nn.Module):
    """A convolution whose weights are normalised per output channel before use (Qiao et al. 2019)."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        weight = self.conv.weight
        flat = functional.batch_norm(weight.reshape(1, len(weight), -1), None, None, training=True, eps=1e-6)
        return self.conv._conv_forward(x, flat.reshape_as(weight), self.conv.bias)


class LocallyConnected(nn.Module):
    """A convolution without weight sharing: each position has its own kernel and biases."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        output_size: tuple[int, ...],
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...] | None = None,
        dilation: tuple[int, ...] | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        ones = (1,) * len(kernel_size)
        self.windows = list(zip(kernel_size, stride or ones, dilation or ones, strict=True))
        positions, taps = torch.Size(output_size).numel(), torch.Size(kernel_size).numel()
        self.weight = nn.Parameter(torch.randn(positions, out_channels, in_channels * taps))
        self.bias = nn.Parameter(torch.zeros(out_channels, *output_size)) if bias else None
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        for axis, (kernel, stride, dilation) in enumerate(self.windows, start=2):
            x = x.unfold(axis, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
        x = x.flatten(2 + len(self.windows)).movedim(1, -2).flatten(-2).flatten(1, -2)
        x = torch.bmm(x.transpose(0, 1), self.weight.transpose(1, 2))  # one matrix per position
        x = x.permute(1, 2, 0).unflatten(2, self.output_size)
        return x if self.bias is None else x + self.bias


class HalfBatchNorm(nn.Module):
    """A batch norm that learns either a scale or a bias per channel, but not both."""

    def __init__(self, num_features: int, scale: bool, center: bool, track_running_stats: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features)) if scale else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if center else None
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)

    def forward(self, x: Tensor) -> Tensor:
        of_batch = self.training or self.running_mean is None
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, of_batch)


class GlobalAvgPool(nn.Module):
    """The mean of each channel, as a vector."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=tuple(range(2, x.dim())))


class GlobalMaxPool(nn.Module):
    """The largest value of each channel, as a vector."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(dim=tuple(range(2, x.dim())))


class MaxUnpool(nn.Module):
    """The inverse of max pooling, with each value placed at the start of its window."""

    def __init__(
        self,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...] | None = None,
        padding: tuple[tuple[int, int], ...] | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride or kernel_size
        self.cut = [-side for pair in reversed(padding or ()) for side in pair]

    def forward(self, x: Tensor) -> Tensor:
        spans = [(n - 1) * s for n, s in zip(x.shape[2:], self.stride, strict=True)]
        spread = x.new_zeros(*x.shape[:2], *(span + k for span, k in zip(spans, self.kernel_size, strict=True)))
        places = [slice(0, span + 1, s) for span, s in zip(spans, self.stride, strict=True)]
        spread[(..., *places)] = x
        return functional.pad(spread, self.cut)


class BlurPool(nn.Module):
    """A fixed binomial low-pass filter over the reflected input, keeping every stride-th value (Zhang 2019)."""

    def __init__(self, channels: int, kernel_size: tuple[int, ...] = (3, 3), stride: tuple[int, ...] = (2, 2)) -> None:
        super().__init__()
        self.stride = stride
        self.sides = [side for k in reversed(kernel_size) for side in ((k - 1) // 2, k // 2)]
        self.convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[len(kernel_size) - 1]
        kernel = torch.ones(())
        for k in kernel_size:
            taps = torch.ones(1)
            for _ in range(k - 1):
                taps = (functional.pad(taps, (0, 1)) + functional.pad(taps, (1, 0))) / 2
            kernel = kernel.unsqueeze(-1) * taps
        self.register_buffer("kernel", kernel.expand(channels, 1, *kernel_size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, self.sides, mode="reflect")
        return self.convolve(x, self.kernel, stride=self.stride, groups=x.shape[1])


class ChannelsLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels at each position."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class TokensLinear(nn.Linear):
    """A linear layer for every token, with the features before the tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head attention over the positions of a map or sequence, or between windows or grids of it."""

    def __init__(
        self,
        channels: int,
        heads: int,
        key_dim: int,
        value_dim: int,
        out_channels: int,
        kv_channels: int | None = None,
        window: tuple[int, ...] | None = None,
        grid: tuple[int, ...] | None = None,
        bias: bool = True,
        kv_stride: tuple[int, ...] | None = None,
        bias_sizes: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        kv_channels = kv_channels or channels
        self.heads, self.region, self.is_grid = heads, window or grid, grid is not None
        self.query = nn.Linear(channels, heads * key_dim, bias)
        self.key = nn.Linear(kv_channels, heads * key_dim, bias)
        self.value = nn.Linear(kv_channels, heads * value_dim, bias)
        self.output = nn.Linear(heads * value_dim, out_channels, bias)
        self.reduce = None
        if kv_stride is not None:
            convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(kv_stride) - 1]
            self.reduce = convolution(channels, channels, kv_stride, kv_stride, bias=bias)
            self.norm = nn.LayerNorm(channels)
        self.bias_sizes = bias_sizes
        if bias_sizes is not None:
            self.position_bias = nn.Parameter(torch.zeros(heads, *(2 * size - 1 for size in bias_sizes)))

    def forward(self, x: Tensor, kv: Tensor | None = None) -> Tensor:
        if self.region is not None:
            return self.attend_to_regions(x, self.region)
        tokens = x.flatten(2).mT
        if self.reduce is not None:
            given = self.norm(self.reduce(x).flatten(2).mT)
        else:
            given = tokens if kv is None else kv.flatten(2).mT
        attended = self.attend(tokens, given)
        return attended.mT.unflatten(2, x.shape[2:])

    def attend(self, tokens: Tensor, kv: Tensor) -> Tensor:
        queries, keys, values = (
            made.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for made in (self.query(tokens), self.key(kv), self.value(kv))
        )
        bias = None if self.bias_sizes is None else self.spread_bias(self.bias_sizes)
        attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
        return self.output(attended.transpose(1, 2).flatten(2))

    def spread_bias(self, sizes: tuple[int, ...]) -> Tensor:
        """Return the bias of every pair of positions, (heads, positions, positions), by their distance on each axis."""
        bias, axes = self.position_bias, range(1, 2 * len(sizes), 2)
        for axis, size in zip(axes, sizes, strict=True):
            places = torch.arange(size, device=bias.device)
            distances = places[:, None] - places + size - 1
            bias = bias.index_select(axis, distances.flatten()).unflatten(axis, (size, size))
        count = torch.Size(sizes).numel()
        return bias.permute(0, *axes, *(axis + 1 for axis in axes)).reshape(-1, count, count)

    def attend_to_regions(self, x: Tensor, region: tuple[int, ...]) -> Tensor:
        axes, sizes = len(region), zip(x.shape[2:], region, strict=True)
        parts = [(part, n // part) if self.is_grid else (n // part, part) for n, part in sizes]
        first, second = list(range(2, 2 + 2 * axes, 2)), list(range(3, 3 + 2 * axes, 2))
        order = [0, *second, *first, 1] if self.is_grid else [0, *first, *second, 1]
        split = x.reshape(*x.shape[:2], *(size for pair in parts for size in pair)).permute(order)
        tokens = split.reshape(-1, torch.Size(region).numel(), x.shape[1])
        attended = self.attend(tokens, tokens).reshape(*split.shape[:-1], -1)
        return attended.permute([order.index(axis) for axis in range(len(order))]).reshape(len(x), -1, *x.shape[2:])


class Learnt(nn.Module):
    """A learnt tensor, without input; it is broadcast to all samples of the batch."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, *shape))

    def forward(self) -> Tensor:
        return self.weight


class MatMul(nn.Module):
    """The matrix product of two inputs, optionally transposed."""

    def __init__(self, transpose_first: bool = False, transpose_second: bool = False) -> None:
        super().__init__()
        self.transpose_first = transpose_first
        self.transpose_second = transpose_second

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x.mT if self.transpose_first else x) @ (y.mT if self.transpose_second else y)


class Embedding(nn.Embedding):
    """An embedding of the integers in one channel, with the channels first."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.squeeze(1).long()).movedim(-1, 1)


class ChannelsLSTM(nn.LSTM):
    """An LSTM over a sequence with the channels before the steps."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(2, 0, 1))[0].permute(1, 2, 0)


class ChannelsGRU(nn.GRU):
    """A GRU over a sequence with the channels before the steps."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(2, 0, 1))[0].permute(1, 2, 0)


class ConvLSTM(nn.Module):
    """A convolutional LSTM; the first axis after the channels is time."""

    def __init__(self, axes: int, in_channels: int, hidden_size: int, kernel_size: int = 3, bias: bool = True) -> None:
        super().__init__()
        convolution = nn.Conv1d if axes == 1 else nn.Conv2d
        sizes = (in_channels + hidden_size, 4 * hidden_size, kernel_size)
        self.gates = convolution(*sizes, padding=kernel_size // 2, bias=bias)
        self.hidden_size = hidden_size

    def forward(self, x: Tensor) -> Tensor:
        state = cell = x.new_zeros(len(x), self.hidden_size, *x.shape[3:])
        states = []
        for step in x.unbind(2):
            read, forget, content, write = self.gates(torch.cat((step, state), dim=1)).chunk(4, dim=1)
            cell = forget.sigmoid() * cell + read.sigmoid() * content.tanh()
            state = write.sigmoid() * cell.tanh()
            states.append(state)
        return torch.stack(states, dim=2)


class PositionsSoftmax(nn.Module):
    """Softmax over all positions of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).softmax(dim=2).view_as(x)


class PositionsLogSoftmax(nn.Module):
    """The logarithm of softmax over all positions of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).log_softmax(dim=2).view_as(x)


class GlobalResponseNorm(nn.Module):
    """Scales each channel by its norm over all positions, divided by the mean of these norms (Woo et al. 2023)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(range(2, x.dim()))
        weight, bias = (learnt.view(-1, *(1,) * len(axes)) for learnt in (self.weight, self.bias))
        norms = torch.linalg.vector_norm(x, dim=axes, keepdim=True)
        scaled = x * (norms / (norms.mean(dim=1, keepdim=True) + 1e-6))
        return x + torch.addcmul(bias, weight, scaled)


class Scale(nn.Module):
    """One learnt factor per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.view(-1, *(1,) * (x.dim() - 2))


class ScaleBy(nn.Module):
    """Multiplies all values by a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Shift(nn.Module):
    """One learnt bias per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.view(-1, *(1,) * (x.dim() - 2))


class ShiftBy(nn.Module):
    """Adds a number to all values."""

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount

    def forward(self, x: Tensor) -> Tensor:
        return x + self.amount


class DropPath(nn.Module):
    """Drops whole paths at random in training (stochastic depth)."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = torch.rand(len(x), *(1,) * (x.dim() - 1), device=x.device) >= self.p
        return x * kept / (1 - self.p)


class PixelShuffleNd(nn.Module):
    """Moves values from channels to spatial axes."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, x: Tensor) -> Tensor:
        axes, r = x.dim() - 2, self.upscale_factor
        sizes = [n * r for n in x.shape[2:]]
        x = x.reshape(len(x), -1, *(r,) * axes, *x.shape[2:])
        order = [place for axis in range(axes) for place in (2 + axes + axis, 2 + axis)]
        return x.permute(0, 1, *order).reshape(len(x), -1, *sizes)


class PixelUnshuffleNd(nn.Module):
    """Moves values from spatial axes to channels."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, x: Tensor) -> Tensor:
        axes, r = x.dim() - 2, self.downscale_factor
        sizes = [n // r for n in x.shape[2:]]
        x = x.reshape(*x.shape[:2], *(size for n in sizes for size in (n, r)))
        order = [*range(3, 3 + 2 * axes, 2), *range(2, 2 + 2 * axes, 2)]
        return x.permute(0, 1, *order).reshape(len(x), -1, *sizes)


class Crop(nn.Module):
    """Removes elements before and after each spatial axis."""

    def __init__(self, amount: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.amount = amount

    def forward(self, x: Tensor) -> Tensor:
        for axis, (before, after) in enumerate(self.amount, start=2):
            x = x.narrow(axis, before, x.shape[axis] - before - after)
        return x


class Reshape(nn.Module):
    """Reshapes each sample."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.shape)


class Slice(nn.Module):
    """Selects every step-th position from start up to, but not including, stop."""

    def __init__(self, start: int, stop: int, step: int = 1, dim: int = 1) -> None:
        super().__init__()
        self.places = slice(start, stop, step)
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return x[(slice(None),) * self.dim + (self.places,)]


class Permute(nn.Module):
    """Changes the order of the axes; the batch is axis 0."""

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)


class Mean(nn.Module):
    """The mean over some axes; the channels are kept with size 1."""

    def __init__(self, dim: tuple[int, ...], keepdim: bool = True) -> None:
        super().__init__()
        self.dim = dim
        self.dropped = () if keepdim else [axis for axis in dim if axis > 1]

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.dim, keepdim=True).squeeze(self.dropped)


class Sum(nn.Module):
    """The sum over some axes; the channels are kept with size 1."""

    def __init__(self, dim: tuple[int, ...], keepdim: bool = True) -> None:
        super().__init__()
        self.dim = dim
        self.dropped = () if keepdim else [axis for axis in dim if axis > 1]

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(self.dim, keepdim=True).squeeze(self.dropped)


class Std(nn.Module):
    """The standard deviation over some axes; the channels are kept with size 1."""

    def __init__(self, dim: tuple[int, ...], correction: int = 1, keepdim: bool = True) -> None:
        super().__init__()
        self.dim = dim
        self.correction = correction
        self.dropped = () if keepdim else [axis for axis in dim if axis > 1]

    def forward(self, x: Tensor) -> Tensor:
        return x.std(self.dim, correction=self.correction, keepdim=True).squeeze(self.dropped)


class Unfold(nn.Module):
    """Copies the values of each window into channels, in the order of nn.Unfold, and keeps the spatial axes."""

    def __init__(
        self,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...] | None = None,
        padding: tuple[tuple[int, int], ...] | None = None,
        dilation: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        ones = (1,) * len(kernel_size)
        self.windows = list(zip(kernel_size, stride or ones, dilation or ones, strict=True))
        self.sides = [side for pair in reversed(padding or ()) for side in pair]

    def forward(self, x: Tensor) -> Tensor:
        x, axes = functional.pad(x, self.sides), len(self.windows)
        for axis, (kernel, stride, dilation) in enumerate(self.windows, start=2):
            x = x.unfold(axis, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
        return x.permute(0, 1, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes)).flatten(1, 1 + axes)


class Fold(nn.Module):
    """Adds up overlapping windows, whose values are channels in the order of nn.Fold."""

    def __init__(
        self,
        output_size: tuple[int, ...],
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...] | None = None,
        padding: tuple[tuple[int, int], ...] | None = None,
        dilation: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        ones = (1,) * len(kernel_size)
        self.kernel_size = kernel_size
        self.windows = list(zip(stride or ones, dilation or ones, strict=True))
        self.taps: list[tuple[int, ...]] = [()]
        for size in kernel_size:
            self.taps = [(*taps, tap) for taps in self.taps for tap in range(size)]
        padding = padding or ((0, 0),) * len(kernel_size)
        self.sizes = [size + sum(pair) for size, pair in zip(output_size, padding, strict=True)]
        self.cut = [-side for pair in reversed(padding) for side in pair]

    def forward(self, x: Tensor) -> Tensor:
        x = x.unflatten(1, (-1, *self.kernel_size))
        total = x.new_zeros(*x.shape[:2], *self.sizes)
        counts = x.shape[2 + len(self.windows) :]
        for taps in self.taps:
            places = [
                slice(tap * dilation, tap * dilation + (count - 1) * stride + 1, stride)
                for tap, count, (stride, dilation) in zip(taps, counts, self.windows, strict=True)
            ]
            total[(..., *places)] += x[(slice(None), slice(None), *taps)]
        return functional.pad(total, self.cut)


class DeformConv(nn.Module):
    """A deformable convolution with its own convolution for the offsets, and for the mask if there is one.

    The order of the offsets is that of torchvision.ops.DeformConv2d: per group and tap, the vertical one first.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
        offset_groups: int = 1,
        mask: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        taps = kernel_size[0] * kernel_size[1]
        self.counts = (offset_groups, taps)
        self.window = (kernel_size, stride, dilation)
        self.padding, self.groups, self.mask = padding, groups, mask
        channels = (3 if mask else 2) * offset_groups * taps
        self.offset = nn.Conv2d(in_channels, channels, kernel_size, stride, dilation=dilation)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels // groups, *kernel_size) / taps)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, [side for pair in reversed(self.padding) for side in pair])
        offset, (groups, taps) = self.offset(x), self.counts
        moved = offset[:, : 2 * groups * taps].unflatten(1, (groups, taps, 2)).flatten(0, 1)
        size, places = x.shape[2:], []
        for axis, (kernel, stride, dilation) in enumerate(zip(*self.window, strict=True)):
            starts = torch.arange(moved.shape[3 + axis], device=x.device) * stride
            steps = torch.arange(kernel, device=x.device) * dilation
            fixed = (steps.view(-1, 1) + starts).view((-1, 1, starts.numel(), 1) if axis == 0 else (1, kernel, 1, -1))
            fixed = fixed.expand(*self.window[0], *moved.shape[3:]).flatten(0, 1)
            places.append((fixed + moved[:, :, axis]) * (2 / max(size[axis] - 1, 1)) - 1)
        grid = torch.stack(places[::-1], dim=-1).flatten(1, 2)
        values = functional.grid_sample(x.unflatten(1, (groups, -1)).flatten(0, 1), grid, align_corners=True)
        values = values.unflatten(2, (taps, -1)).unflatten(0, (-1, groups))
        if self.mask:
            factors = offset[:, 2 * groups * taps :].unflatten(1, (groups, 1, taps)).sigmoid()
            values = values * factors
        values = values.flatten(1, 3)
        return functional.conv2d(values, self.weight.flatten(1)[..., None, None], self.bias, groups=self.groups)
