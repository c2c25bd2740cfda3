"""Build the models in this folder with Keras itself, and write down Keras's own figures for them.

Needs `pip install keras torch`; run as `KERAS_BACKEND=torch python build.py`. The files in this folder were written by
Keras 3.15.1 on PyTorch 2.13.0. MACs are those of one call per layer.
"""

import gzip
import itertools
import json
import math
from pathlib import Path
from typing import Any

import keras
from keras import applications, layers

HERE = Path(__file__).parent
APPLICATIONS = (
    *("ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionV3", "MobileNet", "MobileNetV2"),
    *("MobileNetV3Small", "ResNet50", "ResNet50V2", "VGG16", "Xception"),
)


def macs(layer: Any) -> int:
    """Output positions times the elements of every kernel, from Keras's own weights."""
    kernels = [weight for weight in layer.weights if "kernel" in weight.name]
    positions = math.prod(layer.output.shape[1:-1])
    if "Transpose" in type(layer).__name__:
        positions = math.prod(layer.input.shape[1:-1])
    return sum(positions * math.prod(kernel.shape) for kernel in kernels)


def described(model: Any, counted: int | None = None) -> dict[str, Any]:
    """Keras's figures for a model. `counted` are its MACs, by default those of `macs`."""
    inner = [layer for layer in model._flatten_layers(include_self=False) if not hasattr(layer, "layers")]
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return {
        "keras": json.loads(model.to_json()),
        "params": model.count_params(),
        "trainable": trainable,
        "macs": sum(map(macs, inner)) if counted is None else counted,
        "output": list(model.output_shape[1:]),
    }


def write(name: str, value: Any) -> None:
    """Write a value as compressed JSON, with the same bytes every time."""
    data = json.dumps(value, sort_keys=True).encode()
    (HERE / f"{name}.json.gz").write_bytes(gzip.compress(data, mtime=0))


def each(make: Any, shape: tuple[int, ...], **choices: Any) -> list[Any]:
    """A model of one layer for every combination of arguments that Keras accepts."""
    found = []
    for values in itertools.product(*choices.values()):
        keras.backend.clear_session()
        given = layers.Input(shape)
        try:
            model = keras.Model(given, make(**dict(zip(choices, values, strict=True)))(given))
            found.append(described(model))
        except ValueError:
            continue
    return found


