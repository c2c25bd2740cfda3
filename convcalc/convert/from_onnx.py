"""Imports ONNX files as networks. Needs the extra `convcalc[onnx]`.

The values of weights are not read, so files with external weights can be imported without them.
"""

import os

from convcalc.convert.from_operators import build_graph
from convcalc.convert.graph import Follow, Graph, Shapes
from convcalc.convert.onnx_graph.file import read_model
from convcalc.convert.onnx_graph.layer_names import OnnxNames
from convcalc.convert.onnx_graph.program import read_program


def read(path: str, inputs: Shapes | None = None, follow: Follow | None = None) -> Graph:
    """Return the network of an ONNX file.

    `inputs` maps the names of inputs to shapes that replace those in the file; the key None stands for the only input.
    The shapes have the file's order of axes, without the batch. `follow` wraps the iteration over nodes, for progress
    bars: it takes the nodes and their number, and yields the nodes.

    Raises OSError if the file cannot be read; NotImported if it is not an ONNX model, exceeds a limit, or its shapes
    cannot be inferred.
    """
    model = read_model(path)
    program = read_program(model, inputs or {}, follow)
    title = os.path.splitext(os.path.basename(path))[0]
    written = f", written by {model.producer_name}" if model.producer_name else ""
    return build_graph(program, title, f"{os.path.basename(path)} (ONNX{written})", OnnxNames)
