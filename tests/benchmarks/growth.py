"""Time and memory for reading and analysing networks of 1,000 to 30,000 layers."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial
from io import StringIO

import convcalc
from convcalc import caching

from .measure import IN_PROCESS, Action, Goal, Row, medians, milliseconds

FEW, MANY = 1_000, 30_000
GOAL = Goal(most=31)
HEADER = """
input: [8, 32, 32]
check: {select: [CV2]}
budget:
  params: 1G
  peak_memory: 1GiB
  receptive_field: {max: 1G}
  per_layer: {"*": {params: 1M}}
"""
CELL = """
blocks:
  cell:
    params: {channels: }
    layers:
      - branches:
          - - conv: {out_channels: $channels, kernel_size: 1, bias: false}
            - batchnorm
            - relu
            - conv: {out_channels: $channels, kernel_size: 3, padding: 1, bias: false}
            - batchnorm
            - relu
            - conv: {out_channels: 8, kernel_size: 1, bias: false}
            - batchnorm
          - []
        merge: add
      - relu
"""
CELL_LAYERS = 10


def written(runs: int) -> list[Row]:
    """Every layer written on a line of its own."""
    return grown("written", runs, written_out)


def repeated(runs: int) -> list[Row]:
    """A block of ten layers, repeated; its arguments differ between copies."""
    return grown("repeated", runs, repeated_block)


def written_out(layers: int) -> str:
    return HEADER + "layers:\n" + "  - conv: {out_channels: 8, kernel_size: 3, padding: 1}\n" * layers


def repeated_block(layers: int) -> str:
    copies = layers // CELL_LAYERS
    return f"{HEADER}{CELL}\nlayers:\n  - cell: {{channels: $(4 + index % 4), repeat: {copies}}}\n"


def grown(name: str, runs: int, text: Callable[[int], str]) -> list[Row]:
    """Two rows: how much more time and memory the larger text needs."""
    few, many = (partial(analysed, text(layers), layers) for layers in (FEW, MANY))
    little_time, much_time = medians(runs, few, many, clock=IN_PROCESS)
    little_memory, much_memory = peak(few), peak(many)
    times = f"{FEW:,} layers {milliseconds(little_time)}, {MANY:,} layers {milliseconds(much_time)}"
    memory = f"{FEW:,} layers {mebibytes(little_memory)}, {MANY:,} layers {mebibytes(much_memory)}"
    return [
        Row(f"{name} time", much_time / little_time, GOAL, times),
        Row(f"{name} memory", much_memory / little_memory, GOAL, memory),
    ]


def analysed(text: str, layers: int) -> None:
    """Read and analyse a text, without remembered results, and check its number of layers."""
    caching.forget()
    report = convcalc.analyse(convcalc.load(StringIO(text)))
    if report.totals.layers != layers:
        raise RuntimeError(f"{report.totals.layers} layers, not {layers}")


def peak(action: Action) -> int:
    """The largest number of bytes that Python holds at a time during an action."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def mebibytes(size: int) -> str:
    return f"{size / 1024**2:.1f} MiB"
