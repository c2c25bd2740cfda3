"""Names of layers: those of the weights or of the module where the file tells them, else the kind and a number."""

import re
from collections import Counter
from collections.abc import Iterable

_WEIGHT = re.compile(r"[._/](weight|kernel|gamma|scale|bias|beta|w|W|b|B|s|bn_scale|slope)(_?\d+)?(:\d+)?$")
_NUMBERED = re.compile(r"(node_)?[A-Za-z]*\d*_?[Nn]?\d+$|(node_)?[A-Za-z0-9]+_\d+$")
_GIVEN_BY_EXPORTER = re.compile(r"(onnx::|node_)")


class OnnxNames:
    """Gives each layer a name of its own."""

    def __init__(self, nodes: Iterable[str] = ()) -> None:
        self.modules = Counter(_module_of(node) for node in nodes)
        self.taken: set[str] = set()
        self.numbers: dict[str, int] = {}

    def reserve(self, name: str) -> None:
        """A name that is an input's."""
        self.taken.add(name)

    def name(self, node: str, kind: str, roots: tuple[str, ...]) -> str:
        """The name of a layer of a node that uses some weights."""
        given = [name for name in (self.of_weights(roots), self.of_node(node, kind)) if name]
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

    def of_weights(self, roots: tuple[str, ...]) -> str:
        """What the first of the weights belongs to: `layer1.0.conv1.weight` is of `layer1.0.conv1`."""
        if not roots or _GIVEN_BY_EXPORTER.match(roots[0]):
            return ""
        stem = _WEIGHT.sub("", roots[0])
        return "" if stem == roots[0] else stem

    def of_node(self, node: str, kind: str) -> str:
        """The module that a node stands in, with the kind where others stand there too; nothing where it says none."""
        if not node.startswith("/"):
            return "" if _NUMBERED.fullmatch(node) else node
        module = _module_of(node)
        alone = self.modules[module] < 2 and module not in self.taken
        return module if alone or not module else f"{module}.{kind}"


def _module_of(node: str) -> str:
    """The module that a node stands in as PyTorch names it: `/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`."""
    found: list[str] = []
    for module in node.strip("/").split("/")[:-1]:
        if found and module.startswith(f"{found[-1]}."):
            found.pop()
        found.append(module)
    return ".".join(found)
