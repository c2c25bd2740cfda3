"""Says what the outputs of a network do if its input is shifted.

For example: `equivariant to shifts by multiples of 16 (interior); sampled without a low-pass at maxpool1, maxpool2`.
"""

from collections.abc import Sequence

from convcalc.analysis.shift_equivariance import axis_names, compute_shifts, list_sampled
from convcalc.analysis.shift_rules import AxisShift
from convcalc.network import Network
from convcalc.problems import printable
from convcalc.render.columns import per_axis_text

_MOST_NAMED = 3  # at most this many layers or outputs are named


def shift_facts(network: Network) -> str:
    """Return one sentence without a full stop for all outputs, and the layers that sample without a low-pass filter.

    Outputs that differ are named. The text is empty if the input of the network is a vector.
    """
    names = axis_names(network)
    if not names:
        return ""
    found = compute_shifts(network)
    outputs = {printable(output): _describe(found[tensor].axes, names) for output, tensor in network.outputs.items()}
    sampled = [printable(name) for name in list_sampled(network)]
    facts = _name_outputs(outputs)
    return "; ".join([*facts, f"sampled without a low-pass at {_name_first(sampled)}"] if sampled else facts)


def _name_outputs(outputs: dict[str, str]) -> list[str]:
    """Return one text per group of outputs with the same behaviour, with their names if there are several groups."""
    groups: dict[str, list[str]] = {}
    for name, text in outputs.items():
        groups.setdefault(text, []).append(name)
    if len(groups) == 1:
        return list(groups)
    texts = [f"{_name_first(names)} {text}" for text, names in groups.items()]
    more = sum(len(names) for names in list(groups.values())[_MOST_NAMED:])
    return [*texts[:_MOST_NAMED], *([f"{more} more output{'' if more == 1 else 's'}"] if more else [])]


def _describe(axes: Sequence[AxisShift], names: Sequence[str]) -> str:
    """Return the behaviour of one output, such as `invariant to shifts by multiples of 32 (interior)`."""
    if len({(axis.behaviour, axis.layer) for axis in axes}) == 1:
        return _describe_alike(axes)
    return ", ".join(f"{name}: {_describe_alike([axis])}" for name, axis in zip(names, axes, strict=True))


def _describe_alike(axes: Sequence[AxisShift]) -> str:
    first = axes[0]
    multiples = [axis.multiple for axis in axes]
    shifts = "all shifts" if set(multiples) == {1} else f"shifts by multiples of {per_axis_text(multiples)}"
    layer = printable(first.layer)
    if first.behaviour == "invariant":
        return f"invariant to {shifts} (interior)" + (f" from {layer} on" if layer else "")
    text = f"equivariant to {shifts} (interior)"
    if first.behaviour == "equivariant":
        return text
    if first.behaviour == "none":
        return f"{text} up to {layer}, which {first.reason}"
    return f"{text} up to {layer}, unknown from there on because it {first.reason}"


def _name_first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"


def wrap_words(text: str, width: int | None) -> list[str]:
    """Return a text as lines of at most `width` characters (None: unlimited); no lines for an empty text."""
    if width is None or len(text) <= width:
        return [text] if text else []
    from textwrap import wrap  # imported only when needed: it costs start-up time

    return wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)
