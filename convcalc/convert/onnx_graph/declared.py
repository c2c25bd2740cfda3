"""What an ONNX file says of the types and sizes of its tensors."""

from typing import Any

from convcalc.convert.onnx_graph.nested import check_text

Sizes = tuple[int, ...]


def read_tensor_type(found: Any) -> tuple[int, Sizes] | None:
    """The data type and sizes of a tensor, None where one is not known."""
    if found.WhichOneof("value") != "tensor_type" or not found.tensor_type.HasField("shape"):
        return None
    sizes = [read_size(size) for size in found.tensor_type.shape.dim]
    if any(size is None for size in sizes):
        return None
    return found.tensor_type.elem_type, tuple(size for size in sizes if size is not None)


def read_size(size: Any) -> int | None:
    """A size that a file says, None where it is a name or nothing."""
    return int(size.dim_value) if size.WhichOneof("value") == "dim_value" else None


def describe_size(size: Any) -> Any:
    """A size, or its name, as a file says it."""
    return size.dim_value if size.WhichOneof("value") == "dim_value" else check_text(size.dim_param) or "?"


def describe_mismatch(declared: Any, dims: Sizes) -> str:
    """How the shape that a file says differs from the one that an operator gives; empty if it does not.

    Sizes that the file leaves open agree with any, and the size of the batch may be that of an earlier export.
    """
    if not declared.tensor_type.HasField("shape"):
        return ""
    said = [read_size(size) for size in declared.tensor_type.shape.dim]
    pairs = list(zip(said, dims, strict=False))
    if len(said) == len(dims) and all(size in (None, due) for size, due in pairs[1:]):
        return ""
    listed = " × ".join("?" if size is None else str(size) for size in said)
    return f"the file declares an output of {listed}, but its operator produces {' × '.join(map(str, dims))}"