def small() -> list[Any]:
    """Single layers, with the arguments that matter to their shapes and weights."""
    shape: tuple[int, ...]
    window = {"strides": (1, 2, 3), "padding": ("same", "valid")}
    found = []
    for conv, shape in ((layers.Conv1D, (17, 4)), (layers.Conv2D, (9, 14, 4)), (layers.Conv3D, (5, 6, 7, 4))):
        found += each(conv, shape, filters=(6,), kernel_size=(1, 2, 3), **window, groups=(1, 2), use_bias=(True, False))
        found += each(conv, shape, filters=(6,), kernel_size=(3,), padding=("same",), dilation_rate=(2,))
    found += each(layers.Conv1D, (17, 4), filters=(6,), kernel_size=(3,), padding=("causal",), dilation_rate=(1, 2))
    for conv, shape in (
        (layers.Conv1DTranspose, (7, 4)),
        (layers.Conv2DTranspose, (4, 5, 4)),
        (layers.Conv3DTranspose, (2, 3, 4, 4)),
    ):
        found += each(conv, shape, filters=(6,), kernel_size=(1, 2, 3, 4), **window)
        found += each(
            conv,
            shape,
            filters=(6,),
            kernel_size=(3, 4),
            strides=(2, 3),
            output_padding=(1,),
            padding=("same", "valid"),
        )
    for conv, shape in ((layers.DepthwiseConv1D, (17, 4)), (layers.DepthwiseConv2D, (9, 14, 4))):
        found += each(conv, shape, kernel_size=(2, 3), **window, depth_multiplier=(1, 3))
    for conv, shape in ((layers.SeparableConv1D, (17, 4)), (layers.SeparableConv2D, (9, 14, 4))):
        found += each(
            conv, shape, filters=(6,), kernel_size=(2, 3), **window, depth_multiplier=(1, 3), use_bias=(True, False)
        )
    for dimension, shape in (("1D", (17, 4)), ("2D", (9, 14, 4)), ("3D", (5, 6, 7, 4))):
        for pool in ("MaxPooling", "AveragePooling"):
            found += each(
                getattr(layers, pool + dimension),
                shape,
                pool_size=(2, 3),
                strides=(None, 1, 2),
                padding=("same", "valid"),
            )
        for pool in ("GlobalAveragePooling", "GlobalMaxPooling"):
            found += each(getattr(layers, pool + dimension), shape, keepdims=(True, False))
        found += each(getattr(layers, "ZeroPadding" + dimension), shape, padding=(1, 2))
        found += each(getattr(layers, "Cropping" + dimension), shape, cropping=(1, 2))
        found += each(getattr(layers, "UpSampling" + dimension), shape, size=(1, 2, 3))
    found += each(layers.UpSampling2D, (4, 5, 4), size=((2, 3),), interpolation=("bilinear", "bicubic"))
    found += each(layers.ZeroPadding2D, (4, 5, 4), padding=(((0, 1), (2, 3)),))
    found += each(layers.Cropping2D, (8, 9, 4), cropping=(((0, 1), (2, 3)),))
    found += each(layers.ZeroPadding1D, (8, 4), padding=((0, 3),))
    for shape in ((12,), (9, 12), (5, 7, 12)):
        found += each(layers.Dense, shape, units=(6,), use_bias=(True, False), activation=(None, "relu", "softmax"))
        found += each(layers.BatchNormalization, shape, scale=(True, False), center=(True, False))
        found += each(layers.LayerNormalization, shape)
        found += each(layers.Flatten, shape)
        found += each(layers.Dropout, shape, rate=(0.25,))
        found += each(
            layers.Activation, shape, activation=("elu", "gelu", "hard_sigmoid", "hard_silu", "swish", "linear")
        )
        found += each(layers.ReLU, shape, max_value=(None, 6), negative_slope=(0.0,))
        found += each(layers.LeakyReLU, shape, negative_slope=(0.1,))
    found += each(layers.GroupNormalization, (5, 7, 12), groups=(1, 4, -1))
    found += each(layers.PReLU, (5, 7, 12), shared_axes=([1, 2],))
    found += each(layers.Reshape, (5, 7, 12), target_shape=((420,), (7, 5, 12), (35, 12), (7, 10, 6), (-1, 6)))
    found += each(layers.Permute, (5, 7, 12), dims=((1, 2, 3), (2, 1, 3), (3, 1, 2)))
    found += each(layers.Rescaling, (5, 7, 3), scale=(0.5,))
    return found


def graphs() -> dict[str, Any]:
    """Models whose layers are called more than once, nested, or joined."""
    keras.backend.clear_session()
    left, right = layers.Input((16, 16, 3), name="left"), layers.Input((16, 16, 3), name="right")
    shared = layers.Conv2D(8, 3, activation="relu", name="shared")
    towers = keras.Model([left, right], layers.Concatenate(name="join")([shared(left), shared(right)]))

    inner_input = layers.Input((16, 16, 3))
    hidden = layers.Conv2D(4, 3, padding="same", name="first")(inner_input)
    inner = keras.Model(
        inner_input, layers.Add(name="sum")([hidden, layers.Conv2D(4, 1, name="second")(inner_input)]), name="body"
    )
    x = layers.Input((16, 16, 3), name="x")
    nested = keras.Model(x, layers.Flatten(name="flat")(inner(x)))
    y, z = layers.Input((16, 16, 3), name="y"), layers.Input((16, 16, 3), name="z")
    siamese = keras.Model([y, z], layers.Multiply(name="product")([inner(y), inner(z)]))

    chain = keras.Sequential(
        [
            layers.Input((32, 32, 3)),
            layers.Conv2D(8, 3, strides=2),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ],
        name="chain",
    )
    gate_input = layers.Input((8, 8, 6), name="map")
    gate = layers.GlobalAveragePooling2D(keepdims=True)(gate_input)
    gated = keras.Model(
        gate_input, layers.Multiply()([gate_input, layers.Dense(6, activation="sigmoid", name="gate")(gate)])
    )
    frozen_layer = layers.Conv2D(5, 3, name="frozen", trainable=False)
    frozen = keras.Model(x, layers.Conv2D(2, 1, name="free")(frozen_layer(x)))
    models = {"towers": towers, "nested": nested, "siamese": siamese, "chain": chain, "gated": gated, "frozen": frozen}
    return {name: {**described(model), "output": list(model.output_shape[1:])} for name, model in models.items()}


