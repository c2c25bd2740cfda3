"""resnet50 in a warm process: convcalc compared with torchinfo and with ONNX's shape inference."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import convcalc
from convcalc import caching

from .measure import IN_PROCESS, SPEC, Action, Goal, Row, medians, milliseconds

REPEATED = 15  # summaries that take about as long as one of torchinfo
MODELS = "tests.oracle.reference_models"


def torchinfo(runs: int) -> list[Row]:
    """The summary, including reading, compared with torchinfo's for the same network on the meta device.

    In each round, convcalc makes several summaries, so that both run for about as long, and neither finds the processor
    caches full of the other's data. `torchinfo cold` forgets remembered results before each summary, as in a new
    process.
    """
    hot, cold = Goal(least=25), Goal(least=18)
    if not installed("torch", "torchinfo"):
        advice = "needs torch torchinfo: pip install torch==2.13.0 torchinfo"
        return [Row("torchinfo", None, hot, advice), Row("torchinfo cold", None, cold, advice)]
    network, shape = meta_network()
    summary = import_module("torchinfo").summary
    summarise = partial(summary, network, input_size=(1, *shape), device="meta", verbose=0)
    read = partial(convcalc.summary, SPEC)
    agree("params", summarise().total_params, read().totals.params)
    actions = summarise, partial(repeat, read), partial(repeat, partial(read_afresh, read))
    theirs, *ours = medians(runs, *actions, clock=IN_PROCESS)
    again, first = (time / REPEATED for time in ours)
    detail = f"torchinfo on meta {milliseconds(theirs)}, convcalc.summary"
    return [
        Row("torchinfo", theirs / again, hot, f"{detail} {milliseconds(again)}"),
        Row("torchinfo cold", theirs / first, cold, f"{detail} without remembered results {milliseconds(first)}"),
    ]


def repeat(action: Action) -> None:
    for _ in range(REPEATED):
        action()


def read_afresh(read: Action) -> None:
    caching.forget()
    read()


def onnx(runs: int) -> list[Row]:
    """The analysis of a network already read, compared with shape inference of the same graph."""
    if not installed("onnx"):
        return [Row("onnx", None, None, "needs onnx: pip install onnx")]
    from . import onnx_graph

    network = convcalc.load(SPEC)
    report = convcalc.analyse(network)
    model = onnx_graph.model(report.to_dict())
    infer = partial(import_module("onnx.shape_inference").infer_shapes, model)
    inferred = onnx_graph.shapes(infer())
    agree("shapes", inferred, {layer.name: layer.output_shape.sizes for layer in report.layers})
    theirs, ours = medians(runs, infer, partial(convcalc.analyse, network), clock=IN_PROCESS)
    detail = f"onnx infer_shapes {milliseconds(theirs)}, convcalc.analyse {milliseconds(ours)}"
    return [Row("onnx", theirs / ours, None, detail)]


def installed(*names: str) -> bool:
    return all(find_spec(name) is not None for name in names)


def meta_network() -> tuple[Any, tuple[int, ...]]:
    """resnet50 in PyTorch, without memory for its weights, and the shape of its input."""
    with import_module("torch").device("meta"):
        network, shape = import_module(MODELS).resnet50()
    return network.eval(), shape


def agree(what: str, theirs: object, ours: object) -> None:
    """Check that both answers agree: only answers to the same question are worth timing."""
    if theirs != ours:
        raise RuntimeError(f"not the same network: its {what} are {theirs}, convcalc's {ours}")
