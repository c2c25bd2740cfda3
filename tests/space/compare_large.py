"""Compares large random design spaces with all their networks: `python -m tests.space.compare_large --spaces 40`.

The networks are evaluated as a sweep of a second spec that has no space (see large_spaces.py), and their figures are
counted, sorted and compared by numpy. A few networks are read again by `convcalc.summary`.
"""

from __future__ import annotations

import argparse
import io
import resource
import time
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy
from hypothesis import HealthCheck, Phase, given, seed, settings

import convcalc
from convcalc.metrics.figures import ADDITIVE
from convcalc.network import Limit
from convcalc.space.counting import FigureCounts, find_quantile, make_histogram
from convcalc.space.design_space import DesignSpace, Found, find_peak_range, read_space
from convcalc.space.extent import Aim, sum_figure
from convcalc.spec.inputs import Overrides
from convcalc.spec.source import read_text
from tests.space.large_spaces import Twice, large_spaces

FIGURES = (*ADDITIVE, "peak_memory")
DESCRIBED = ("params", "macs", "activation_memory")
CHUNK = 200_000
Table = dict[str, Any]  # one array per figure, with a number per network


def list_all(twice: Twice) -> tuple[Table, Any]:
    """Return the figures of all networks, and the numbers of their rows among all combinations."""
    sweep = convcalc.Sweep(io.StringIO(twice.flat))
    parts, kept_rows = [], []
    for start in range(0, twice.rows, CHUNK):
        rows = numpy.arange(start, min(start + CHUNK, twice.rows))
        columns, is_used = make_columns(twice, rows)
        rows = rows[is_used]
        columns = {name: column[is_used] for name, column in columns.items()}
        found = sweep.evaluate({name: column.tolist() for name, column in columns.items()}, FIGURES)
        is_valid = numpy.array([problem is None for problem in found["problem"]])
        parts.append([numpy.array(found[name], dtype=object)[is_valid].astype(numpy.int64) for name in FIGURES])
        kept_rows.append(rows[is_valid])
    table = {name: numpy.concatenate([part[place] for part in parts]) for place, name in enumerate(FIGURES)}
    return table, numpy.concatenate(kept_rows)


