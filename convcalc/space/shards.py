"""Divides a sweep into shards of consecutive rows, which several machines can evaluate.

`read_shard("2/8").select(rows)` returns the second of eight parts; all parts together are all rows.
"""

import re
from typing import NamedTuple

from convcalc.problems import Flaw, show
from convcalc.space.sweeping import Numbers

_SHARD = re.compile(r"([0-9]{1,9})/([0-9]{1,9})", re.ASCII)


class Shard(NamedTuple):
    """The part with the number `part`, from 1, of `parts` whose sizes differ by at most one row."""

    part: int
    parts: int

    def find_bounds(self, size: int) -> tuple[int, int]:
        """Return the first row of this part of `size` rows, and the row after its last one."""
        return size * (self.part - 1) // self.parts, size * self.part // self.parts

    def select(self, numbers: Numbers) -> Numbers:
        """Return this part of the numbers of rows."""
        first, last = self.find_bounds(len(numbers))
        return numbers[first:last]


WHOLE = Shard(1, 1)


def read_shard(text: str) -> Shard:
    """Return the shard that a text such as `2/8` means. Raises Flaw if it is malformed."""
    match = _SHARD.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise Flaw(f"--shard must be a part and their number, such as 2/8; got {show(text)}")
    return Shard(int(match[1]), int(match[2]))
