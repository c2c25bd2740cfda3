"""The options of the commands that import a PyTorch module."""

from collections.abc import Callable, Iterable
from typing import Any

import click

from convcalc.cli import common

Function = Callable[..., Any]


def factory_option(verb: str) -> Callable[[Function], Function]:
    """Return a decorator that adds --torch, received as `factory`; `verb` is what the command does with it."""
    return click.option(
        "--torch",
        "factory",
        metavar="PACKAGE.MODULE:FACTORY",
        help=f"{verb} the torch.nn.Module that this function or class returns, also with literal arguments: "
        "nets:small(10, width=0.5). This runs its code.",
    )


def input_dtype_option(function: Function) -> Function:
    """Add --input-dtype to a command with --torch, which receives it as `dtypes`."""
    return click.option(
        "--input-dtype",
        "dtypes",
        metavar="[NAME=]int64",
        multiple=True,
        help="Data type of the module's inputs, or of one of them (default: that of most weights).",
    )(function)


def read_input_types(texts: Iterable[str]) -> str | dict[str, str] | None:
    """Return the data types in the --input-dtype options: one for all inputs, or by input name; None without options.

    Raises UsageError if several are given and one has no name.
    """
    parts = (text.rpartition("=") for text in texts)
    given = common.collect_by_name(
        "--input-dtype", ((name if equals else None, dtype) for name, equals, dtype in parts)
    )
    named = {name: dtype for name, dtype in given.items() if name is not None}
    if None in given and named:
        raise click.UsageError("with several --input-dtype, each needs a name: --input-dtype ids=int64")
    return named or given.get(None)
