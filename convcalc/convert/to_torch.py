"""Writes a network as a Python file that defines it as a PyTorch module, with one class for each block of the spec."""

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

from convcalc.convert.class_sources import read_class_sources
from convcalc.convert.pytorch.classes import list_classes
from convcalc.convert.pytorch.makers import check_known
from convcalc.convert.pytorch.names import quote_for_docstring
from convcalc.convert.pytorch.python_text import WIDTH, class_lines
from convcalc.network import Network
from convcalc.version import __version__

_EXTRA_MODULES = Path(__file__).parent / "pytorch" / "extra_modules.py"


def module_text(network: Network) -> str:
    """Return a Python file that defines the network as an nn.Module: blocks become classes, and names are preserved.

    The code contains only sanitised layer names; the network's name and description appear in a docstring. Raises
    NotExported if PyTorch has no module for a layer.
    """
    check_known(network)
    sources = read_class_sources(_EXTRA_MODULES)
    classes = list_classes(network, set(sources))
    body = "\n\n\n".join("\n".join(class_lines(made)) for made in classes)
    helpers = [source for name, source in sources.items() if f"{name}(" in body]
    code = "\n\n\n".join([*helpers, body])
    return "\n".join([*_module_docstring_lines(network), "", *_import_lines(code), "", "", code, ""])


def _module_docstring_lines(network: Network) -> Iterator[str]:
    title = f"{network.name}: {network.description}" if network.description else network.name
    shapes = [f"{name} {shape}" for name, shape in network.inputs.items()]
    inputs = f"Inputs {', '.join(shapes)}" if len(shapes) > 1 else f"Input {next(iter(network.inputs.values()))}"
    source = f" from {quote_for_docstring(os.path.basename(network.file))}" if network.file else ""
    facts = f"{inputs}, channels first, without the batch. Written by convcalc {__version__}{source}."
    first, *others = textwrap.wrap(quote_for_docstring(title), WIDTH - 3, break_long_words=False) or [""]
    yield f'"""{first}'
    yield from others
    yield ""
    yield from textwrap.wrap(facts, WIDTH, break_long_words=False)
    yield '"""'


def _import_lines(code: str) -> Iterator[str]:
    if "OrderedDict(" in code:
        yield "from collections import OrderedDict"
        yield ""
    if "torch." in code:
        yield "import torch"
    yield f"from torch import {'Tensor, ' if 'Tensor' in code else ''}nn"
    if "functional." in code:
        yield "from torch.nn import functional"