def ran_macs(model: Any, shape: tuple[int, ...]) -> int:
    """Half of the FLOPs that PyTorch counts while Keras runs a model on one sample."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # PyTorch does not count its fused attention on a CPU, so attention runs as matrix products
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *shape))
    return int(counter.get_total_flops()) // 2


def sequences() -> list[Any]:
    """Models with layers over sequences, whose MACs PyTorch counts."""
    found = []

    def add(shape: tuple[int, ...], make: Any, looped: bool = False) -> None:
        keras.backend.clear_session()
        given = layers.Input(shape)
        model = keras.Model(given, make(given))
        steps = shape[0]
        # Keras's own loop over the steps runs the first step twice, to find the shape of the output
        counted = ran_macs(model, shape)
        found.append(described(model, counted * steps // (steps + 1) if looped else counted))

    for every in (True, False):
        for make in (layers.LSTM, layers.GRU, layers.SimpleRNN):
            looped = make is layers.SimpleRNN
            add((20, 8), make(16, return_sequences=every), looped)
            add((20, 8), make(5, return_sequences=every, use_bias=False), looped)
            for mode in ("concat", "sum", "ave", "mul"):
                add((9, 6), layers.Bidirectional(make(7, return_sequences=every), merge_mode=mode), looped)
        add((20, 8), layers.GRU(16, return_sequences=every, reset_after=False), looped=True)
    add((12,), layers.Embedding(100, 32))
    add((12, 16), lambda x: layers.MultiHeadAttention(4, 6)(x, x))
    add((12, 16), lambda x: layers.MultiHeadAttention(2, 5, value_dim=9, use_bias=False)(x, x))
    add((12, 16), lambda x: layers.MultiHeadAttention(3, 4)(x, layers.Dense(10)(x)))
    add((12, 16), lambda x: layers.MultiHeadAttention(3, 4)(x, layers.Dense(10)(x), layers.Dense(11)(x)))
    add((6, 6, 16), lambda x: layers.MultiHeadAttention(3, 4)(x, x))
    add((5, 12, 10, 3), layers.TimeDistributed(layers.Conv2D(8, 3, activation="relu")))
    add((5, 12, 10, 3), layers.TimeDistributed(layers.SeparableConv2D(8, 3)))
    add((5, 12, 10, 3), layers.TimeDistributed(layers.BatchNormalization()))
    add((5, 12, 10, 3), layers.TimeDistributed(layers.Flatten()))
    add((5, 12, 10, 3), layers.TimeDistributed(layers.GlobalAveragePooling2D()))
    add((5, 12), layers.TimeDistributed(layers.Dense(7)))
    add((7,), layers.RepeatVector(3))
    add((6, 4), layers.Masking())
    for shared in ((), (1,), (2,), (1, 2)):
        add((6, 5, 4), layers.PReLU(shared_axes=shared or None))
    return found


def main() -> None:
    """Build all models."""
    for name in APPLICATIONS:
        keras.backend.clear_session()
        shape = {"input_shape": (224, 224, 3)} if name in ("MobileNetV3Small",) else {}
        write(name, described(getattr(applications, name)(weights=None, **shape)))
    write("layers", small())
    write("graphs", graphs())
    write("sequences", sequences())


if __name__ == "__main__":
    main()
