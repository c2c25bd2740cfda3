"""Exports a network as an ONNX graph without weights. Needs the extra `convcalc[onnx]`.

Weights are tensors with their shapes, filled by ConstantOfShape nodes: the file is small and valid for any program
that reads ONNX.
"""

from typing import Any

from convcalc.convert.graph import NotImported, legal_names
from convcalc.convert.onnx_graph.composing import OnnxWriter, UnsupportedLayer
from convcalc.convert.onnx_graph.file import import_onnx
from convcalc.convert.onnx_graph.onnx_writers import WRITERS
from convcalc.network import Network, Node
from convcalc.shape import Shape
from convcalc.version import __version__

_OPERATORS_VERSION = 21
_FORMAT_VERSION = 10
_MOST_NAMED = 5


def model_bytes(network: Network) -> bytes:
    """Return the ONNX model of a network as bytes, in single precision and with a symbolic batch size.

    Names are kept; frozen layers are not marked. Raises NotImported if the package onnx is missing, or if ONNX has no
    operator for some layers; the message then names them.
    """
    onnx = import_onnx()
    writer = OnnxWriter(onnx)
    names = _list_tensor_names(network)
    misfits = []
    for index, node in enumerate(network.nodes):
        number = len(network.inputs) + index
        owner = node.name if node.owner is None else network.nodes[node.owner].name
        try:
            _write_node(writer, node, owner, [names[tensor] for tensor in node.reads], names[number])
        except UnsupportedLayer as error:
            misfits.append(f"{node.name} ({error})")
    if misfits:
        more = f" and {len(misfits) - _MOST_NAMED} more" if len(misfits) > _MOST_NAMED else ""
        raise NotImported(f"ONNX has no operator for {', '.join(misfits[:_MOST_NAMED])}{more}")
    inputs = [_make_value_info(onnx, name, shape) for name, shape in zip(names, network.inputs.values(), strict=False)]
    outputs = {
        tensor: _make_value_info(onnx, names[tensor], network.tensor_shape(tensor))
        for tensor in network.outputs.values()
    }
    # onnx cannot infer the output shape of GroupNormalization
    unknown = {node.output[0] for node in writer.nodes if node.op_type == "GroupNormalization"}
    unknown -= {names[tensor] for tensor in network.outputs.values()}
    layers = zip(names[len(network.inputs) :], network.nodes, strict=True)
    graph = onnx.helper.make_graph(
        writer.nodes,
        legal_names([network.name])[network.name],
        inputs,
        list(outputs.values()),
        writer.initializers,
        value_info=[_make_value_info(onnx, name, node.layer.output) for name, node in layers if name in unknown],
    )
    graph.doc_string = network.description
    model = onnx.helper.make_model(
        graph,
        producer_name="convcalc",
        producer_version=__version__,
        opset_imports=[onnx.helper.make_opsetid("", _OPERATORS_VERSION)],
        ir_version=_FORMAT_VERSION,
    )
    written: bytes = model.SerializeToString()
    return written


def _write_node(writer: OnnxWriter, node: Node, owner: str, reads: list[str], output: str) -> None:
    rule = WRITERS.get(node.layer.kind)
    if rule is None:
        raise UnsupportedLayer(node.layer.kind)
    writer.begin(node.name, owner, reads, output)
    rule(writer, node.layer)


def _list_tensor_names(network: Network) -> list[str]:
    """Return the ONNX names of all inputs, then those of all layers.

    A layer with the name of an input gets the suffix `_output`.
    """
    names = [*network.inputs, *(node.name for node in network.nodes)]
    taken = set(network.inputs)
    return [f"{name}_output" if place >= len(taken) and name in taken else name for place, name in enumerate(names)]


def _make_value_info(onnx: Any, name: str, shape: Shape) -> Any:
    """Return the ONNX declaration of an input or output. Its batch size is symbolic."""
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", *shape.sizes])
