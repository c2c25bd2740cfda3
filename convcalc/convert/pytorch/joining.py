"""Joins separate padding and cropping with the layers that they belong to, in a module that convcalc exported.

An exported module pads or crops in a separate module if PyTorch's layer cannot. The names identify these modules:
`conv1_pad` before `conv1`, `conv1_crop` after it.
"""

from collections import Counter
from typing import Any

from convcalc.convert.graph import Graph, Step
from convcalc.convert.pytorch.module_scopes import AROUND

BEFORE, AFTER = AROUND
_PADDED = frozenset({"conv", "depthwise_conv", "maxpool", "avgpool"})


def join_padding(graph: Graph) -> Graph:
    """Return the graph with padding and cropping joined to the layers that they belong to."""
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
    """Whether a step is the padding of the step that reads it."""
    if before.kind != "pad" or step.kind not in _PADDED or step.reads != (before.name,) or "padding" in step.arguments:
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
    """Whether a step crops the output of a transposed convolution."""
    return (
        after.kind == "crop"
        and step.kind == "conv_transpose"
        and after.reads == (step.name,)
        and "padding" not in step.arguments
    )
