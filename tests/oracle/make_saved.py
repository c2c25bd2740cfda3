"""Create saved.jsonl: what PyTorch saves for backward, for single layers and for whole networks.

Run as ``python -m tests.oracle.make_saved`` with PyTorch 2.13. The table is the same on every run.

The saved tensors are found by PyTorch's hooks for saved tensors. Each storage is counted once and in full; those of
parameters and buffers are excluded. For a layer, the table states whether it saves all its inputs and whether it saves
its output. The bytes of all other saved tensors are stated at two batch sizes. Layers run on the CPU, networks on the
meta device, where everything except the arithmetic is the same.

Dropout is the fused operation with a mask of one byte per value, which PyTorch uses on a GPU; its CPU code saves
factors of four bytes. Some layers are omitted because PyTorch does not have them: locally_connected, and pixel_shuffle
in 1-D and 3-D. Reshape is omitted because it is a view like flatten, parameter because it has no input, and lstm, gru
and conv_lstm because their implementations differ. Tokens C×N have the order N×C in memory, as in transformers.
"""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from tests.oracle import (
    make_cases,
    reference_dense,
    reference_hybrids,
    reference_models,
    reference_spaces,
    reference_tiny,
    reference_zoo,
)

TABLE = Path(__file__).parent / "saved.jsonl"
BATCHES = (2, 5)
NETWORK_BATCH = 2

Case = dict[str, Any]
Shape = list[int]


# --- What PyTorch saves ----------------------------------------------------------------------------------------------


def storage(tensor: Tensor) -> int:
    """Return a number that identifies a tensor's storage. Tensors on the meta device have no address."""
    return int(tensor.untyped_storage()._cdata)


