"""Joins the rules that write each layer kind as ONNX nodes in the table WRITERS: a `relu` becomes a `Relu` node.

A kind without a rule has no ONNX operator; a rule raises UnsupportedLayer for arguments that ONNX cannot express.
"""

from convcalc.convert.onnx_graph.composing import WriteRule
from convcalc.convert.onnx_graph.write_norms import POOLS_AND_NORMS
from convcalc.convert.onnx_graph.write_products import PRODUCTS
from convcalc.convert.onnx_graph.write_shapes import SHAPES

WRITERS: dict[str, WriteRule] = {**PRODUCTS, **POOLS_AND_NORMS, **SHAPES}
