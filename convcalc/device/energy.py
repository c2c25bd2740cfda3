"""Estimates the energy of a network's arithmetic and of moving its tensors from and to DRAM: a lower bound.

For example, 1 G multiply-accumulates in float16 take 1e9 · (1.1 + 0.4) pJ = 1.5 mJ, and 100 MB from DRAM at least
100e6 / 8 · 1.3 nJ = 16 mJ, in a process of 45 nm.

Sources: Horowitz 2014, "Computing's energy problem (and what we can do about it)", ISSCC: energy per operation, and
1.3 to 2.6 nJ per 64 bits from DRAM. Chen, Emer and Sze 2016, "Eyeriss: a spatial architecture for energy-efficient
dataflow for convolutional neural networks", ISCA, table IV: a word of 16 bits from DRAM costs as much as 200
multiply-accumulates, in a process of 65 nm. Sze et al. 2017, "Efficient processing of deep neural networks: a tutorial
and survey", Proceedings of the IEEE 105 (12), figure 22, has the same ratio. It is applied to words of any data type.
Horowitz's figures are those that several independent texts quote in agreement, the ratio of Eyeriss is that of one
quotation; the papers themselves were not read.
"""

from typing import NamedTuple

from convcalc.analysis.report import Report
from convcalc.device.latency import Latency, count_moved_bytes
from convcalc.problems import Flaw, join_words
from convcalc.units import BITS

# picojoules of a multiplication and of an addition
_OPERATIONS = {"int8": (0.2, 0.03), "int32": (3.1, 0.1), "float16": (1.1, 0.4), "float32": (3.7, 0.9)}
_DRAM = 1300 / 8  # picojoules per byte
_WORDS = 200  # multiply-accumulates that cost as much as a word from DRAM


class Energy(NamedTuple):
    """Energy in joules: of all multiply-accumulates, and of DRAM by each of the two sources.

    The DRAM energies are None on a microcontroller, whose tensors are in its own RAM. All are None if the
    multiply-accumulates are unknown.
    """

    dtype: str
    arithmetic: float | None
    dram_horowitz: float | None
    dram_eyeriss: float | None

    @property
    def total(self) -> float | None:
        """The arithmetic and the smaller of the two energies of DRAM; None if the arithmetic is unknown."""
        if self.arithmetic is None:
            return None
        return self.arithmetic + min(self.dram_horowitz or 0, self.dram_eyeriss or 0)


def estimate_energy(report: Report, latency: Latency) -> Energy:
    """Return the energy of a network, for the data type and the mode of its latency.

    Raises Flaw if the energy of an operation in that data type was not published.
    """
    dtype = latency.dtype
    if dtype not in _OPERATIONS:
        raise Flaw(f"the energy of an operation in {dtype} is unknown", f"use --dtype {join_words(list(_OPERATIONS))}")
    macs = report.totals.macs
    if macs is None:
        return Energy(dtype, None, None, None)
    per_mac = sum(_OPERATIONS[dtype])
    arithmetic = macs * per_mac * 1e-12
    if latency.bandwidth is None:
        return Energy(dtype, arithmetic, None, None)
    moved = sum(count_moved_bytes(report, index, latency.mode) for index in range(len(report.layers)))
    words = 8 * moved / BITS[dtype]
    return Energy(dtype, arithmetic, moved * _DRAM * 1e-12, words * _WORDS * per_mac * 1e-12)
