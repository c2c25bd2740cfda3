"""Reads the data types and shapes that an ONNX file declares for its tensors."""

from typing import Any

from convcalc.convert.onnx_graph.nested import check_text

Sizes = tuple[int, ...]


def read_tensor_type(found: Any) -> tuple[int, Sizes] | None:
    """Return the data type (its number in onnx.TensorProto) and sizes of an onnx.TypeProto.

    None if it is not a tensor or not all sizes are known.
    """
    if found.WhichOneof("value") != "tensor_type" or not found.tensor_type.HasField("shape"):
        return None
    sizes = [read_size(size) for size in found.tensor_type.shape.dim]
    if any(size is None for size in sizes):
        return None
    return found.tensor_type.elem_type, tuple(size for size in sizes if size is not None)


def read_size(size: Any) -> int | None:
    """Return a declared size; None if the file declares a name, such as `batch`, a negative number, or nothing."""
    return int(size.dim_value) if size.WhichOneof("value") == "dim_value" and size.dim_value >= 0 else None


def describe_size(size: Any) -> Any:
    """Return a declared size as a number, or else its name, or else "?"."""
    if size.WhichOneof("value") == "dim_value" and size.dim_value <= 0:
        return "?"
    return size.dim_value if size.WhichOneof("value") == "dim_value" else check_text(size.dim_param) or "?"


def describe_mismatch(declared: Any, dims: Sizes) -> str:
    """Return a message if the shape that the file declares for a tensor contradicts its computed shape `dims`.

    The message is empty if the shapes agree. A declared size that is unknown agrees with any size, and the batch sizes
    may differ.
    """
    if not declared.tensor_type.HasField("shape"):
        return ""
    sizes = [read_size(size) for size in declared.tensor_type.shape.dim]
    pairs = list(zip(sizes, dims, strict=False))
    if len(sizes) == len(dims) and all(size in (None, due) for size, due in pairs[1:]):
        return ""
    listed = " × ".join("?" if size is None else str(size) for size in sizes)
    return f"the file declares an output of {listed}, but its operator produces {' × '.join(map(str, dims))}"
