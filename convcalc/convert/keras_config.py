"""Parses the configuration of a Keras model from the JSON of `model.to_json()` or a `.keras` archive.

Keras is not needed, and nothing in the file is executed. The size of files and the nesting of models are limited.
Files of Keras 2 and Keras 3, which write the calls of a layer differently, are supported.
Source: keras.src.models.functional and keras.src.saving.serialization_lib of Keras 3.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from convcalc.convert.graph import NotImported
from convcalc.problems import shorten, show

MOST_BYTES = 256 * 1024 * 1024
MOST_NESTING = 32  # levels of nested models
MODELS = ("Functional", "Model", "Sequential")
OWN_PACKAGE = "convcalc>"  # begins the registered names of the layers that `export --to keras` defines
_ORDER = ("query", "value", "key")  # of the inputs of an attention, which may be given by name in any order
_MASKS = frozenset({"mask", "attention_mask", "query_mask", "value_mask", "key_mask"})
WRONG_SORT = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""The exceptions that Python raises if a value in the file has a type that Keras never writes."""


class MalformedValue(ValueError):
    """Raised for a value in the file that Keras never writes; the message names the value."""


Reference = tuple[str, int, int]  # a tensor: the layer's name, the number of the call, the number of the output


class KerasCall(NamedTuple):
    """One call of a layer: its input tensors (`reads`), their shapes (None: unknown), and its other arguments.

    `constants` are the arguments that are numbers, and `arguments` all positional arguments as in the file.
    """

    reads: tuple[Reference, ...]
    shapes: tuple[tuple[int | None, ...] | None, ...] = ()
    constants: tuple[float, ...] = ()
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = {}


class LayerConfig(NamedTuple):
    """A layer or nested model: its name, its Keras class, its configuration, and its calls in order.

    `computes` is true if it is a function of keras.ops, which has no weights, and not a layer.
    """

    name: str
    class_name: str
    config: Mapping[str, Any]
    calls: tuple[KerasCall, ...]
    built: tuple[tuple[int | None, ...] | None, ...]  # the input shapes of the first call
    computes: bool = False


class ModelConfig(NamedTuple):
    """A model: its layers in the order of the file, and its input and output tensors."""

    name: str
    layers: tuple[LayerConfig, ...]
    inputs: tuple[Reference, ...]
    outputs: tuple[Reference, ...]


def read_model(path: str) -> ModelConfig:
    """Return the model in a file.

    Raises OSError if the file cannot be read, and NotImported if it is not a Keras model. If a value has a type that
    Keras never writes, raises one of WRONG_SORT.
    """
    try:
        found = json.loads(_read_text(path), parse_constant=_read_constant)
    except (ValueError, RecursionError) as error:
        raise NotImported(f"not the JSON of a Keras model: {_describe_json_error(error)}") from None
    if not isinstance(found, dict) or found.get("class_name") not in MODELS:
        raise NotImported("not a Keras model: expected the JSON of model.to_json(), with class_name and config")
    return parse_model(found)


def _read_constant(word: str) -> float:
    """Return Infinity or -Infinity, which Keras writes although JSON has neither; raise MalformedValue for NaN."""
    if word == "NaN":
        raise MalformedValue("NaN is not a number in JSON")
    return float(word)


def _describe_json_error(error: ValueError | RecursionError) -> str:
    if isinstance(error, MalformedValue):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"invalid JSON at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: byte 0x{error.object[error.start]:02x} at offset {error.start:,}"
    return "nested too deep" if isinstance(error, RecursionError) else "it contains a number with too many digits"


def describe_malformed(error: Exception) -> str:
    """Return what is wrong with a configuration; `error` is one of WRONG_SORT, raised while it was read."""
    if isinstance(error, MalformedValue):
        return str(error)
    if isinstance(error, KeyError):
        return f"the key {show(error.args[0])} is missing"
    return "nested too deep" if isinstance(error, RecursionError) else "a value is not of the type that Keras writes"


