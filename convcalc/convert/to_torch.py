"""Writes a network as a Python file that defines it as a PyTorch module, with one class for each block of the spec."""

from collections.abc import Iterator
from pathlib import Path

from convcalc.convert.python_files import module_docstring_lines, read_class_sources
from convcalc.convert.pytorch.classes import list_classes
from convcalc.convert.pytorch.makers import check_known
from convcalc.convert.pytorch.python_text import class_lines
from convcalc.network import Network

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
    return "\n".join(
        [*module_docstring_lines(network, _describe_inputs(network)), "", *_import_lines(code), "", "", code, ""]
    )


def _describe_inputs(network: Network) -> str:
    shapes = [f"{name} {shape}" for name, shape in network.inputs.items()]
    inputs = f"Inputs {', '.join(shapes)}" if len(shapes) > 1 else f"Input {next(iter(network.inputs.values()))}"
    return f"{inputs}, channels first, without the batch."


def _import_lines(code: str) -> Iterator[str]:
    if "OrderedDict(" in code:
        yield "from collections import OrderedDict"
        yield ""
    if "torch." in code:
        yield "import torch"
    yield f"from torch import {'Tensor, ' if 'Tensor' in code else ''}nn"
    if "functional." in code:
        yield "from torch.nn import functional"
