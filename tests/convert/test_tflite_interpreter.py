"""TFLite files that TensorFlow writes, compared with a count over the tensors of TensorFlow's interpreter.

The interpreter is another program: it computes shapes itself. Params are the elements of the constants at the positions
of weights, MACs follow from the shapes of weights and outputs.
"""

from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import convcalc
from convcalc.convert.tflite import reader

pytestmark = pytest.mark.tensorflow
tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed", exc_type=ImportError)
keras = pytest.importorskip("keras", reason="Keras is not installed", exc_type=ImportError)

WEIGHTS = {
    "CONV_2D": (1, 2), "DEPTHWISE_CONV_2D": (1, 2), "FULLY_CONNECTED": (1, 2), "TRANSPOSE_CONV": (1, 3),
    "PRELU": (1,), "ADD": (0, 1), "MUL": (0, 1), "SUB": (0, 1),
}  # fmt: skip


class Counted(NamedTuple):
    params: int
    macs: int
    shapes: list[tuple[int, ...]]


def count(path: Path) -> Counted:
    """The params and MACs of a file, and the shapes of its outputs."""
    resolver = tensorflow.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tensorflow.lite.Interpreter(str(path), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.invoke()  # some shapes are known only then
    shapes = {each["index"]: tuple(map(int, each["shape"])) for each in interpreter.get_tensor_details()}
    operators = interpreter._get_ops_details()
    made = {number for operator in operators for number in operator["outputs"]}
    made |= {each["index"] for each in interpreter.get_input_details()}
    for operator in operators:  # weights in half precision are constants that an operator converts
        if operator["op_name"] == "DEQUANTIZE" and made.isdisjoint(operator["inputs"]):
            made -= set(operator["outputs"])
    params = macs = 0
    for operator in operators:
        name, inputs = operator["op_name"], list(operator["inputs"])
        places = [place for place in WEIGHTS.get(name, ()) if place < len(inputs) and inputs[place] >= 0]
        sizes = [prod(shapes[inputs[place]]) for place in places if inputs[place] not in made]
        params += sum(size for size in sizes if size > 1 or name not in ("ADD", "MUL", "SUB"))
        macs += count_macs(name, [shapes.get(number, ()) for number in inputs], shapes[operator["outputs"][0]])
    return Counted(params, macs, [shapes[each["index"]] for each in interpreter.get_output_details()])


def count_macs(name: str, inputs: list[tuple[int, ...]], output: tuple[int, ...]) -> int:
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return prod(output) * prod(inputs[1][1:3] if name.startswith("D") else inputs[1][1:])
    if name == "TRANSPOSE_CONV":
        return prod(inputs[2]) * prod(inputs[1][:3])
    return prod(output) * inputs[0][-1] if name == "BATCH_MATMUL" else 0


def make_ds_cnn() -> Any:
    layers = keras.layers
    x = given = keras.Input((49, 10, 1))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(64, (10, 4), strides=2, padding="same")(x)))
    for _ in range(4):
        x = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x)))
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(64, 1)(x)))
    x = layers.Flatten()(layers.AveragePooling2D((25, 5))(x))
    return keras.Model(given, layers.Dense(12, activation="softmax")(x))


def make_autoencoder() -> Any:
    x = given = keras.Input((640,))
    for size in (128, 128, 8, 128, 128):
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Dense(size)(x)))
    return keras.Model(given, keras.layers.Dense(640)(x))


def make_u_net() -> Any:
    layers = keras.layers
    given = keras.Input((32, 32, 3))
    skip = layers.LeakyReLU(0.2)(layers.Conv2D(8, 3, padding="same", activation="relu")(given))
    x = layers.Conv2D(16, 3, padding="same", activation="elu")(layers.MaxPooling2D()(skip))
    x = layers.Conv2D(16, 3, padding="same", dilation_rate=2)(x)
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same")(x)
    x = layers.Concatenate()([x, skip])
    x = layers.UpSampling2D()(layers.Conv2D(8, 3, strides=2, groups=2, padding="same", activation="gelu")(x))
    x = layers.PReLU(shared_axes=[1, 2])(x)
    return keras.Model(given, layers.Conv2D(2, 1, activation="sigmoid")(x))


def make_sequence_network() -> Any:
    layers = keras.layers
    given = keras.Input((64, 8))
    # the sizes are such that no position is computed and then cut off, which the interpreter would count
    x = layers.Conv1D(16, 3, dilation_rate=2, padding="causal", activation="relu")(given)
    x = layers.MaxPooling1D(2)(layers.Conv1D(16, 3, dilation_rate=4, padding="same")(x))
    x = layers.SeparableConv1D(8, 3)(x)
    x = layers.MultiHeadAttention(2, 4)(x, x)
    return keras.Model(given, layers.Dense(6)(layers.GlobalMaxPooling1D()(layers.Dense(5)(x))))


NETWORKS: dict[str, Callable[[], Any]] = {
    "DS-CNN": make_ds_cnn,
    "autoencoder": make_autoencoder,
    "U-Net": make_u_net,
    "sequences": make_sequence_network,
    "MobileNetV1": lambda: keras.applications.MobileNet((96, 96, 3), 0.25, weights=None, classes=2),
    "MobileNetV3": lambda: keras.applications.MobileNetV3Small((64, 64, 3), weights=None, classes=10),
}


def convert(model: Any, mode: str) -> bytes:
    for seed, variable in enumerate(model.weights):  # a converter stores equal constants once
        if variable.dtype == "float32":
            noise = tensorflow.random.stateless_uniform(variable.shape, (seed, 1), 0.01, 0.09)
            variable.assign(noise)
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    if mode != "float":
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    if mode == "float16":
        converter.target_spec.supported_types = [tensorflow.float16]
    if mode == "int8":
        converter.representative_dataset = lambda: sample(model)
    content: bytes = converter.convert()
    return content


def sample(model: Any) -> Iterator[list[Any]]:
    yield [tensorflow.random.stateless_uniform((1, *model.input_shape[1:]), (1, 2))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["float", "dynamic", "float16", "int8"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_converted_network_has_the_figures_of_the_interpreter(name: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    model = NETWORKS[name]()
    path.write_bytes(convert(model, mode))
    counted = count(path)
    report = convcalc.summary(str(path))
    assert (report.totals.params, report.totals.macs) == (counted.params, counted.macs)
    [shape] = counted.shapes
    assert report.layers[-1].layer.output.sizes == (shape[-1], *shape[1:-1])
    # without examples of inputs, weights with fewer than 1024 elements stay as they are
    large = max(prod(variable.shape) for variable in model.weights) >= 1024
    dtypes = {"float": "float32", "dynamic": "int8" if large else "float32", "float16": "float16", "int8": "int8"}
    assert reader.read(str(path)).dtype.get("weights", "float32") == dtypes[mode]
