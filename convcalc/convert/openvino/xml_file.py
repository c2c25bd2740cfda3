"""Reads the XML of an OpenVINO model: its layers, their ports with shapes, and the edges between ports.

The expat parser of Python's standard library reads the file in pieces. A document type is refused, so that no entity
is ever expanded; size, depth and number of elements are limited. Source of the format: docs.openvino.ai, "Model
Representation in OpenVINO", and the files that OpenVINO 2026 writes.
"""

import os
import stat
from collections.abc import Callable
from heapq import heappop, heappush
from math import prod
from typing import Any, NamedTuple
from xml.parsers import expat

from convcalc.convert.graph import NotImported
from convcalc.problems import shorten, show

MOST_BYTES = 64 * 2**20
MOST_FIELDS = 2_000_000  # elements and attributes
MOST_NESTED = 64
MOST_LAYERS = 100_000
MOST_AXES = 64
MOST_DIGITS = 12  # of a size
VERSIONS = ("10", "11")
_PIECE = 65_536
_BODIES = frozenset({"body", "then_body", "else_body"})

Dims = tuple[int, ...]  # -1 is an unknown size
PortKey = tuple[str, str]  # the ids of a layer and of its port


class Port(NamedTuple):
    """An input or output of a layer: its id, its data type, such as FP32, and its sizes."""

    id: str
    precision: str
    dims: Dims


class XmlLayer:
    """A layer. `inner` are the sizes of the floating-point constants in its bodies, if it is a loop or a condition."""

    def __init__(self, id: str, name: str, type: str, version: str) -> None:
        self.id = id
        self.name = name
        self.type = type
        self.version = version
        self.data: dict[str, str] = {}
        self.inputs: list[Port] = []
        self.outputs: list[Port] = []
        self.inner: list[Dims] = []


class XmlModel(NamedTuple):
    """The layers by id in the order of the file, and for each input port of a layer the output port that it reads."""

    name: str
    layers: dict[str, XmlLayer]
    edges: dict[PortKey, PortKey]


