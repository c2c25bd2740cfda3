"""Names the layers of an ONNX graph.

The name comes from the layer's weights (`layer1.0.conv1.weight`) or its node (`/layer1/layer1.0/conv1/Conv`): both
belong to `layer1.0.conv1`. If the exporter made them up, the name is the kind with a number: `conv1`.
"""

import re
from collections import Counter
from collections.abc import Iterable

_WEIGHT = re.compile(r"[._/](weight|kernel|gamma|scale|bias|beta|w|W|b|B|s|bn_scale|slope)(_?\d+)?(:\d+)?$")
_NUMBERED = re.compile(r"(node_)?[A-Za-z]*\d*_?[Nn]?\d+$|(node_)?[A-Za-z0-9]+_\d+$")
_GIVEN_BY_EXPORTER = re.compile(r"(onnx::|node_)")


class OnnxNames:
    """Assigns each layer a unique name."""

    def __init__(self, nodes: Iterable[str] = ()) -> None:
        self.modules = Counter(_module_of(node) for node in nodes)
        self.taken: set[str] = set()
        self.numbers: dict[str, int] = {}

    def reserve(self, name: str) -> None:
        """Keep a name from being assigned to a layer."""
        self.taken.add(name)

    def assign(self, node: str, kind: str, roots: tuple[str, ...]) -> str:
        """Return a new name for a layer, from its weights, its node, or its kind."""
        given = [name for name in (self.name_from_weights(roots), self.name_from_node(node, kind)) if name]
        found = next((name for name in given if name not in self.taken), "") or next(iter(given), "")
        if not found:
            self.numbers[kind] = self.numbers.get(kind, 0) + 1
            found = f"{kind}{self.numbers[kind]}"
        number, candidate = 1, found
        while candidate in self.taken:
            number += 1
            candidate = f"{found}_{number}"
        self.taken.add(candidate)
        return candidate

    def name_from_weights(self, roots: tuple[str, ...]) -> str:
        """Return the name before `.weight` and the like, from the first weight; empty if there is none."""
        if not roots or _GIVEN_BY_EXPORTER.match(roots[0]):
            return ""
        stem = _WEIGHT.sub("", roots[0])
        return "" if stem == roots[0] else stem

    def name_from_node(self, node: str, kind: str) -> str:
        """Return a node's module, followed by the kind if other nodes are in the same module; empty if unnamed."""
        if not node.startswith("/"):
            return "" if _NUMBERED.fullmatch(node) else node
        module = _module_of(node)
        alone = self.modules[module] < 2 and module not in self.taken
        return module if alone or not module else f"{module}.{kind}"


def _module_of(node: str) -> str:
    """Return the module in a node name of PyTorch: `/layer1/layer1.0/conv1/Conv` is in `layer1.0.conv1`."""
    found: list[str] = []
    for module in node.strip("/").split("/")[:-1]:
        if found and module.startswith(f"{found[-1]}."):
            found.pop()
        found.append(module)
    return ".".join(found)
