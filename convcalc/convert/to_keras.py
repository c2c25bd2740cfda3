"""Writes a network as a Python file that builds it as a functional Keras model, with one function per block."""

from collections.abc import Iterator
from pathlib import Path

from convcalc.convert.keras_export.function_text import function_lines
from convcalc.convert.keras_export.functions import list_functions
from convcalc.convert.python_files import module_docstring_lines, read_class_sources
from convcalc.network import Network

_EXTRA_LAYERS = Path(__file__).parent / "keras_export" / "extra_layers.py"


def model_text(network: Network) -> str:
    """Return a Python file whose function `build` returns the network as a keras.Model, with the channels last.

    Layers keep their names, and blocks become functions. Raises NotExported if Keras cannot express a layer exactly.
    """
    sources = read_class_sources(_EXTRA_LAYERS)
    functions = list_functions(network, frozenset(sources))
    names = frozenset(function.name for function in functions)
    body = "\n\n\n".join("\n".join(function_lines(function, network, names)) for function in functions)
    helpers = [source for name, source in sources.items() if f"{name}(" in body]
    start = 'if __name__ == "__main__":\n    build().summary()'
    code = "\n\n\n".join([*helpers, body, start])
    return "\n".join(
        [
            *module_docstring_lines(network, "A functional Keras 3 model, channels last."),
            "",
            *_import_lines(code),
            "",
            "",
            code,
            "",
        ]
    )


def _import_lines(code: str) -> Iterator[str]:
    yield "import keras"
    used = [name for name in ("layers", "ops") if f"{name}." in code]
    if used:
        yield f"from keras import {', '.join(used)}"
