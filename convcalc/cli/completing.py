"""Words that a shell completes: networks, and the layers, spec parameters, columns and data types that they have."""

from collections.abc import Callable, Iterable
from typing import Any

import click

from convcalc import examples

Completer = Callable[[click.Context, click.Parameter, str], list[Any]]


def complete_from(words: Callable[[], Iterable[str]]) -> Completer:
    """Return a completer for one of the words that `words` returns; it is called only when the shell completes."""
    return lambda context, parameter, incomplete: [word for word in words() if word.startswith(incomplete)]


def complete_list_from(words: Callable[[], Iterable[str]]) -> Completer:
    """Return a completer for comma-separated words: it completes the last one with a word that `words` returns."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
        before, comma, last = incomplete.rpartition(",")
        return [before + comma + word for word in words() if word.startswith(last)]

    return complete


def complete_net(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete NET: examples or files; after an `@`, spec parameters."""
    from click.shell_completion import CompletionItem

    net, at, params = incomplete.rpartition("@")
    if at and "=" not in params.rpartition(",")[2]:
        before, comma, name = params.rpartition(",")
        names = [f"{net}@{before}{comma}{known}=" for known in _list_params(net) if known.startswith(name)]
        return [CompletionItem(known) for known in names]
    if incomplete.startswith("e") and "example:".startswith(incomplete[:8]):
        found = [f"example:{name}" for name in examples.list_names()]
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]
    encodable = incomplete.encode("utf-8", "replace").decode()  # the shell completes file names
    return [CompletionItem(encodable, type="file")]


def complete_layer(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete LAYER: the layers and scopes of NET."""
    return [name for name in _list_layers(context) if name.startswith(incomplete)]


def complete_apply(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete `separable:conv2`: an alternative and a layer of NET."""
    from convcalc.alternatives.factorings import FACTORINGS

    name, colon, layer = incomplete.partition(":")
    if not colon:
        return [f"{known}:" for known in FACTORINGS if known.startswith(name)]
    return [f"{name}:{known}" for known in _list_layers(context) if known.startswith(layer)]


def complete_param(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete NAME of NAME=VALUE: the spec parameters of all NETs."""
    names = dict.fromkeys(name for net in _given_nets(context) for name in _list_params(net))
    return [f"{name}=" for name in names if name.startswith(incomplete)]


def complete_dtype(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete a data type, also after `weights=`, `activations=` and `bias=`."""
    from convcalc.network import Dtype
    from convcalc.units import BITS

    before, comma, last = incomplete.rpartition(",")
    name, equals, dtype = last.rpartition("=")
    found = [f"{name}{equals}{known}" for known in BITS if known.startswith(dtype)]
    found += [] if equals else [f"{part}=" for part in Dtype._fields if part.startswith(last)]
    return [before + comma + word for word in found]


def _given_nets(context: click.Context) -> list[str]:
    """Return the NET arguments of an incomplete command line; click parses none if the last option lacks its value."""
    net, nets = context.params.get("net"), context.params.get("nets") or ()
    return [net] if net else [*nets] or context.args


def _list_params(net: str) -> list[str]:
    """Return the names of the spec parameters of a network; none if it cannot be read."""
    from convcalc.problems import InvalidSpec
    from convcalc.spec.files import STANDARD_INPUT, read_net
    from convcalc.spec.net_argument import split_net

    if net == STANDARD_INPUT:
        return []
    try:
        root = read_net(split_net(net)[0]).root
    except (InvalidSpec, OSError, examples.NoExample):
        return []
    params = root.get("params") if isinstance(root, dict) else None
    return [str(name) for name in params] if isinstance(params, dict) else []


def _list_layers(context: click.Context) -> list[str]:
    """Return the names of the layers and scopes of NET, in order; none if it cannot be read."""
    from convcalc.cli import common, writing
    from convcalc.problems import InvalidSpec
    from convcalc.spec.inputs import Overrides

    nets = _given_nets(context)
    if not nets or nets[0] == "-":
        return []
    try:
        overrides = Overrides(common.read_params(context.params.get("params") or ()))
        network = common.load_argument(nets[0], overrides, writing.Output(None, "never", True))
    except (InvalidSpec, writing.Failure):
        return []
    return sorted([*(node.name for node in network.nodes), *(group.name for group in network.groups)])
