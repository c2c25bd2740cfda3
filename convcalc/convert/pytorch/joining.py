"""Turns separate padding and cropping modules back into the padding of layers.

If PyTorch's layer does not support its padding, a module that convcalc exports has a separate module for it:
`conv1_pad` before `conv1`, or `conv1_crop` after it. When such a module is imported again, these names identify them.
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
        elif after is not None and readers[step.name] == 1 and _is_crop(after, step):
            padding = {"padding": after.arguments["amount"]}
            steps[step.name] = step._replace(arguments={**step.arguments, **padding})
            del steps[after.name]
            renamed[after.name] = step.name
    outputs = tuple(renamed.get(name, name) for name in graph.outputs)
    return graph._replace(steps=tuple(_rename_reads(step, renamed) for step in steps.values()), outputs=outputs)


def _rename_reads(step: Step, renamed: dict[str, str]) -> Step:
    return step._replace(reads=tuple(renamed.get(name, name) for name in step.reads))


def _is_padding(before: Step, step: Step) -> bool:
    """Whether the step `before` can become the padding of the convolution or pooling `step`.

    The padding of a pooling may be at most half the kernel size, as in PyTorch.
    """
    if before.kind != "pad" or step.kind not in _PADDED or step.reads != (before.name,) or "padding" in step.arguments:
        return False
    if step.kind in ("conv", "depthwise_conv"):
        return True
    pairs = before.arguments["padding"]
    return all(
        max(pair) <= half for pair, half in zip(pairs, _halve_kernel(step.arguments["kernel_size"], pairs), strict=True)
    )


def _halve_kernel(kernel: Any, pairs: list[Any]) -> list[int]:
    """Return half of the kernel size for each axis, rounded down."""
    return [size // 2 for size in (kernel if isinstance(kernel, list) else [kernel] * len(pairs))]


def _is_crop(after: Step, step: Step) -> bool:
    """Whether `after` crops the output of the transposed convolution `step`, and so can become its padding."""
    return (
        after.kind == "crop"
        and step.kind == "conv_transpose"
        and after.reads == (step.name,)
        and "padding" not in step.arguments
    )
