"""Imports TFLite models as networks, without a library.

A model with quantised values is read as the network in floating point, with the data types of the stored integers. For
example, a CONV_2D with int8 weights and RELU6 becomes a `conv` and a `relu6`, and the spec has the dtype int8.
"""

import os

from convcalc.convert.from_operators import build_graph
from convcalc.convert.graph import Follow, Graph, Shapes
from convcalc.convert.tflite.layer_names import TfliteNames
from convcalc.convert.tflite.model_file import open_model
from convcalc.convert.tflite.rules import RULES
from convcalc.convert.tflite.translating import Translator


def read(path: str, inputs: Shapes | None = None, follow: Follow | None = None) -> Graph:
    """Return the network of a TFLite file: that of its first subgraph.

    `inputs` maps the names of inputs to shapes that replace those in the file, channels first and without the batch;
    the key None stands for the only input. `follow` wraps the iteration over operators, for progress bars: it takes the
    operators and their number, and yields the operators.

    Raises OSError if the file cannot be read; NotImported if it is not a TFLite model, is malformed, exceeds a limit,
    or leaves a shape open.
    """
    with open_model(path) as model:
        translator = Translator(model, inputs or {}, RULES)
        program = translator.translate(follow or (lambda operators, total: operators))
        paths = translator.operation_names.paths
    title = os.path.splitext(os.path.basename(path))[0]
    return build_graph(program, title, f"{os.path.basename(path)} (TFLite)", lambda _: TfliteNames(paths))
