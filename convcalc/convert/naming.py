"""Defines the interface of the rules by which a format names layers, as the builder of layers uses it."""

from typing import Protocol


class LayerNames(Protocol):
    """Names the layers of a network. Each format has its own rules, see for example `onnx_graph.layer_names`."""

    def reserve(self, name: str) -> None:
        """Keep a name from being assigned to a layer."""

    def release(self, name: str) -> None:
        """Allow a name to be assigned again."""

    def assign(self, node: str, kind: str, roots: tuple[str, ...]) -> str:
        """Return an unused name for the layer of kind `kind` of an operation named `node`.

        `roots` are the names of its learnt tensors.
        """