def saved_storages(module: nn.Module, inputs: list[Tensor]) -> tuple[dict[int, int], Any]:
    """Return the bytes of every storage that is saved, except parameters and buffers, and the output."""
    saved: list[Tensor] = []  # keeps the tensors alive, so that no storage is reused

    def keep(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        output = module(*inputs)
    weights = {storage(tensor) for tensor in (*module.parameters(), *module.buffers())}
    found = {storage(tensor): tensor.untyped_storage().nbytes() for tensor in saved}
    return {key: size for key, size in found.items() if key not in weights}, output


def make_input(batch: int, shape: Shape, tokens: bool) -> Tensor:
    if not tokens:
        return torch.randn(batch, *shape, requires_grad=True)
    return torch.randn(batch, *shape[1:], shape[0]).movedim(-1, 1).requires_grad_()


def kept_by_layer(module: nn.Module, shapes: list[Shape], batch: int, tokens: bool) -> tuple[bool, bool, int]:
    """Return whether a layer saves all its inputs, whether it saves its output, and the other bytes it saves."""
    inputs = [make_input(batch, shape, tokens) for shape in shapes]
    found, output = saved_storages(module.train(), inputs)
    of_inputs, of_output = {storage(tensor) for tensor in inputs}, {storage(output)} - {*map(storage, inputs)}
    rest = sum(size for key, size in found.items() if key not in of_inputs | of_output)
    return of_inputs <= found.keys(), bool(of_output & found.keys()), rest


# --- Layers that the other table does not have, or has in another form -----------------------------------------------


class Call(nn.Module):
    """Wraps a function of any number of inputs as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *values: Tensor) -> Tensor:
        return self.function(*values)


class FusedDropout(nn.Module):
    """Dropout as PyTorch runs it on a GPU."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, values: Tensor) -> Tensor:
        return torch.native_dropout(values, self.p, True)[0] if self.p else values


class DropPath(nn.Module):
    """torchvision's StochasticDepth, which drops whole samples."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, values: Tensor) -> Tensor:
        if not self.p:
            return values
        factors = torch.empty(len(values), *[1] * (values.dim() - 1), dtype=values.dtype, device=values.device)
        return values * factors.bernoulli_(1 - self.p).div_(1 - self.p)


class Scale(nn.Module):
    """torchvision's layer scale."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape[0], *[1] * (len(shape) - 1)))

    def forward(self, values: Tensor) -> Tensor:
        return self.weight * values


class BlurPool(nn.Module):
    """Reflection padding and a depthwise convolution with fixed weights."""

    weight: Tensor

    def __init__(self, shape: Shape, kernel: int = 3, stride: int = 2) -> None:
        super().__init__()
        self.axes = len(shape) - 1
        self.pad = getattr(nn, f"ReflectionPad{self.axes}d")([(kernel - 1) // 2, kernel // 2] * self.axes)
        self.stride = stride
        self.register_buffer("weight", torch.ones(shape[0], 1, *[kernel] * self.axes))

    def forward(self, values: Tensor) -> Tensor:
        convolve = getattr(functional, f"conv{self.axes}d")
        return convolve(self.pad(values), self.weight, stride=self.stride, groups=len(self.weight))


class MaxUnpool(nn.Module):
    """Unpools with the indices of a pooling, which has already saved them."""

    indices: Tensor

    def __init__(self, shape: Shape, kernel: int) -> None:
        super().__init__()
        self.unpool = getattr(nn, f"MaxUnpool{len(shape) - 1}d")(kernel)
        self.register_buffer("indices", torch.zeros(max(BATCHES), *shape, dtype=torch.int64))

    def forward(self, values: Tensor) -> Tensor:
        return self.unpool(values, self.indices[: len(values)])


def product(*values: Tensor) -> Tensor:
    result = values[0]
    for value in values[1:]:
        result = result * value
    return result


OWN: dict[str, Callable[[list[Shape], Case], nn.Module]] = {
    "dropout": lambda _, arguments: FusedDropout(**arguments),
    "drop_path": lambda _, arguments: DropPath(**arguments),
    "scale": lambda shapes, arguments: make_cases.scaled(shapes[0], arguments) if arguments else Scale(shapes[0]),
    "blurpool": lambda shapes, arguments: BlurPool(shapes[0], arguments.get("kernel_size", 3)),
    "max_unpool": lambda shapes, arguments: MaxUnpool(shapes[0], arguments["kernel_size"]),
    "add": lambda _shapes, _: Call(lambda *values: sum(values[1:], values[0])),
    "multiply": lambda _shapes, _: Call(product),
    "concat": lambda _shapes, _: Call(lambda *values: torch.cat(values, dim=1)),
    "matmul": lambda _shapes, _: Call(torch.matmul),
    "embedding": lambda _, arguments: Embedding(arguments["num_embeddings"], arguments["embedding_dim"]),
    "attention": lambda shapes, arguments: Attention(shapes[0], arguments),
}


class Attention(nn.Module):
    """Four linear layers and PyTorch's attention, which is fused unless there is a relative position bias."""

    def __init__(self, shape: Shape, arguments: Case) -> None:
        super().__init__()
        channels, self.heads = shape[0], arguments["heads"]
        self.parts = nn.ModuleList(nn.Linear(channels, channels) for _ in range(4))
        has_bias = arguments.get("relative_position_bias", False)
        self.bias = make_cases.RelativeBias(self.heads, shape[1:]) if has_bias else None
        self.reduce, self.norm = None, nn.LayerNorm(channels)
        if "kv_stride" in arguments:
            stride = (arguments["kv_stride"],) * (len(shape) - 1)
            self.reduce = make_cases.torch_layer("Conv", len(stride))(channels, channels, stride, stride)

    def forward(self, values: Tensor, other: Tensor | None = None) -> Tensor:
        tokens = values.flatten(2).mT
        given = tokens if other is None else other.flatten(2).mT
        if self.reduce is not None:
            given = self.norm(self.reduce(values).flatten(2).mT)
        query, key, value, out = self.parts
        split = [
            part(read).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part, read in ((query, tokens), (key, given), (value, given))
        ]
        bias = None if self.bias is None else self.bias()
        attended = functional.scaled_dot_product_attention(*split, attn_mask=bias)
        result: Tensor = out(attended.transpose(1, 2).flatten(2))
        return result.mT.unflatten(2, values.shape[2:])


class Embedding(nn.Module):
    """Its integers are made from the values."""

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.count = count
        self.table = nn.Embedding(count, size)

    def forward(self, values: Tensor) -> Tensor:
        result: Tensor = self.table(values[:, 0].long() % self.count)
        return result.movedim(-1, 1)


LEFT_OUT = {"locally_connected", "deform_conv", "reshape", "lstm", "gru", "conv_lstm", "parameter"}
OF_TOKENS = {"linear", "attention"}
PADDING_MODES = ("reflect", "replicate", "circular")
ARGUMENTS: dict[str, list[Case]] = {
    "conv": [
        {"out_channels": 4, "kernel_size": 3},
        {"out_channels": 4, "kernel_size": 3, "padding": 1, "groups": 2},
        {"out_channels": 4, "kernel_size": 3, "groups": 2, "weight_standardized": True},
        {"out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": "reflect", "weight_standardized": True},
        *({"out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": mode} for mode in PADDING_MODES),
    ],
    "conv_transpose": [{"out_channels": 4, "kernel_size": 3, "stride": 2}],
    "pointwise_conv": [{"out_channels": 4}],
    "depthwise_conv": [
        {"kernel_size": 3, "padding": 1, "stride": 2},
        *({"kernel_size": 3, "padding": 2, "stride": 2, "padding_mode": mode} for mode in PADDING_MODES),
    ],
    "separable_conv": [
        {"out_channels": 4, "kernel_size": 3},
        {"out_channels": 4, "kernel_size": 3, "multiplier": 2},
        *({"out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": mode} for mode in PADDING_MODES),
    ],
    "maxpool": [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}],
    "avgpool": [{"kernel_size": 2}],
    "lppool": [{"kernel_size": 2}],
    "adaptive_avgpool": [{"output_size": 3}, {"output_size": 1}],
    "adaptive_maxpool": [{"output_size": 3}],
    "global_avgpool": [{}, {"keepdims": False}],
    "global_maxpool": [{}, {"keepdims": False}],
    "max_unpool": [{"kernel_size": 2}],
    "blurpool": [{}, {"kernel_size": 4}],
    "upsample": [{"scale_factor": 2}],
    "pixel_shuffle": [{"upscale_factor": 2}],
    "pixel_unshuffle": [{"downscale_factor": 2}],
    "channel_shuffle": [{"groups": 2}],
    "pad": [{"padding": 1}, *({"padding": 1, "mode": mode} for mode in PADDING_MODES)],
    "crop": [{"amount": 1}],
    "unfold": [{"kernel_size": 2, "stride": 2, "padding": 1}],
    "fold": [{"kernel_size": [2, 2], "stride": 2, "output_size": [12, 8]}],
    "permute": [{"order": ["width", "height", "channels"]}],
    **{kind: [{"axes": ["channels"]}, {"axes": "channels", "keepdims": False}] for kind in ("mean", "sum", "std")},
    "slice": [{"channels": [0, 2]}, {"channels": [1], "step": 2}],
    "map": [{"size": [2, 3]}],
    "attention": [{"heads": 1}, {"heads": 2}],
    "embedding": [{"num_embeddings": 9, "embedding_dim": 4}],
    "linear": [{"out_features": 3}],
    "groupnorm": [{"num_groups": 2}, {"num_groups": 4, "affine": False}],
    "layernorm": [{}, {"axes": "channels"}],
    "instancenorm": [{}, {"affine": True}],
    "batchnorm": [{}, {"affine": False}, {"track_running_stats": False}],
    "local_response_norm": [{}, {"size": 2}],
    "prelu": [{}, {"num_parameters": 8}],
    "dropout": [{}, {"p": 0}],
    "drop_path": [{}, {"p": 0}],
    "scale": [{}, {"factor": 0.5}],
    "shift": [{}, {"amount": 0.5}],
}
MAPS: list[Shape] = [[8, 6], [8, 6, 4], [8, 6, 4, 8]]
ANY: list[Shape] = [[8], *MAPS]
SHAPES: dict[str, list[Shape]] = {
    "map": [[8, 6]],
    "embedding": [[1, 6], [1, 6, 4]],
    "linear": [[8], [8, 6]],
    "pixel_shuffle": [[8, 6, 4]],
    "permute": [[8, 6, 4]],
    "fold": [[8, 6, 4]],
    **dict.fromkeys(
        (
            "batchnorm",
            "layernorm",
            "flatten",
            "prelu",
            "dropout",
            "drop_path",
            "scale",
            "shift",
            "identity",
            "slice",
            "mean",
            "sum",
            "std",
            "glu",
        ),
        ANY,
    ),
    **dict.fromkeys(make_cases.ACTIVATIONS, ANY),
}
SEVERAL: dict[str, list[list[Shape]]] = {
    "add": [[[8, 6, 4], [8, 6, 4]], [[8, 6, 4], [8, 1, 1]]],
    "multiply": [
        [[8], [8]],
        [[8, 6, 4], [8, 1, 1]],
        [[8, 6, 4], [8, 6, 4], [8, 1, 1]],
        [[8, 1, 1], [1, 6, 4], [8, 6, 4]],
    ],
    "concat": [[[8, 6, 4], [2, 6, 4]]],
    "matmul": [[[8, 6], [6, 5]]],
    "attention": [[[8, 6]], [[8, 6, 4]], [[8, 6], [8, 4]]],
}
UPSAMPLINGS: list[tuple[Shape, Case]] = [
    ([8, 6], {"scale_factor": 2, "mode": "linear"}),
    ([8, 6, 4], {"scale_factor": 2, "mode": "bilinear"}),
    ([8, 6, 4], {"scale_factor": 2, "mode": "bicubic"}),
    ([8, 6, 4, 8], {"scale_factor": 2, "mode": "trilinear"}),
]


def requests() -> Iterator[tuple[str, list[Shape], Case]]:
    """Yield the layer kind, the input shapes and the arguments of each case."""
    for kind in sorted({*make_cases.BUILDERS, *OWN} - LEFT_OUT):
        for arguments in ARGUMENTS.get(kind, [{}]):
            for shapes in SEVERAL.get(kind) or [[shape] for shape in SHAPES.get(kind, MAPS)]:
                yield kind, shapes, arguments
    for shape, arguments in UPSAMPLINGS:
        yield "upsample", [shape], arguments
    for shape in ([8, 6], [8, 6, 4]):
        yield "attention", [shape], {"heads": 2, "relative_position_bias": True}
        yield "attention", [shape], {"heads": 2, "kv_stride": 2}


def built(kind: str, shapes: list[Shape], arguments: Case) -> nn.Module:
    if kind in OWN:
        return OWN[kind](shapes, arguments)
    return make_cases.BUILDERS[kind](shapes[0], arguments)


def layer_cases() -> Iterator[Case]:
    for kind, shapes, arguments in requests():
        try:
            module = built(kind, shapes, arguments)
        except TypeError as error:
            error.add_note(f"kind {kind}: if it needs arguments, list some in ARGUMENTS")
            raise
        answers = [kept_by_layer(module, shapes, batch, kind in OF_TOKENS) for batch in BATCHES]
        [inputs], [output] = {answer[0] for answer in answers}, {answer[1] for answer in answers}
        rest = {str(batch): answer[2] for batch, answer in zip(BATCHES, answers, strict=True)}
        case: Case = {"kind": kind, "shapes": shapes, "arguments": arguments}
        yield case | {"keeps_inputs": inputs, "keeps_output": output, "other_bytes": rest}


# --- Networks --------------------------------------------------------------------------------------------------------

BEFORE_THE_LAST_LINEAR = {
    "googlenet": 0.2,
    "inception_v3": 0.5,
    "efficientnet_b0": 0.2,
    "mnasnet1_0": 0.2,
}
"""The dropout of networks whose hand-written form has none, because it was written for inference."""
BEFORE_THE_LAST_LAYER = {"mobilenet_v3_large": 0.2, "ofa_mobilenet_v3": 0.1}
"""The same, for networks whose last layer is not in a part of its own."""

NETWORKS: dict[str, Callable[..., tuple[nn.Module, Any]]] = {
    **reference_models.NETWORKS,
    **reference_zoo.MODELS,
    **reference_dense.MODELS,
    **reference_hybrids.MODELS,
    **reference_tiny.MODELS,
    **reference_spaces.MODELS,
}


def in_training(name: str, network: Any) -> nn.Module:
    """Return the network with the dropout that its spec has, as FusedDropout."""
    for module in list(network.modules()):
        for place, child in list(module.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(module, place, FusedDropout(child.p))
    if name in BEFORE_THE_LAST_LINEAR:
        network[-1].insert(2, FusedDropout(BEFORE_THE_LAST_LINEAR[name]))
    if name in BEFORE_THE_LAST_LAYER:
        network.insert(len(network) - 1, FusedDropout(BEFORE_THE_LAST_LAYER[name]))
    if name == "efficientnet_b0":
        drop_paths(network)
    return network.train()


def drop_paths(network: nn.Module) -> None:
    """Append stochastic depth to every residual branch."""
    for module in network.modules():
        if isinstance(module, reference_zoo.Residual):
            body: Any = module.body
            body.append(DropPath(0.1))


def kept_by_network(name: str, device: str = "meta", batch: int = NETWORK_BATCH) -> int:
    """Return the bytes that a network saves for backward. Its inputs need no gradients."""
    with torch.device(device):
        network, shape = NETWORKS[name]()
        network = in_training(name, network)
        shapes = [shape] if isinstance(shape[0], int) else shape
        found, _ = saved_storages(network, [torch.zeros(batch, *each) for each in shapes])
    return sum(found.values())


UNKNOWN = {"crnn"}
"""Networks with recurrent layers, for which convcalc reports nothing."""
ON_CPU = {"coatnet_0", "ddpm_unet", "mobilevit_s", "segformer_b0", "vit_tiny"}
"""Networks with attention, which is fused only on real devices."""


def network_cases() -> Iterator[Case]:
    for name in sorted(NETWORKS.keys() - UNKNOWN):
        kept = kept_by_network(name, "cpu" if name in ON_CPU else "meta")
        yield {"network": name, "batch": NETWORK_BATCH, "kept_bytes": kept}


# --- The table -------------------------------------------------------------------------------------------------------


def lines() -> list[str]:
    cases = [*layer_cases(), *network_cases()]
    return [json.dumps(case, sort_keys=True, separators=(",", ":")) for case in cases]


def main() -> None:
    TABLE.write_text("".join(f"{line}\n" for line in lines()), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
