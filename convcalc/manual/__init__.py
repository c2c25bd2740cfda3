"""The manual: one Markdown page per topic, shown by `convcalc help TOPIC` and published as a site.

The tests run every example of the pages; `python -m tests.documented` rewrites their output.
"""

import os

_HERE = os.path.dirname(os.path.abspath(__file__))
_SUFFIX = ".md"

TOPICS: dict[str, str] = {
    "tutorial": "write AlexNet, a ResNet and a U-Net, from an empty file",
    "language": "the reference of the spec: every key, option, function and limit",
    "conventions": "what MACs, FLOPs and params mean, and why other tools differ",
    "draw": "pictures of a network, a receptive field and the use of memory",
    "report": "everything about one or more networks as one page for a browser",
    "receptive-field": "how far each layer sees, and which pixels one position depends on",
    "memory": "activations, the peak, training, and how to lower them",
    "mcu": "RAM and flash on a microcontroller, to the byte",
    "latency": "the time on a GPU or a microcontroller, and how far to trust it",
    "explain": "every figure of a layer as a formula with its numbers",
    "fit": "the largest network within a budget",
    "sweep": "every combination of parameter values: filters, Pareto fronts, plots, samples",
    "space": "count, sample and rank all networks of a search space",
    "alternatives": "cheaper replacements for a convolution, and writing them into the spec",
    "diff": "the cost of a change, and several networks side by side",
    "check": "budgets and design mistakes in every pull request",
    "import": "model files (ONNX, Keras, …) in every command, import, export, and comparing with PyTorch",
    "json": "the fields of everything that is written with -f json",
    "python": "convcalc from Python and notebooks",
    "limits-and-security": "opening untrusted files, limits, exit statuses, completion",
}
"""The topics in the order in which they are listed, each with its line in the list."""

PAGE_OF_COMMAND: dict[str, str] = {
    "summary": "tutorial",
    "rf": "receptive-field",
    "compare": "diff",
    "export": "import",
    "verify": "import",
    "layers": "language",
    "rules": "check",
    "schema": "json",
    "examples": "tutorial",
    "init": "tutorial",
}
"""The topic that covers a command whose name is not itself a topic."""


def read_page(topic: str) -> str:
    """Return the Markdown of a topic, which is a key of `TOPICS`."""
    with open(os.path.join(_HERE, topic + _SUFFIX), encoding="utf-8") as stream:
        return stream.read()