def _read_text(path: str) -> str:
    """Return the JSON text of a file, or of `config.json` if the file is an archive.

    Raises OSError if the file cannot be read; NotImported if the text is longer than MOST_BYTES, or if the file is an
    HDF5 file or an archive that cannot be read.
    """
    with open(path, "rb") as stream:
        begins = stream.read(4)
        if begins == b"\x89HDF":
            return _read_hdf5_text(path)
        stream.seek(0)
        if begins != b"PK\x03\x04":
            data = stream.read(MOST_BYTES + 1)
        else:
            try:
                with zipfile.ZipFile(stream) as archive, archive.open("config.json") as inner:
                    data = inner.read(MOST_BYTES + 1)
            except KeyError:
                raise NotImported("the archive has no config.json: it is not a .keras file") from None
            except Exception:  # zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError for a password and others
                message = "the archive cannot be read: it is damaged, encrypted, or compressed by an unsupported method"
                raise NotImported(message) from None
    if len(data) > MOST_BYTES:
        raise NotImported(f"larger than {MOST_BYTES // 1024**2} MiB")
    return data.decode("utf-8")


def _read_hdf5_text(path: str) -> str:
    """Return the JSON text in the attribute `model_config` of an HDF5 file; the weights are not read."""
    try:
        import h5py
    except ImportError:
        raise NotImported("HDF5 files need the package h5py: pip install 'convcalc[keras]'") from None
    try:
        with h5py.File(path, "r") as file:
            found = file.attrs.get("model_config")
    except OSError:
        raise NotImported("the Keras HDF5 file cannot be read: it is damaged") from None
    except Exception as error:  # h5py raises errors of any type for a malformed file
        raise NotImported(f"the Keras HDF5 file cannot be read: {shorten(str(error))}") from None
    text = found.decode("utf-8", "replace") if isinstance(found, bytes) else found
    if not isinstance(text, str):
        raise NotImported("the HDF5 file contains weights but no model: save the whole model, not only its weights")
    if len(text) > MOST_BYTES:
        raise NotImported(f"larger than {MOST_BYTES // 1024**2} MiB")
    return text


def parse_model(found: Mapping[str, Any]) -> ModelConfig:
    """Return a model from its configuration.

    Raises NotImported if a layer is malformed, and one of WRONG_SORT if any other value has a type that Keras never
    writes.
    """
    config = found["config"]
    if found["class_name"] == "Sequential":
        return _parse_sequential(config, str(found.get("name") or "sequential"))
    layers = tuple(_parse_named_layer(item, place) for place, item in enumerate(config["layers"]))
    inputs, outputs = _parse_references(config["input_layers"]), _parse_references(config["output_layers"])
    return ModelConfig(str(config.get("name", "model")), layers, inputs, outputs)


def _parse_sequential(config: Any, name: str) -> ModelConfig:
    """Return a Sequential model, in which each layer reads the output of the layer before.

    If there is no InputLayer, one is added, with the input shape that the first layer or the model states.
    """
    items = config if isinstance(config, list) else config["layers"]
    built = None if isinstance(config, list) else config.get("build_input_shape")
    layers: list[LayerConfig] = []
    if not items:
        raise NotImported("the model has no layers")
    if items[0]["class_name"] != "InputLayer":
        first = items[0]["config"]
        if items[0]["class_name"] in MODELS and isinstance(first, Mapping):
            first = first["layers"][0]["config"]
        shape = first.get("batch_shape") or first.get("batch_input_shape") or built
        layers.append(LayerConfig("input", "InputLayer", {"batch_shape": shape}, (KerasCall(()),), ()))
    for place, item in enumerate(items):
        read = _parse_named_layer(item, place)
        calls = (KerasCall(((layers[-1].name, 0, 0),)),) if layers else (KerasCall(()),)
        layers.append(read._replace(calls=calls))
    named = name if isinstance(config, list) else str(config.get("name", name))
    return ModelConfig(named, tuple(layers), ((layers[0].name, 0, 0),), ((layers[-1].name, 0, 0),))


