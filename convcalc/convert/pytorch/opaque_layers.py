"""Adds an opaque layer, with a note, for operations that no layer kind matches.

For example, an `einsum` becomes `opaque: {output_shape: [8, 4], what: einsum, params: 32}`. The layer's params are the
learnt tensors that the operations depend on, except those that another layer already counts.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from convcalc.convert.graph import Step
from convcalc.convert.pytorch.names import first_free_name
from convcalc.convert.pytorch.nodes import list_sources
from convcalc.convert.pytorch.traced_values import ForeignValue, RearrangedValue, Sizes, SplitValue, TracedValue
from convcalc.shape import MOST_AXES

if TYPE_CHECKING:
    from convcalc.convert.pytorch.reading import TraceReader


def add_opaque_layer(
    reader: "TraceReader", node: Any, reads: Iterable[Any], what: str, shape: Sizes, sources: Sequence[str] = ()
) -> TracedValue:
    """Add an opaque layer with a note for operations that no layer kind matches, and return its output.

    `reads` are the nodes or tensors that the operations read, `sources` the names of their learnt tensors and running
    statistics, and `what` describes them. The layer has the params that no other layer counts. If only some of these
    params are frozen, they become a separate opaque layer before it, because a spec can only freeze whole layers.
    """
    values, found = collect_sources(reader, reads)
    new = {source: None for source in [*found, *sources] if source not in reader.counted}
    reader.counted |= set(new)
    if not values:
        values = [TracedValue(name, sizes) for name, sizes in list(reader.inputs.items())[:1]]
    if len(shape) > MOST_AXES + 1:
        shape = (prod(shape),)
    name = reader.make_name(node, "opaque")
    before = tuple(dict.fromkeys(value.name for value in values))
    frozen = [source for source in new if source in reader.trace.frozen]
    others = [source for source in new if source not in reader.trace.frozen]
    if frozen and any(source in reader.trace.elements for source in others):
        apart = first_free_name(f"{name}_frozen", reader.used)
        _add_opaque_step(reader, apart, before, f"frozen params of {what}", shape, frozen)
        before, frozen = (apart,), []
    _add_opaque_step(reader, name, before, what, shape, [*frozen, *others])
    return TracedValue(name, shape)


def _add_opaque_step(
    reader: "TraceReader", name: str, reads: tuple[str, ...], what: str, shape: Sizes, sources: Sequence[str]
) -> None:
    """Add an opaque step with a note; the step is frozen if any learnt tensor in `sources` is frozen."""
    arguments: dict[str, Any] = {"output_shape": list(shape), "what": what}
    arguments["params"] = sum(reader.trace.elements.get(source, 0) for source in sources)
    buffers = sum(reader.trace.statistics.get(source, 0) for source in sources)
    if buffers:
        arguments["buffers"] = buffers
    frozen = not reader.trace.frozen.isdisjoint(sources)
    reader.steps.append(Step(name, "opaque", arguments, reads, None, frozen))
    reader.shapes[name] = shape
    reader.notes.append(f"{name}: {what}")


def collect_sources(reader: "TraceReader", nodes: Iterable[Any]) -> tuple[list[TracedValue], list[str]]:
    """Return the tensors, and the names of learnt tensors and running statistics, that values depend on.

    `nodes` are nodes of the trace, whose values are looked up, or TracedValues.
    """
    values: dict[TracedValue, None] = {}
    sources: dict[str, None] = {}
    for node in nodes:
        known = node if isinstance(node, TracedValue) else reader.known.get(node)
        if isinstance(known, RearrangedValue | SplitValue):
            known = known.source
        if isinstance(known, TracedValue):
            values[known] = None
        elif isinstance(known, ForeignValue):
            values |= dict.fromkeys(known.reads)
            sources |= dict.fromkeys(known.sources)
        else:
            sources |= dict.fromkeys(list_sources(known))
    return list(values), list(sources)
