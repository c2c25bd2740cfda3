"""Joins separate padding and cropping with their layers, when a module that convcalc exported is imported again.

If a PyTorch layer does not support its padding, the exported module pads before it or crops after it in a separate
module, which is identified by name: `conv1_pad` before `conv1`, `conv1_crop` after it.
"""

from collections import Counter
from typing import Any

from convcalc.convert.graph import Graph, Step
from convcalc.convert.pytorch.module_scopes import AROUND

BEFORE, AFTER = AROUND
_PADDED = frozenset({"conv", "depthwise_conv", "maxpool", "avgpool"})


def join_padding(graph: Graph) -> Graph:
    """Return the graph with each separate padding or cropping step turned into the padding of its layer."""
    steps = {step.name: step for step in graph.steps}
    readers = Counter(name for step in graph.steps for name in step.reads) + Counter(graph.outputs)
    renamed: dict[str, str] = {}
    for step in graph.steps:
        before, after = steps.get(step.name + BEFORE), steps.get(step.name + AFTER)
        if before is not None and readers[before.name] == 1 and _is_padding(before, step):
            padding = {"padding": before.arguments["padding"]}
            steps[step.name] = step._replace(arguments={**step.arguments, **padding}, reads=before.reads)
            del steps[before.name]
        elif after is not None and readers[step.name] == 1 and _is_cut(after, step):
            padding = {"padding": after.arguments["amount"]}
            steps[step.name] = step._replace(arguments={**step.arguments, **padding})
            del steps[after.name]
            renamed[after.name] = step.name
    outputs = tuple(renamed.get(name, name) for name in graph.outputs)
    return graph._replace(steps=tuple(_rename_reads(step, renamed) for step in steps.values()), outputs=outputs)


def _rename_reads(step: Step, renamed: dict[str, str]) -> Step:
    return step._replace(reads=tuple(renamed.get(name, name) for name in step.reads))


def _is_padding(before: Step, step: Step) -> bool:
    """Whether the step `before` can become the padding of the convolution or pooling `step`, which reads it.

    A pooling allows at most half the kernel size, because convcalc limits its padding as PyTorch does.
    """
    if (
        before.kind != "pad"
        or "mode" in before.arguments
        or step.kind not in _PADDED
        or step.reads != (before.name,)
        or "padding" in step.arguments
    ):
        return False
    if step.kind in ("conv", "depthwise_conv"):
        return True
    pairs = before.arguments["padding"]
    return all(
        max(pair) <= half for pair, half in zip(pairs, _half_kernel(step.arguments["kernel_size"], pairs), strict=True)
    )


def _half_kernel(kernel: Any, pairs: list[Any]) -> list[int]:
    """Return half of the kernel size, rounded down, for each axis."""
    return [size // 2 for size in (kernel if isinstance(kernel, list) else [kernel] * len(pairs))]


def _is_cut(after: Step, step: Step) -> bool:
    """Whether the step `after` crops the output of the transposed convolution `step`, so that it can be its padding."""
    return (
        after.kind == "crop"
        and step.kind == "conv_transpose"
        and after.reads == (step.name,)
        and "padding" not in step.arguments
    )
