"""Completes words in a shell: networks, and their layers, spec parameters, columns and data types."""

from collections.abc import Callable, Iterable
from typing import Any

import click

from convcalc import examples

Completer = Callable[[click.Context, click.Parameter, str], list[Any]]


def complete_from(words: Callable[[], Iterable[str]]) -> Completer:
    """Return a completer for the words that `words` returns; `words` is called only when a shell completes."""
    return lambda context, parameter, incomplete: [word for word in words() if word.startswith(incomplete)]


def complete_list_from(words: Callable[[], Iterable[str]]) -> Completer:
    """Return a completer for a comma-separated list of the words that `words` returns."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
        before, comma, last = incomplete.rpartition(",")
        return [before + comma + word for word in words() if word.startswith(last)]

    return complete


def complete_device(*kinds: str) -> Completer:
    """Return a completer for the devices that come with convcalc; only those of some kinds if `kinds` are given."""

    def list_names() -> list[str]:
        from convcalc.device.device_names import list_device_names

        return list_device_names(kinds)

    return complete_from(list_names)


def complete_net(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete a NET: the names of examples and files; after an `@`, the names of spec parameters."""
    from click.shell_completion import CompletionItem

    net, at, params = incomplete.rpartition("@")
    if at and "=" not in params.rpartition(",")[2]:
        before, comma, name = params.rpartition(",")
        names = [f"{net}@{before}{comma}{known}=" for known in _list_param_names(net) if known.startswith(name)]
        return [CompletionItem(known) for known in names]
    if incomplete.startswith("e") and "example:".startswith(incomplete[:8]):
        found = [f"example:{name}" for name in examples.list_names()]
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]
    encodable = incomplete.encode("utf-8", "replace").decode()  # the shell completes file names
    return [CompletionItem(encodable, type="file")]


def complete_layer(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete a LAYER: the names of the layers and scopes of NET."""
    return [name for name in _list_layer_names(context) if name.startswith(incomplete)]


def complete_apply(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete NAME:LAYER, such as `separable:conv2`: the name of an alternative, then a layer of NET."""
    from convcalc.cli.completed_names import FACTORINGS

    name, colon, layer = incomplete.partition(":")
    if not colon:
        return [f"{known}:" for known in FACTORINGS if known.startswith(name)]
    return [f"{name}:{known}" for known in _list_layer_names(context) if known.startswith(layer)]


def complete_param(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete the name in NAME=VALUE: the spec parameters of all NETs on the command line."""
    names = dict.fromkeys(name for net in _given_nets(context) for name in _list_param_names(net))
    return [f"{name}=" for name in names if name.startswith(incomplete)]


def complete_dtype(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete a data type such as `int8`, also in a list such as `weights=int8,bias=int32`."""
    from convcalc.units import BITS, Dtype

    before, comma, last = incomplete.rpartition(",")
    name, equals, dtype = last.rpartition("=")
    found = [f"{name}{equals}{known}" for known in BITS if known.startswith(dtype)]
    found += [] if equals else [f"{part}=" for part in Dtype._fields if part.startswith(last)]
    return [before + comma + word for word in found]


def _given_nets(context: click.Context) -> list[str]:
    """Return the NET arguments; click leaves them in `context.args` if the last option has no value yet."""
    net, nets = context.params.get("net"), context.params.get("nets") or ()
    return [net] if net else [*nets] or context.args


def _list_param_names(net: str) -> list[str]:
    """Return the names of the spec parameters of a network; empty if it cannot be read."""
    from convcalc.problems import InvalidSpec
    from convcalc.spec.files import STANDARD_INPUT, read_net
    from convcalc.spec.net_argument import split_net

    if net == STANDARD_INPUT:
        return []
    try:
        root = read_net(split_net(net)[0]).root
    except (InvalidSpec, OSError, examples.NoExample):
        return []
    named = [root.get(key) for key in ("params", "space")] if isinstance(root, dict) else []
    return list(dict.fromkeys(str(name) for names in named if isinstance(names, dict) for name in names))


def _list_layer_names(context: click.Context) -> list[str]:
    """Return the names of the layers and scopes of a network; empty if it cannot be read."""
    nets = _given_nets(context)
    if not nets or nets[0] == "-":
        return []
    from convcalc.cli import common, writing
    from convcalc.problems import InvalidSpec
    from convcalc.spec.inputs import Overrides

    try:
        overrides = Overrides(common.read_params(context.params.get("params") or ()))
        network = common.load_argument(nets[0], overrides, writing.Output(None, "never", True))
    except (InvalidSpec, writing.Failure):
        return []
    return sorted([*(node.name for node in network.nodes), *(group.name for group in network.groups)])
