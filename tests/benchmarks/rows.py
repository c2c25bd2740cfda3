"""Figures of many variants of a network, compared with reading and analysing each of them on its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib.util import find_spec
from itertools import product
from random import Random
from typing import Any
from unittest.mock import patch

from convcalc.metrics.figures import FIGURES
from convcalc.space import lists, traced_evaluator
from convcalc.space.combinations import Combinations, Param
from convcalc.space.evaluation import MISS, Load, OrdinaryEvaluator, Setup
from convcalc.space.traced_evaluator import TracedEvaluator
from convcalc.spec.budget_metrics import DEVICE
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text

from .measure import CHECKOUT, IN_PROCESS, Goal, Row, medians

VARIANTS, TRIED, SAMPLE = 1_000, 100, 200  # values of each of two parameters; variants that are analysed on their own
CHUNK = 131_072  # rows that are evaluated together
ASKED = ("params", "macs", "flops", "weight_memory", "activation_memory", "peak_memory", "output_shape")
SETUP = Setup(Overrides(), spec_budget=False)


def rows(runs: int) -> list[Row]:
    """A million variants with numpy and without it; 10,000 with the figures of `convcalc fit`; the arena of 10,000."""
    found = []
    for name in ("mobilenet_v1", "resnet50"):
        load = loader(name)
        found += [million(name, load, min(runs, 3), with_numpy) for with_numpy in (True, False)]
    load, few = loader("mobilenet_v1"), min(runs, 5)
    fit = tried("fit", load, few, (*FIGURES, MISS), Goal(least=120))
    return [*found, fit, tried("arena and flash", load, few, DEVICE, Goal(least=10))]


def loader(name: str) -> Load:
    """Read an example whose input size is a parameter; that of resnet50 becomes one here."""
    text = (CHECKOUT / "examples" / f"{name}.yaml").read_text(encoding="utf-8")
    if name == "resnet50":
        text = text.replace("  width: 1.0\n", "  width: 1.0\n  size: 224\n").replace(
            "[3, 224, 224]", "[3, $size, $size]"
        )
    document = read_text(text)
    return partial(load_variant, document)


def load_variant(document: Document, overrides: Overrides) -> Any:
    return read_network(document, overrides)


def axes(count: int) -> dict[str, list[Any]]:
    return {"width": [round(0.1 + 2 * i / count, 4) for i in range(count)], "size": list(range(24, 24 + count))}


def million(name: str, load: Load, runs: int, with_numpy: bool) -> Row:
    """Evaluate all combinations of 1,000 widths and 1,000 sizes, as a stream."""
    label, goal = f"{name} {'' if with_numpy else 'without '}numpy", Goal(least=1_500 if with_numpy else 150)
    if with_numpy and find_spec("numpy") is None:
        return Row(label, None, goal, "needs numpy: pip install numpy")
    grid = axes(VARIANTS)
    space = Combinations(tuple(Param(name, values) for name, values in grid.items()))

    def stream() -> None:
        evaluator = TracedEvaluator(load, SETUP, space.size)
        for first in range(0, space.size, CHUNK):
            evaluator.evaluate_rows(space, range(first, min(first + CHUNK, space.size)), ASKED)

    with nullcontext() if with_numpy else without_numpy():
        fast, alone = medians(runs, stream, partial(one_by_one, load, grid), clock=IN_PROCESS)
    count = VARIANTS**2
    single = alone * count / SAMPLE
    detail = f"{count:,} variants {fast:.2f} s; one by one {single:.0f} s, scaled from {SAMPLE}"
    return Row(label, single / fast, goal, detail)


def one_by_one(load: Load, grid: dict[str, list[Any]]) -> None:
    """Analyse a random sample of the variants."""
    random = Random(1)
    values: dict[str, list[Any]] = {name: [random.choice(found) for _ in range(SAMPLE)] for name, found in grid.items()}
    OrdinaryEvaluator(load, SETUP).evaluate(values, ASKED)


def tried(label: str, load: Load, runs: int, asked: Sequence[str], goal: Goal) -> Row:
    """Evaluate figures of 10,000 rows."""
    combinations = list(product(*axes(TRIED).values()))
    values = {name: [row[place] for row in combinations] for place, name in enumerate(("width", "size"))}
    actions = (
        lambda: TracedEvaluator(load, Setup(Overrides())).evaluate(values, asked),
        lambda: OrdinaryEvaluator(load, Setup(Overrides())).evaluate(
            {name: column[:: len(combinations) // SAMPLE] for name, column in values.items()}, asked
        ),
    )
    fast, alone = medians(runs, *actions, clock=IN_PROCESS)
    single = alone * len(combinations) / SAMPLE
    detail = f"{len(combinations):,} rows {fast:.2f} s; one by one {single:.1f} s, scaled from {SAMPLE}"
    return Row(label, single / fast, goal, detail)


@contextmanager
def without_numpy() -> Iterator[None]:
    """Calculate any number of rows with lists."""
    with patch.object(traced_evaluator, "choose_backend", lambda rows, expected: lists):
        yield
