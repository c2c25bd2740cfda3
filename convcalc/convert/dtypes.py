"""Chooses the data types of an imported network: one for all weights, one for all activations, one for all biases.

A spec can state only these three. If a file has several data types for one of them, the type with the most elements is
used, and a note reports the others. So it does for weights of a type that no spec can state, such as complex64.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from convcalc.convert.graph import Graph
from convcalc.units import BITS, is_integer_type

_USES = ("weights", "activations", "bias")
FLOAT32 = "float32"


class DataTypes:
    """Counts the elements of weights, activations and biases by data type, and chooses a type for each."""

    def __init__(self) -> None:
        self.elements: dict[str, Counter[str]] = {use: Counter() for use in _USES}

    def add(self, use: str, dtype: str | None, elements: int) -> None:
        """Count elements of a data type; `use` is `weights`, `activations` or `bias`.

        Activations and biases of data types that a spec cannot state are ignored.
        """
        if dtype and elements and (dtype in BITS or use == "weights"):
            self.elements[use][dtype] += elements

    def apply_to(self, graph: Graph) -> Graph:
        """Return the graph with the chosen data types, and a note for each use that has several data types."""
        return graph._replace(dtype=self.dtype(), notes=(*graph.notes, *self.notes()))

    def dtype(self) -> Mapping[str, str]:
        """Return the data types as the `dtype` of a spec; empty if all are float32.

        The type of biases is omitted if it is the spec's default for the type of the weights.
        """
        weights, activations = self.choose("weights"), self.choose("activations")
        dtype = {"weights": weights, "activations": activations}
        implied = "int32" if is_integer_type(weights) else weights
        if self.choose("bias", implied) != implied:
            dtype["bias"] = self.choose("bias")
        return {} if set(dtype.values()) == {FLOAT32} else dtype

    def choose(self, use: str, default: str = FLOAT32) -> str:
        """Return the data type with the most elements that a spec can state, or else `default`."""
        return next((dtype for dtype, _ in self.elements[use].most_common() if dtype in BITS), default)

    def notes(self) -> Iterator[str]:
        """Yield a note for each of weights, activations and biases that has several data types."""
        for use, found in self.elements.items():
            chosen = self.choose(use)
            others = [f"{elements:,} are {dtype}" for dtype, elements in found.most_common() if dtype != chosen]
            if others:
                listed = ", ".join(others)
                yield f"data types: of {found.total():,} elements of {use}, {listed}; all are counted as {chosen}"
