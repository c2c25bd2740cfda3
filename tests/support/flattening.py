"""Converts a network to a graph as an importer produces it: a flat list of steps, with given names or with numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from convcalc.arguments import NamedShape
from convcalc.convert.graph import Graph, Step
from convcalc.network import Network, Node

Naming = Callable[[str], str]


def flat(network: Network, naming: Naming | None = None) -> Graph:
    """Return the graph of a network. `naming` maps layer names to step names; without it, the steps are numbered."""
    names = [naming(node.name) if naming else str(number) for number, node in enumerate(network.nodes)]
    tensors = [*network.inputs, *names]
    pairs = zip(network.nodes, names, strict=True)
    steps = tuple(step(network, node, name, tensors, naming is not None) for node, name in pairs)
    inputs = {name: shape.sizes for name, shape in network.inputs.items()}
    outputs = tuple(tensors[tensor] for tensor in network.outputs.values())
    return Graph(network.name, "a test", inputs, steps, outputs)


def step(network: Network, node: Node, name: str, tensors: list[str], named: bool) -> Step:
    """Return one layer as a step."""
    arguments = {key: written(value) for key, value in node.layer.given.items() if value is not None}
    if isinstance(arguments.get("like"), NamedShape):
        arguments["like"] = tensors[tensor_of(network, node.name, arguments["like"].name)]
    owner = None if node.owner is None else tensors[len(network.inputs) + node.owner]
    reads = tuple(tensors[tensor] for tensor in node.reads)
    return Step(name, node.layer.kind, arguments, reads, owner, node.frozen, named)


def written(value: Any) -> Any:
    """Convert tuples to lists, as an importer writes them."""
    return [written(item) for item in value] if value.__class__ is tuple else value


def tensor_of(network: Network, name: str, said: str) -> int:
    """Return the number of the tensor that a layer refers to by name, looked up from its own scope outwards."""
    known = dict(zip(network.inputs, range(len(network.inputs)), strict=True))
    known |= {node.name: number for number, node in enumerate(network.nodes, len(network.inputs))}
    known |= {group.name: group.output for group in network.groups}
    scopes = name.split(".")[:-1]
    ends = (".".join([*scopes[:depth], said]) for depth in range(len(scopes), -1, -1))
    return next(known[end] for end in ends if end in known)


def torchvision_names(network: Network) -> Mapping[str, str]:
    """Return the names that torchvision's ResNet uses for the layers of an example ResNet."""
    return {node.name: torchvision_name(node.name.split(".")) for node in network.nodes}


TOP = {"conv1": "conv1", "batchnorm1": "bn1", "relu1": "relu", "maxpool1": "maxpool", "global_avgpool1": "avgpool"}
SHORT = {"conv": "conv", "batchnorm": "bn"}


def torchvision_name(parts: list[str]) -> str:
    """Return torchvision's name of one layer: `layer2.0.downsample.0` for `stage2.0.branches1.1.conv1`."""
    if len(parts) == 1:
        return TOP.get(parts[0], {"flatten1": "flatten", "linear1": "fc"}.get(parts[0], parts[0]))
    scope = f"layer{parts[0].removeprefix('stage')}.{parts[1]}"
    word, number = parts[-1].rstrip("0123456789"), parts[-1][-1]
    if parts[2:4] == ["branches1", "1"]:
        return f"{scope}.downsample.{('conv', 'batchnorm').index(word)}"
    if word in SHORT:
        return f"{scope}.{SHORT[word]}{number}"
    if word == "add":
        return f"{scope}.add"
    return f"{scope}.relu_{number if parts[2] == 'branches1' else 3}"
