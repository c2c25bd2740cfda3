"""Imports OpenVINO models (IR, `.xml`), from the file alone: neither OpenVINO nor the weights are needed.

If the `.bin` file is next to the `.xml`, small constants are read from it, such as the axes of a reduction. Without it
they follow from the shapes, if these leave no choice.
"""

import os

from convcalc.convert.from_operators import build_graph
from convcalc.convert.graph import Follow, Graph, Shapes
from convcalc.convert.onnx_graph.layer_names import OnnxNames
from convcalc.convert.openvino.constants import ConstantFile
from convcalc.convert.openvino.graph_reader import GraphReader
from convcalc.convert.openvino.translation import RULES
from convcalc.convert.openvino.xml_file import read_xml


def read(path: str, inputs: Shapes | None = None, follow: Follow | None = None) -> Graph:
    """Return the network of an OpenVINO model.

    `inputs` maps the names of inputs to shapes, without the batch, that replace those in the file; the key None stands
    for the only input. `follow` takes the layers and their number and returns an iterable over them, for progress bars.

    Raises OSError if the file cannot be read; NotImported if it is malformed, exceeds a limit, or a shape is unknown.
    """
    model = read_xml(path)
    constants = ConstantFile(path)
    try:
        program = GraphReader(model, constants, inputs or {}, RULES).read(follow)
    finally:
        constants.close()
    title = os.path.splitext(os.path.basename(path))[0]
    return build_graph(program, title, f"{os.path.basename(path)} (OpenVINO)", OnnxNames)
