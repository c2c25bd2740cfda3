"""convcalc calculates the exact shapes, params, memory and operations of convolutional networks from a YAML spec.

>>> import convcalc
>>> report = convcalc.summary({"input": [3, 32, 32], "layers": [{"conv": {"out_channels": 64, "kernel_size": 3}}]})
>>> report.totals.params
1792
"""

import sys

from convcalc.version import __version__

TYPE_CHECKING = False  # type checkers treat it as true; importing typing would delay the handling of Ctrl-C

_HOMES = {
    "InvalidSpec": "convcalc.problems",
    "LayerReport": "convcalc.analysis.report",
    "Network": "convcalc.network",
    "NotImported": "convcalc.problems",
    "Problem": "convcalc.problems",
    "Report": "convcalc.analysis.report",
    "Shape": "convcalc.shape",
    "Summary": "convcalc.api",
    "Space": "convcalc.space_api",
    "SpacePart": "convcalc.space_api",
    "Sweep": "convcalc.sweep_api",
    "SweepTable": "convcalc.space.sweep_table",
    "Totals": "convcalc.analysis.report",
    "analyse": "convcalc.analysis.report",
    "design_space": "convcalc.space_api",
    "from_torch": "convcalc.api",
    "load": "convcalc.api",
    "summary": "convcalc.api",
    "sweep": "convcalc.sweep_api",
}
__all__ = [
    "InvalidSpec",
    "LayerReport",
    "Network",
    "NotImported",
    "Problem",
    "Report",
    "Shape",
    "Space",
    "SpacePart",
    "Summary",
    "Sweep",
    "SweepTable",
    "Totals",
    "__version__",
    "analyse",
    "design_space",
    "from_torch",
    "load",
    "summary",
    "sweep",
]


def __dir__() -> list[str]:
    return __all__.copy()


if TYPE_CHECKING:
    from convcalc.analysis.report import LayerReport, Report, Totals, analyse
    from convcalc.api import Summary, from_torch, load, summary
    from convcalc.network import Network
    from convcalc.problems import InvalidSpec, NotImported, Problem
    from convcalc.shape import Shape
    from convcalc.space.sweep_table import SweepTable
    from convcalc.space_api import Space, SpacePart, design_space
    from convcalc.sweep_api import Sweep, sweep
else:  # a type checker that saw __getattr__ would accept any name

    def __getattr__(name: str) -> object:
        # import public names on first use, to keep start-up fast
        if name not in _HOMES:
            module = sys.modules[__name__]  # Python uses it to suggest a similar name
            raise AttributeError(f"module 'convcalc' has no attribute {name!r}", name=name, obj=module)
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
