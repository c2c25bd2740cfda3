"""Finds the data types of Keras layers from their dtype policies. Source: keras.io/api/mixed_precision/policy.

With the policy `mixed_float16`, a layer computes in float16 and keeps its weights as float32. A quantised policy
such as `int8_from_float32` stores kernels as integers; biases and activations have the data type after `from`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from convcalc.convert.dtypes import DataTypes
from convcalc.layers.base import Layer

QUANTISED = ("int8", "int4")


class Policy(NamedTuple):
    """The data types of a layer: `kernel`, `variable` for biases and running statistics, and `output`."""

    kernel: str = "float32"
    variable: str = "float32"
    output: str = "float32"


def policy_of(written: Any) -> Policy:
    """Return the policy in a layer's `dtype` argument, which is a name or a configuration that contains the name.

    If the argument is neither, the policy is that of float32.
    """
    config = written.get("config") if isinstance(written, Mapping) else {"name": written}
    if not isinstance(config, Mapping):
        return Policy()
    name, mode, source = (config.get(key) for key in ("name", "mode", "source_name"))
    if isinstance(name, str) and "_from_" in name:
        mode, source = name.split("_from_", 1)
    if isinstance(mode, str) and isinstance(source, str):
        stored = mode.split("/")[0]
        plain = named_policy(source)
        return plain._replace(kernel=stored) if stored in QUANTISED else plain
    return named_policy(name) if isinstance(name, str) else Policy()


def named_policy(name: str) -> Policy:
    """Return the policy with a name such as `float16` or `mixed_float16`."""
    if name.startswith("mixed_"):
        return Policy(output=name.removeprefix("mixed_"))
    return Policy(name, name, name)


def add_types(types: DataTypes, written: Any, layer: Layer, *, owns_weights: bool) -> None:
    """Count the elements of a layer's weights and output in `types`, with the data types of the policy `written`.

    The weights of a layer that shares them with an earlier layer are not counted: `owns_weights` is then false.
    """
    policy = policy_of(written)
    types.add("activations", policy.output, layer.output.elements)
    if owns_weights:
        types.add("weights", policy.kernel, sum(layer.weight_tensors()))
        types.add("weights", policy.variable, sum(layer.buffer_tensors()))
        types.add("bias", policy.variable, sum(layer.bias_tensors()))
