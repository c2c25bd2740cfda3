"""Writes OpenVINO models as text, layer by layer, without OpenVINO."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

Sizes = Sequence[int]


class Output(NamedTuple):
    """An output of a layer: the id of the layer, the id of the port, and its sizes."""

    layer: int
    port: int
    dims: Sizes


class Ir:
    """A model. `content` are the bytes of its constants."""

    def __init__(self, name: str = "net") -> None:
        self.name = name
        self.layers: list[str] = []
        self.edges: list[str] = []
        self.content = b""

    def input(self, *dims: int, name: str = "x") -> Output:
        [made] = self.add("Parameter", [], [dims], name=name, shape=",".join(map(str, dims)), element_type="f32")
        return made

    def weight(self, *dims: int, type: str = "f32", name: str = "w") -> Output:
        """A large constant, whose values are not in the file."""
        more = {"element_type": type, "shape": ", ".join(map(str, dims)), "offset": "0", "size": str(10**12)}
        [made] = self.add("Const", [], [dims], precision=type.upper().replace("F", "FP"), name=name, **more)
        return made

    def integers(self, *values: int, dims: Sizes | None = None) -> Output:
        """A constant with these 64-bit integers, by default along one axis."""
        return self.constant(struct.pack(f"<{len(values)}q", *values), "i64", (len(values),) if dims is None else dims)

    def number(self, value: float) -> Output:
        return self.constant(struct.pack("<f", value), "f32", ())

    def constant(self, content: bytes, type: str, dims: Sizes) -> Output:
        more = {"offset": str(len(self.content)), "size": str(len(content)), "shape": ", ".join(map(str, dims))}
        self.content += content
        [made] = self.add("Const", [], [dims], precision="I64" if type == "i64" else "FP32", element_type=type, **more)
        return made

    def add(
        self,
        type: str,
        inputs: Sequence[Output],
        outputs: Sequence[Sizes],
        name: str = "",
        precision: str = "FP32",
        version: str = "opset1",
        inner: str = "",
        **data: str,
    ) -> list[Output]:
        """Add a layer with these attributes; `inner` is put behind them as it is."""
        id = len(self.layers)
        self.edges += [
            f'<edge from-layer="{source.layer}" from-port="{source.port}" to-layer="{id}" to-port="{port}"/>'
            for port, source in enumerate(inputs)
        ]
        found = [Output(id, len(inputs) + place, dims) for place, dims in enumerate(outputs)]
        attributes = " ".join(f"{key.replace('__', '-')}={quoteattr(value)}" for key, value in data.items())
        read = "".join(self.port(place, source.dims, "FP32") for place, source in enumerate(inputs))
        made = "".join(self.port(output.port, output.dims, precision) for output in found)
        self.layers.append(
            f'<layer id="{id}" name={quoteattr(name or f"{type}_{id}")} type={quoteattr(type)} version="{version}">'
            f"<data {attributes}/>{inner}<input>{read}</input><output>{made}</output></layer>"
        )
        return found

    def port(self, id: int, dims: Sizes, precision: str) -> str:
        return f'<port id="{id}" precision="{precision}">{"".join(f"<dim>{size}</dim>" for size in dims)}</port>'

    def text(self, *results: Output) -> str:
        for result in results:
            self.add("Result", [result], [])
        layers, edges = "\n".join(self.layers), "\n".join(self.edges)
        start = f'<?xml version="1.0"?>\n<net name={quoteattr(self.name)} version="11">'
        return f"{start}\n<layers>\n{layers}\n</layers>\n<edges>\n{edges}\n</edges>\n<rt_info/>\n</net>\n"

    def save(self, folder: Path, *results: Output, constants: bool = True) -> str:
        """Write the files and return the name of the XML."""
        (folder / "net.xml").write_text(self.text(*results), encoding="utf-8")
        (folder / "net.bin").unlink(missing_ok=True)
        if constants:
            (folder / "net.bin").write_bytes(self.content)
        return str(folder / "net.xml")