def _parse_named_layer(item: Any, place: int) -> LayerConfig:
    """Return a layer. If it is malformed, raise NotImported with its name or, without a name, its position."""
    try:
        return _parse_layer(item)
    except WRONG_SORT as error:
        name = str(item.get("name") or place) if isinstance(item, Mapping) else str(place)
        raise NotImported(f"malformed configuration of layer {show(name)}: {describe_malformed(error)}") from None


def _parse_layer(item: Mapping[str, Any]) -> LayerConfig:
    config = item["config"]
    name = item.get("name") or (config.get("name") if isinstance(config, Mapping) else None) or item["class_name"]
    built = (item.get("build_config") or {}).get("input_shape")
    calls = tuple(_parse_call(node) for node in item.get("inbound_nodes", ()))
    class_name, registered = str(item["class_name"]), str(item.get("registered_name"))
    class_name = registered if registered.startswith(OWN_PACKAGE) else class_name
    known = config if class_name in MODELS else dict(config)
    computes = str(item.get("module")).startswith("keras.src.ops.")
    return LayerConfig(str(name), class_name, known, calls or (KerasCall(()),), _parse_shapes(built), computes)


def _parse_call(node: Any) -> KerasCall:
    """Return one call of a layer. Keras 3 writes its `args` and `kwargs`, and Keras 2 writes a list of tensors."""
    if isinstance(node, Mapping):
        arguments, options = node.get("args", []), node.get("kwargs", {})
        inputs = {name: value for name, value in options.items() if name not in _MASKS}
        ordered = [inputs.pop(name) for name in _ORDER if name in inputs]
        tensors = list(_find_tensors([arguments, ordered, inputs]))
        constants = tuple(item for item in arguments if type(item) in (int, float))
        reads = tuple(_parse_reference(tensor["keras_history"]) for tensor in tensors)
        shapes = tuple(_parse_shape(tensor.get("shape")) for tensor in tensors)
        return KerasCall(reads, shapes, constants, tuple(arguments), options)
    if node and isinstance(node[0], str):
        node = [node]  # a single tensor need not be in a list
    named = [_parse_reference(part) for part in node]
    for part in node:
        given = part[3].values() if len(part) > 3 and isinstance(part[3], Mapping) else ()
        named += [_parse_reference(value) for value in given if _is_reference(value)]
    return KerasCall(tuple(named), (None,) * len(named))


def _find_tensors(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the tensors in the arguments of a call. Keras 3 nests them in lists and mappings of any depth."""
    waiting = [value]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, Mapping) and item.get("class_name") == "__keras_tensor__":
            yield item["config"]
        elif isinstance(item, Mapping):
            waiting[:0] = item.values()
        elif isinstance(item, list):
            waiting[:0] = item


def _parse_references(value: Any) -> tuple[Reference, ...]:
    """Return all tensor references in a value, which is one reference or a nested list or mapping of references."""
    if _is_reference(value):
        return (_parse_reference(value),)
    if not isinstance(value, Mapping | list):
        raise MalformedValue(f"{show(value)} does not refer to tensors")
    items = value.values() if isinstance(value, Mapping) else value
    return tuple(part for item in items for part in _parse_references(item))


def _is_reference(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str) and type(value[1]) is int


def _parse_reference(value: Any) -> Reference:
    return str(value[0]), int(value[1]), int(value[2])


def _parse_shapes(value: Any) -> tuple[tuple[int | None, ...] | None, ...]:
    """Return the shapes in a value, which is a single shape or a list with one shape per input."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return tuple(map(_parse_shape, value))
    return (_parse_shape(value),)


def _parse_shape(value: Any) -> tuple[int | None, ...] | None:
    """Return a shape, batch first, or None if the value is not a shape."""
    if not isinstance(value, list) or not all(size is None or type(size) is int for size in value):
        return None
    return tuple(value)