def read_xml(path: str) -> XmlModel:
    """Return the layers and edges of a file.

    Raises OSError if the file cannot be read, and NotImported if it is malformed, of an unsupported version, or exceeds
    a limit.
    """
    reader = _XmlReader()
    with open(path, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise NotImported("not a regular file")
        if status.st_size > MOST_BYTES:
            raise NotImported(f"larger than {MOST_BYTES // 2**20} MiB")
        try:
            while piece := stream.read(_PIECE):
                reader.parser.Parse(piece, False)
            reader.parser.Parse(b"", True)
        except expat.ExpatError as error:
            place = f"line {error.lineno}, column {error.offset + 1}"
            raise NotImported(f"malformed XML at {place}: {expat.ErrorString(error.code)}") from None
    if not reader.layers:
        raise NotImported("it has no layers")
    return XmlModel(reader.name, reader.layers, reader.edges)


class _XmlReader:
    """Collects layers and edges while expat reads the file. `path` are the names of the open elements."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.add_text
        self.parser.StartDoctypeDeclHandler = self.refuse_doctype
        self.parser.buffer_text = True
        self.path: list[str] = []
        self.fields = 0
        self.name = ""
        self.layers: dict[str, XmlLayer] = {}
        self.edges: dict[PortKey, PortKey] = {}
        self.layer: XmlLayer | None = None
        self.port: tuple[str, str, list[int]] | None = None
        self.size = ""
        self.handlers: dict[tuple[str, ...], Callable[[dict[str, str]], None]] = {
            ("net",): self.start_net,
            ("net", "layers", "layer"): self.start_layer,
            ("net", "layers", "layer", "data"): self.start_data,
            ("net", "layers", "layer", "input", "port"): self.start_port,
            ("net", "layers", "layer", "output", "port"): self.start_port,
            ("net", "edges", "edge"): self.start_edge,
        }

    def refuse_doctype(self, *declaration: Any) -> None:
        raise NotImported("it has a document type (<!DOCTYPE>), which no OpenVINO model has")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.fields += 1 + len(attributes)
        if self.fields > MOST_FIELDS:
            raise NotImported(f"more than {MOST_FIELDS:,} elements and attributes")
        if len(self.path) == MOST_NESTED:
            raise NotImported(f"elements nested more than {MOST_NESTED} deep")
        self.path.append(name)
        if len(self.path) == 1 and name != "net":
            raise NotImported(f"not an OpenVINO model: its outermost element is <{shorten(name)}>")
        handler = self.handlers.get(tuple(self.path))
        if handler is not None:
            handler(attributes)
        elif name == "data" and self.layer is not None and not _BODIES.isdisjoint(self.path):
            self.add_inner(attributes)
        self.size = ""

    def end(self, name: str) -> None:
        if self.path[-1] == "dim" and self.port is not None and len(self.path) == 6:
            self.port[2].append(read_size(self.size.strip(), self.where()))
            if len(self.port[2]) > MOST_AXES:
                raise NotImported(f"{self.where()} has a port with more than {MOST_AXES} axes")
        elif self.path[-1] == "port" and self.port is not None and self.layer is not None and len(self.path) == 5:
            ports = self.layer.inputs if self.path[-2] == "input" else self.layer.outputs
            ports.append(Port(self.port[0], self.port[1], tuple(self.port[2])))
            self.port = None
        elif len(self.path) == 3 and name == "layer":
            self.layer = None
        self.path.pop()

    def add_text(self, text: str) -> None:
        if self.path[-1] == "dim":
            self.size += text[: MOST_DIGITS + 8]

    def where(self) -> str:
        """Return the description of the current layer in messages."""
        return "the file" if self.layer is None else describe_layer(self.layer)

    def start_net(self, attributes: dict[str, str]) -> None:
        self.name = attributes.get("name", "")
        version = attributes.get("version", "")
        if version not in VERSIONS:
            supported = " and ".join(VERSIONS)
            raise NotImported(f"version {show(version)} of the format is not supported; supported are {supported}")

    def start_layer(self, attributes: dict[str, str]) -> None:
        id = attributes.get("id", "")
        if not id or not attributes.get("type"):
            raise NotImported("a layer has no id or no type")
        if id in self.layers:
            raise NotImported(f"two layers have the id {show(id)}")
        if len(self.layers) == MOST_LAYERS:
            raise NotImported(f"more than {MOST_LAYERS:,} layers")
        self.layer = XmlLayer(id, attributes.get("name", ""), attributes["type"], attributes.get("version", ""))
        self.layers[id] = self.layer

    def start_data(self, attributes: dict[str, str]) -> None:
        if self.layer is not None:
            self.layer.data.update(attributes)

    def start_port(self, attributes: dict[str, str]) -> None:
        self.port = (attributes.get("id", ""), attributes.get("precision", ""), [])

    def start_edge(self, attributes: dict[str, str]) -> None:
        source, target = (
            (attributes.get(f"{end}-layer", ""), attributes.get(f"{end}-port", "")) for end in ("from", "to")
        )
        if target in self.edges:
            raise NotImported(f"two edges lead to port {show(target[1])} of layer {show(target[0])}")
        self.edges[target] = source

    def add_inner(self, attributes: dict[str, str]) -> None:
        """Record the sizes of a constant in the body of a loop or a condition."""
        if self.layer is not None and "offset" in attributes and attributes.get("element_type", "")[:1] in "fb":
            sizes = [read_size(size.strip(), self.where()) for size in attributes.get("shape", "").split(",") if size]
            if prod(sizes) > 1:
                self.layer.inner.append(tuple(sizes))


def read_size(text: str, where: str) -> int:
    """Return a size; -1 if it is open, which is written -1, ? or as a range. Raises NotImported if it is malformed."""
    if text in ("-1", "?") or ".." in text:
        return -1
    if not text.isascii() or not text.isdecimal() or len(text) > MOST_DIGITS:
        raise NotImported(f"{where} has the size {show(text)}, which is not a number of at most {MOST_DIGITS} digits")
    return int(text)


def describe_layer(layer: XmlLayer) -> str:
    """Return the description of a layer in messages: `Convolution 'conv1'`."""
    return f"{shorten(layer.type)} {show(layer.name)}"


def sort_layers(model: XmlModel) -> list[XmlLayer]:
    """Return the layers in an order in which each follows those that it reads.

    Raises NotImported if an edge leads to or from a port that does not exist, or if there is a cycle.
    """
    outputs = {(layer.id, port.id) for layer in model.layers.values() for port in layer.outputs}
    places = {id: place for place, id in enumerate(model.layers)}
    readers: dict[str, list[str]] = {}
    waiting: dict[str, int] = {}
    for layer in model.layers.values():
        sources = []
        for port in layer.inputs:
            source = model.edges.get((layer.id, port.id))
            if source is None or source not in outputs:
                raise NotImported(f"the port {show(port.id)} of {describe_layer(layer)} reads no output of a layer")
            sources.append(source[0])
        for id in sources:
            readers.setdefault(id, []).append(layer.id)
        waiting[layer.id] = len(sources)
    ready = [(places[id], id) for id, count in waiting.items() if not count]
    found: list[XmlLayer] = []
    while ready:
        _, id = heappop(ready)  # the first in the file, so that a sorted file keeps its order
        found.append(model.layers[id])
        for reader in readers.get(id, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heappush(ready, (places[reader], reader))
    if len(found) < len(model.layers):
        stuck = next(layer for layer in model.layers.values() if waiting[layer.id])
        raise NotImported(f"{describe_layer(stuck)} is part of a cycle, or depends on one")
    return found
