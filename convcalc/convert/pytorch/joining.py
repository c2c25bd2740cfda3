"""Turns separate padding and cropping modules back into the padding of layers.

If PyTorch's layer does not support its padding, a module that convcalc exports has a separate module for it:
`conv1_pad` before `conv1`, or `conv1_crop` after it. When such a module is imported again, these names identify them.
"""

from collections import Counter
from typing import Any

from convcalc.convert.graph import Graph, Step, collect_values
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
    padding, kernel = before.arguments["padding"], step.arguments["kernel_size"]
    axes = max((len(given) for given in (padding, kernel) if isinstance(given, list)), default=1)
    pairs, sizes = _per_axis(padding, axes), _per_axis(kernel, axes)
    return all(max(collect_values(pair)) <= size // 2 for pair, size in zip(pairs, sizes, strict=True))


def _per_axis(value: Any, axes: int) -> list[Any]:
    """Return one value per axis; a value that is not a list is used for every axis."""
    return value if isinstance(value, list) else [value] * axes


def _is_crop(after: Step, step: Step) -> bool:
    """Whether `after` crops the output of the transposed convolution `step`, and so can become its padding."""
    return (
        after.kind == "crop"
        and step.kind == "conv_transpose"
        and after.reads == (step.name,)
        and "padding" not in step.arguments
    )
