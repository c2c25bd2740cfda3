"""Receptive field and liveness of long and dense graphs, compared with a tenth of the size: linear in the edges."""

from __future__ import annotations

from functools import partial

import convcalc
from convcalc.layers import KINDS
from convcalc.network import Network, Node

from .measure import IN_PROCESS, Goal, Row, medians, milliseconds

SEED = {"input": [8, 32, 32], "layers": [{"conv": {"out_channels": 8, "kernel_size": 3, "padding": 1}}, "relu"]}


def chain(layers: int) -> Network:
    """Alternating convolutions and activations; more layers than a file may have."""
    network = convcalc.load(SEED)
    kinds = [node.layer for node in network.nodes]
    nodes = tuple(Node(f"layer{i}", kinds[i % 2], (i,), ("layers", i), None) for i in range(layers))
    return network._replace(nodes=nodes, outputs={nodes[-1].name: layers})


def dense(layers: int, block: int = 100) -> Network:
    """Sums of all previous tensors in the block, each followed by a convolution, as in DenseNet."""
    network = convcalc.load(SEED)
    conv, add = network.nodes[0].layer, KINDS["add"]
    nodes: list[Node] = []
    made = [0]  # the tensors of this block, starting with its input
    while len(nodes) < layers:
        if len(made) > block:
            made = made[-1:]
        total = len(nodes) + 1
        nodes.append(Node(f"sum{total}", add((conv.output,) * len(made), {}), tuple(made), ("layers",), None))
        nodes.append(Node(f"conv{total}", conv, (total,), ("layers",), None))
        made = [*made, total + 1]
    return network._replace(nodes=tuple(nodes), outputs={nodes[-1].name: len(nodes)})


def graphs(runs: int) -> list[Row]:
    """Analyse 100,000 layers in a chain, and 2,000 layers that read all earlier ones in their block."""
    rows = []
    for name, make, sizes in (("chain time", chain, (10_000, 100_000)), ("dense time", dense, (200, 2_000))):
        small, large = map(make, sizes)
        short, long = medians(
            min(runs, 5), partial(convcalc.analyse, small), partial(convcalc.analyse, large), clock=IN_PROCESS
        )
        detail = f"{sizes[0]:,} layers {milliseconds(short)}, {sizes[1]:,} layers {milliseconds(long)}"
        rows.append(Row(name, long / short, Goal(most=12), detail))
    return rows
