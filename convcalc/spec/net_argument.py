"""Reads NET arguments, which can set spec parameters for one network: `net.yaml@width=0.5,kernels=[3,5]`.

`split_net` splits an argument into the network (a file, `-` or `example:NAME`) and the text after the `@`;
`read_net_params` returns the values in that text by name.
"""

import os
import re
from collections.abc import Iterator
from typing import Any

from convcalc.examples import PREFIX
from convcalc.problems import Flaw, InvalidSpec, shorten, show
from convcalc.spec.source import read_value

_MARK = "@"
_ASSIGNMENT = r"[A-Za-z_][A-Za-z0-9_]*="
_CLOSING = {"[": "]", "{": "}", "(": ")", '"': '"', "'": "'"}


def split_net(argument: str) -> tuple[str, str]:
    """Return the network and the text after the `@`, which sets spec parameters; without an `@`, this text is "".

    >>> split_net("example:mobilenet_v1@width=0.5")
    ('example:mobilenet_v1', 'width=0.5')

    The name of an existing file is not split, even if it contains an `@`.
    """
    if _MARK not in argument or os.path.exists(argument):
        return argument, ""
    parts = [(argument[: mark.start()], argument[mark.end() :]) for mark in re.finditer(_MARK, argument)]
    existing = [part for part in reversed(parts) if _exists(part[0])]  # a folder can have an `@` in its name
    assigning = [part for part in parts if re.match(_ASSIGNMENT, part[1])]
    found = [part for part in existing if part in assigning] or assigning or existing
    return found[0] if found else (argument, "")


def _exists(net: str) -> bool:
    return net == "-" or net.startswith(PREFIX) or os.path.exists(net)


def join_net(net: str, params: str) -> str:
    """Return the NET argument for a network and the text that sets its parameters: `net.yaml@width=0.5`."""
    return f"{net}{_MARK}{params}" if params else net


def read_net_params(argument: str) -> dict[str, Any]:
    """Return the spec parameters that a NET argument sets, with their values. Raises Flaw if the text is invalid.

    >>> read_net_params("example:mobilenet_v1@width=0.5,size=160")
    {'width': 0.5, 'size': 160}
    """
    net, text = split_net(argument)
    found: dict[str, Any] = {}
    if net == argument:
        return found
    if not net:
        raise Flaw(f"no network before the @; write NET{shorten(argument)}, without a space in between")
    for part in _split_at_commas(text):
        name, equals, value = part.partition("=")
        if not equals or not name:
            example = join_net(net, "width=0.5,kernels=[3,5]")
            raise Flaw(f"after @, each value must be NAME=VALUE, such as {example}; got {show(part)}")
        if name in found:
            raise Flaw(f"{_MARK}{name} is given twice")
        try:
            found[name] = read_value(value)
        except InvalidSpec as error:
            raise Flaw(f"{_MARK}{name}: {error.problems[0].message}") from None
    return found


def _split_at_commas(text: str) -> Iterator[str]:
    """Yield the parts of a text between commas; commas inside brackets or quotes do not count."""
    start, awaited = 0, ""
    for index, character in enumerate(text):
        if awaited.endswith(character):
            awaited = awaited[:-1]
        elif character in _CLOSING and not awaited.endswith(("'", '"')):
            awaited += _CLOSING[character]
        elif character == "," and not awaited:
            yield text[start:index]
            start = index + 1
    yield text[start:]
