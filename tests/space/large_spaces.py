"""Random design spaces of up to a million networks, each written twice: with `space`, and without.

The second spec has one ordinary spec parameter per independent choice, such as `kernel0_1` for the second copy of the
first piece, and its repeats are written out. All its combinations, evaluated by the engine of `sweep`, are the networks
of the space: no states, graphs, sums or slots are involved.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from math import prod
from typing import Any, NamedTuple

import yaml
from hypothesis import strategies as st

from tests.space.random_spaces import BLOCKS

WIDTHS, KERNELS, EXPANDS = [2, 3, 4, 6], [1, 3, 5], [1, 2, 3]
STRIDES, FLAGS, OPS = [1, 2], [False, True], ["nothing", "thing", "mb"]
OPTIONS: dict[str, list[Any]] = {"width": WIDTHS, "kernel": KERNELS, "expand": EXPANDS, "op": OPS}
SAME = {"out_channels": 4, "kernel_size": 3, "padding": 1}


class Copy(NamedTuple):
    """A parameter of the second spec, used if the parameter `depth` is larger than `place`, or if `depth` is ""."""

    name: str
    depth: str
    place: int


class Twice(NamedTuple):
    """The same networks written twice: as `space`, a spec with a design space, and as `flat`, one without.

    `values` has the values of each parameter of `flat`. `copies` has, for each parameter of `space` with a value per
    copy, its parameters in `flat`, in the order of the network.
    """

    space: str
    flat: str
    values: dict[str, list[Any]]
    copies: dict[str, list[Copy]]

    @property
    def rows(self) -> int:
        """The number of combinations of `flat`, including those that differ only in unused parameters."""
        return prod(map(len, self.values.values()))


class Writer:
    """Writes both specs, piece by piece."""

    def __init__(self) -> None:
        self.layers: list[Any] = []
        self.flat: list[Any] = []
        self.space: dict[str, Any] = {}
        self.values: dict[str, list[Any]] = {}
        self.copies: dict[str, list[Copy]] = {}
        self.number = 0

    def add_chosen(self, name: str, options: list[Any]) -> str:
        """Add a choice for the whole network and return the expression that uses it, in both specs."""
        self.space[name] = self.values[name] = options
        return f"${name}"

    def add_copied(self, name: str, label: str, depth: str, index: int) -> str:
        """Add a choice of one copy of a repeat and return the expression that uses it in the second spec."""
        self.space[name] = {"choices": OPTIONS[name], "per": "copy"}
        own = f"{name}_{label}"
        if own not in self.values:
            self.values[own] = OPTIONS[name]
            self.copies.setdefault(name, []).append(Copy(own, depth, index))
        return f"${own}"

    def add_repeat(self, write: Callable[[str, dict[str, str]], Any], uses: list[str], counts: list[int]) -> None:
        """Add an entry that is repeated: `write(index, {parameter: expression})` is one copy of it.

        `counts` are the choices for the number of copies.
        """
        word = f"depth{self.number}"
        repeat: Any = counts[0]
        if len(counts) > 1:
            repeat = self.add_chosen(word, counts)
        self.layers.append(with_options(write("index", {name: f"${name}" for name in uses}), repeat=repeat))
        for index in range(max(counts)):
            depth = word if len(counts) > 1 else ""
            mine = {name: self.add_copied(name, f"{self.number}_{index}", depth, index) for name in uses}
            made = write(str(index), mine)
            self.flat.append(with_options(made, when=f"$({word} > {index})") if depth else made)

    @property
    def rows(self) -> int:
        return prod(map(len, self.values.values()))

    def add(self, *layers: Any) -> None:
        """Add layers to both specs."""
        self.layers += layers
        self.flat += layers

    def finish(self) -> Twice:
        """Return both specs."""
        head: dict[str, Any] = {"input": [3, 32, 32], "blocks": BLOCKS}
        defaults = {name: options[0] for name, options in self.values.items()}
        # the blocks use the spec parameter `kernel`; no layer outside them does in the second spec
        space = {**head, "space": {"kernel": {"choices": KERNELS, "per": "copy"}, **self.space}, "layers": self.layers}
        flat = {"params": {"kernel": 1, **defaults}, **head, "layers": self.flat}
        return Twice(dump(space), dump(flat), self.values, self.copies)


def dump(root: dict[str, Any]) -> str:
    text: str = yaml.dump(root, sort_keys=False, Dumper=_NoAliases)
    return text


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def with_options(entry: Any, **options: Any) -> Any:
    word = next(iter(entry))
    if word in ("sequence", "branches"):
        return {**entry, **options}
    return {word: {**entry[word], **options}}


def write_chain(index: str, own: dict[str, str]) -> Any:
    return {"conv": {"out_channels": 4, "kernel_size": own["kernel"], "padding": "same"}}


def write_mobile(index: str, own: dict[str, str]) -> Any:
    arguments = {"kernel_size": own["kernel"], "expand": own["expand"], "stride": f"$(2 if {index} == 0 else 1)"}
    return {"mb": {**arguments, "out_channels": 6}}


def write_wide(index: str, own: dict[str, str]) -> Any:
    return {"conv": {**SAME, "out_channels": own["width"]}}


def write_growing(index: str, own: dict[str, str]) -> Any:
    return {"sequence": [write_chain(index, own), {"conv": {**SAME, "out_channels": f"$(2 * ({index} + 1))"}}]}


def write_dense(index: str, own: dict[str, str]) -> Any:
    return {
        "branches": {"a": [{"conv": {"out_channels": own["width"], "kernel_size": 1}}], "b": ["relu"]},
        "merge": "concat",
    }


# one copy of a repeated piece, with the parameters of its own that it uses
REPEATED: dict[str, tuple[Callable[[str, dict[str, str]], Any], list[str]]] = {
    "chain": (write_chain, ["kernel"]),
    "mobile": (write_mobile, ["kernel", "expand"]),
    "wide": (write_wide, ["width"]),
    "growing": (write_growing, ["kernel"]),
    "dense": (write_dense, ["width"]),
}


def add_ops(writer: Writer) -> None:
    writer.layers.append({"$op": {"repeat": 2}})
    for index in range(2):
        writer.flat.append({writer.add_copied("op", f"{writer.number}_{index}", "", index): {}})


def add_skip(writer: Writer) -> None:
    width, name = writer.add_chosen("shared", WIDTHS), f"n{writer.number}"
    writer.add({"conv": {"out_channels": width, "kernel_size": 1, "name": name}}, {"conv": SAME})
    writer.add({"concat": [name, "previous"]})


def add_flag(writer: Writer) -> None:
    writer.add({"conv": {**SAME, "when": writer.add_chosen("flag", FLAGS), "name": f"f{writer.number}"}}, "relu")


def add_stride(writer: Writer) -> None:
    writer.add({"conv": {**SAME, "stride": writer.add_chosen("stride", STRIDES)}}, "batchnorm")


def add_nested(writer: Writer) -> None:
    inner = write_chain("", {"kernel": "$kernel"})
    writer.layers.append({"sequence": [with_options(inner, repeat=2), "relu"], "repeat": 2})
    for outer in range(2):
        for index in range(2):
            own = writer.add_copied("kernel", f"{writer.number}_{outer}_{index}", "", index)
            writer.flat.append(write_chain("", {"kernel": own}))
        writer.flat.append("relu")


SINGLE: dict[str, Callable[[Writer], None]] = {
    "ops": add_ops,
    "skip": add_skip,
    "flag": add_flag,
    "stride": add_stride,
    "nested": add_nested,
}
COUNTS = [[1], [2], [3], [4], [1, 2], [0, 1], [1, 2, 3], [2, 3, 4], [0, 3]]


@st.composite
def large_spaces(draw: st.DrawFn, least: int, most: int) -> Twice:
    """Return a random design space with from `least` to `most` combinations of its parameters."""
    writer = Writer()
    writer.add(draw(st.sampled_from([{"conv": SAME}, "relu"])))
    while writer.rows < least:
        kind, counts = draw(st.sampled_from([*REPEATED, *SINGLE])), draw(st.sampled_from(COUNTS))
        larger = deepcopy(writer)
        if kind in SINGLE:
            SINGLE[kind](larger)
        else:
            larger.add_repeat(*REPEATED[kind], counts)
        larger.number += 1
        if larger.rows <= most:
            writer = larger
    if draw(st.booleans()):
        writer.add("global_avgpool", "flatten", {"linear": 3})
    return writer.finish()
