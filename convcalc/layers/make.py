"""Makes layers from a layer kind, arguments and input shapes, and checks that these fit together.

>>> str(make_written_layer("conv", {"out_channels": 8, "kernel_size": 3}, (Shape(3, (32, 32)),)).output)
'8×30×30'
"""

from collections.abc import Mapping
from typing import Any

from convcalc.caching import remember
from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.shape import Shape


@remember
def make_layer(kind: type[Layer], shapes: tuple[Shape, ...], values: tuple[Any, ...]) -> Layer:
    """Return a layer; `values` are all its arguments, in normal form and in the order of `kind.keys`.

    Calls with equal arguments return the same object, from a cache. Raises Flaw if the arguments or the input shapes do
    not fit.
    """
    return kind(shapes, dict(zip(kind.keys, values, strict=True)))


def make_written_layer(word: str, arguments: Mapping[str, Any], shapes: tuple[Shape, ...]) -> Layer:
    """Return a layer; `word` is the name of its kind, and `arguments` are as in a spec, without expressions.

    Arguments that are left out have their defaults. Raises Flaw if an argument is wrong or the shapes do not fit.
    """
    kind, axes = KINDS[word], shapes[0].axes if shapes else 0
    read = {name: kind.keys[name].read(value, axes) for name, value in arguments.items()}
    return make_layer(kind, shapes, tuple({**kind.defaults(axes), **read}.values()))
