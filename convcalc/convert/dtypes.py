"""Chooses the data types of an imported network: one for all weights, one for all activations, one for all biases.

A spec can state only these three. If a file has several data types for one of them, the type with the most elements is
used, and a note reports the others.
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

        Data types that a spec cannot state are ignored.
        """
        if dtype in BITS and elements:
            self.elements[use][dtype] += elements

    def apply_to(self, graph: Graph) -> Graph:
        """Return the graph with the chosen data types, and a note for each use that has several data types."""
        return graph._replace(dtype=self.dtype(), notes=(*graph.notes, *self.notes()))

    def dtype(self) -> Mapping[str, str]:
        """Return the data types as the `dtype` of a spec; empty if all are float32.

        The type of biases is omitted if it is the spec's default for the type of the weights.
        """
        most = {use: found.most_common(1)[0][0] for use, found in self.elements.items() if found}
        weights, activations = most.get("weights", FLOAT32), most.get("activations", FLOAT32)
        dtype = {"weights": weights, "activations": activations}
        implied = "int32" if is_integer_type(weights) else weights
        if most.get("bias", implied) != implied:
            dtype["bias"] = most["bias"]
        return {} if set(dtype.values()) == {FLOAT32} else dtype

    def notes(self) -> Iterator[str]:
        """Yield a note for each of weights, activations and biases that has several data types."""
        for use, found in self.elements.items():
            (dtype, _), *others = found.most_common() or [("", 0)]
            if others:
                listed = ", ".join(f"{elements:,} are {other}" for other, elements in others)
                yield f"data types: of {found.total():,} elements of {use}, {listed}; all are counted as {dtype}"
