"""Writes options of the command line, to be read by a shell or xargs.

For example, the words `--set` and `k=[3,5]` become the text `--set k=[3,5]`.
"""

import re
from collections.abc import Iterable
from shlex import quote

from convcalc.spec.inputs import Overrides


def join_options(words: Iterable[str]) -> str:
    """Return words as one text, each in quotes if a shell or xargs needs them.

    A shell does not remove quotes that come out of $(…), so brackets and commas go without.
    """
    return " ".join(word if re.fullmatch(r"[\w=\[\],.:/+-]+", word, re.ASCII) else quote(word) for word in words)


def list_override_options(overrides: Overrides) -> list[str]:
    """Return the options --input, --batch and --dtype of overrides, as words."""
    options = []
    for name, sizes in overrides.inputs.items():
        options += ["--input", ("" if name is None else f"{name}=") + ",".join(map(str, sizes))]
    if overrides.batch is not None:
        options += ["--batch", str(overrides.batch)]
    types = overrides.dtype
    if types is not None:
        options += ["--dtype", types if isinstance(types, str) else ",".join(map("=".join, types.items()))]
    return options