def make_columns(twice: Twice, rows: Any) -> tuple[dict[str, Any], Any]:
    """Return the values of all parameters in some rows, and which of the rows count as networks.

    A row counts if each parameter that it does not use has its first value, so that each network counts once.
    """
    columns, period = {}, 1
    for name, values in twice.values.items():
        columns[name] = numpy.array(values, dtype=object)[rows // period % len(values)]
        period *= len(values)
    is_used: Any = numpy.ones(len(rows), dtype=bool)
    for copies in twice.copies.values():
        for name, depth, index in copies:
            if depth:
                is_used &= (columns[depth] > index) | (columns[name] == twice.values[name][0])
    return columns, is_used


def compare(twice: Twice, random: Random) -> int:
    """Assert that a design space agrees with the list of its networks, and return their number."""
    table, rows = list_all(twice)
    space = read_space(read_text(twice.space), Overrides())
    number = len(rows)
    assert space.restrict([]).count() == number
    peaks = table["peak_memory"]
    assert find_peak_range(space) == (peaks.min(), peaks.max())
    for name in DESCRIBED:
        compare_figure(space, name, numpy.sort(table[name]), random)
    for row in random.sample(range(number), 3):
        compare_summary(twice, table, rows, row)
    for _ in range(4):
        compare_part(space, table, random)
    return number


def compare_figure(space: DesignSpace, name: str, values: Any, random: Random) -> None:
    counts, number = FigureCounts(space.graph, name), len(values)
    assert (counts.least, counts.most, counts.total) == (values[0], values[-1], number)
    assert sum_figure(space.graph, name) == int(values.sum())
    for value in [*random.choices(values.tolist(), k=20), *(random.randint(values[0], values[-1]) for _ in range(20))]:
        assert counts.count_at_most(value) == numpy.searchsorted(values, value, side="right")
    for percent in (1, 5, 50, 95, 100):
        assert find_quantile(counts, percent) == values[max(-(-number * percent // 100), 1) - 1]
    for start, stop, networks in make_histogram(counts, 12):
        assert networks == numpy.searchsorted(values, stop) - numpy.searchsorted(values, start)


def compare_summary(twice: Twice, table: Table, rows: Any, row: int) -> None:
    """Read one network again, with its values in the spec that has the space."""
    columns, _ = make_columns(twice, rows[row : row + 1])
    chosen: dict[str, Any] = {name: column[0] for name, column in columns.items()}
    params = {name: value for name, value in chosen.items() if f"\n  {name}:" in twice.space}
    for name, copies in twice.copies.items():
        params[name] = [chosen[own] for own, depth, index in copies if not depth or chosen[depth] > index]
    totals = convcalc.summary(io.StringIO(twice.space), params=params).totals
    assert {name: getattr(totals, name) for name in FIGURES} == {name: table[name][row] for name in FIGURES}


def compare_part(space: DesignSpace, table: Table, random: Random) -> None:
    """Compare the networks within one to three random limits: their number, a sample, the best one and a front."""
    limits = [draw_limit(name, table[name], random) for name in random.sample(FIGURES, random.randint(1, 3))]
    is_within: Any = numpy.ones(len(table["params"]), dtype=bool)
    for figure, low, high, *_ in limits:
        least, most = low or 0, 2**62 if high is None else high
        is_within &= (table[figure] >= least) & (table[figure] <= most)
    kept = {name: column[is_within] for name, column in table.items()}
    part, number = space.restrict(limits), int(is_within.sum())
    estimate = part.estimate()
    assert estimate.networks == number or (not estimate.is_exact and estimate.low / 2 <= number <= estimate.high * 2)
    drawn = part.draw(20, seed=random.randrange(100))
    assert len(drawn) == (20 if number else 0)
    known = list_vectors(kept)
    assert all(make_vector(found) in known for found in drawn)
    one, other = random.sample(ADDITIVE, 2)
    smallest = random.random() < 0.5
    best = part.find_best(Aim(one, smallest))
    assert (best is None) == (number == 0)
    if best is not None:
        assert make_vector(best) in known
        assert best.figures[one] == (kept[one].min() if smallest else kept[one].max())
    front = part.find_front((Aim(one, True), Aim(other, False)))
    assert all(make_vector(found) in known for found in front)
    assert [(found.figures[one], found.figures[other]) for found in front] == list_front(kept[one], kept[other])


def draw_limit(name: str, values: Any, random: Random) -> Limit:
    low, high = sorted(numpy.quantile(values, [random.random(), random.random()]).astype(int).tolist())
    kind = random.choice(["max", "max", "min", "both"]) if name != "peak_memory" else "max"
    return Limit(name, low if kind != "max" else None, high if kind != "min" else None, ())


def list_vectors(table: Table) -> set[tuple[int, ...]]:
    return set(zip(*(table[name].tolist() for name in FIGURES), strict=True))


def make_vector(found: Found) -> tuple[int | None, ...]:
    return tuple(found.figures[name] for name in FIGURES)


def list_front(ones: Any, others: Any) -> list[tuple[int, int]]:
    """Return the pairs with the least of the first figure and the most of the second one, by the first."""
    order = numpy.lexsort((-others, ones))
    reached = numpy.maximum.accumulate(others[order]) if len(order) else others
    found = []
    for place, row in enumerate(order.tolist()):
        if place == 0 or others[row] > reached[place - 1]:
            found.append((int(ones[row]), int(others[row])))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare random spaces, and print how many networks they have."""
    parser = argparse.ArgumentParser(description="Compare large random design spaces with all their networks.")
    parser.add_argument("--spaces", type=int, default=10)
    parser.add_argument("--least", type=int, default=50_000, help="smallest number of combinations of a space")
    parser.add_argument("--most", type=int, default=1_000_000, help="largest number of combinations of a space")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    numbers: list[int] = []

    @seed(options.seed)
    @settings(
        max_examples=options.spaces,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(large_spaces(options.least, options.most))
    def compare_spaces(twice: Twice) -> None:
        start = time.process_time()
        numbers.append(compare(twice, Random(len(numbers))))
        print(f"{len(numbers)}: {numbers[-1]:,} networks, {time.process_time() - start:.1f} s", flush=True)

    compare_spaces()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{len(numbers):,} spaces with {sum(numbers):,} networks agree, the largest has {max(numbers):,}; {peak} MiB")


if __name__ == "__main__":
    main()
