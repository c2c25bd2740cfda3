"""ONNX models for the tests, built from nodes in ONNX's own text format."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convcalc.convert import from_onnx
from convcalc.convert.graph import Graph, Step

Sizes = Sequence[int | str]


def made(
    nodes: str,
    inputs: Mapping[str, Sizes],
    weights: Mapping[str, Sequence[int]] | None = None,
    *,
    outputs: Sequence[str] = ("y",),
    version: int = 17,
    integers: Mapping[str, Sequence[int]] | None = None,
) -> Any:
    """Return an ONNX model with one node per line. Its weights have shapes, but their values are in a missing file."""
    import onnx
    from onnx import TensorProto, helper

    tensors = []
    for name, sizes in (weights or {}).items():
        tensor = TensorProto(name=name, dims=sizes, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="absent.bin")
        tensors.append(tensor)
    for name, values in (integers or {}).items():
        tensors.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
    graph = helper.make_graph(
        [onnx.parser.parse_node(line.strip()) for line in nodes.strip().splitlines()],
        "made",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)


def imported(folder: Path, model: Any, **options: Any) -> Graph:
    """Return the graph that the ONNX importer makes of a model."""
    path = folder / "made.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return from_onnx.read(str(path), **options)


def entry(step: Step) -> tuple[str, dict[str, Any]]:
    """Return the layer kind and the arguments of a step."""
    return step.kind, dict(step.arguments)
