"""Names the layers of an ONNX graph.

A layer is named after its weights or else its node: the weight `layer1.0.conv1.weight` and the node
`/layer1/layer1.0/conv1/Conv` both give the name `layer1.0.conv1`. If the exporter generated both names, the layer is
named after its kind, with a number: `conv1`.
"""

import re
from collections import Counter
from collections.abc import Iterable

from convcalc.convert.pytorch.names import first_free_name

_WEIGHT = re.compile(r"[._/](weight|kernel|gamma|scale|bias|beta|w|W|b|B|s|bn_scale|slope)(_?\d+)?(:\d+)?$")
_NUMBERED = re.compile(r"(node_)?[A-Za-z]*\d*_?[Nn]?\d+$|(node_)?[A-Za-z0-9]+_\d+$")
_GIVEN_BY_EXPORTER = re.compile(r"(onnx::|node_)")


class OnnxNames:
    """Assigns each layer a unique name. `nodes` are the names of all nodes in the graph."""

    def __init__(self, nodes: Iterable[str] = ()) -> None:
        self.modules = Counter(_extract_module(node) for node in nodes)
        self.taken: set[str] = set()
        self.numbers: dict[str, int] = {}

    def reserve(self, name: str) -> None:
        """Keep a name from being assigned to a layer."""
        self.taken.add(name)

    def release(self, name: str) -> None:
        """Allow a name to be assigned again."""
        self.taken.discard(name)

    def assign(self, node: str, kind: str, roots: tuple[str, ...]) -> str:
        """Return an unused name for a layer.

        It is made from the names of its learnt tensors (`roots`), or else of its node, or else of its kind.
        """
        own = roots[0] if kind == "parameter" and not _GIVEN_BY_EXPORTER.match(roots[0]) else ""
        given = [name for name in (own, self.name_from_weights(roots), self.name_from_node(node, kind)) if name]
        found = next((name for name in given if name not in self.taken), "") or next(iter(given), "")
        if not found:
            self.numbers[kind] = self.numbers.get(kind, 0) + 1
            found = f"{kind}{self.numbers[kind]}"
        name = first_free_name(found, self.taken)
        self.taken.add(name)
        return name

    def name_from_weights(self, roots: tuple[str, ...]) -> str:
        """Return the name of the first weight without its ending, such as `.weight`.

        Empty if there are no weights, if the name has no such ending, or if the exporter generated it.
        """
        if not roots or _GIVEN_BY_EXPORTER.match(roots[0]):
            return ""
        stem = _WEIGHT.sub("", roots[0])
        return "" if stem == roots[0] else stem

    def name_from_node(self, node: str, kind: str) -> str:
        """Return a layer's name made from its node's name; empty if the exporter generated the node's name.

        PyTorch writes the module into the node's name, which then begins with a slash; the layer gets the module's
        name. If the module contains several nodes, the layer kind is appended.
        """
        if not node.startswith("/"):
            return "" if _NUMBERED.fullmatch(node) else node
        module = _extract_module(node)
        alone = self.modules[module] < 2 and module not in self.taken
        return module if alone or not module else f"{module}.{kind}"


def _extract_module(node: str) -> str:
    """Return the module in a node name of PyTorch: `layer1.0.conv1` for `/layer1/layer1.0/conv1/Conv`."""
    found: list[str] = []
    for module in node.strip("/").split("/")[:-1]:
        if found and module.startswith(f"{found[-1]}."):
            found.pop()
        found.append(module)
    return ".".join(found)
