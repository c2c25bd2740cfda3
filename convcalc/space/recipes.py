"""Describes a sweep in values that can be sent to another process or machine, where it is planned again.

A `Recipe` has the text of the spec, the values to try and the request of the user, but no network and no results.
`evaluate_part(recipe, range(1000, 2000))` returns the rows with these numbers as a `Part`.
"""

import os
from collections.abc import Iterator
from threading import Lock
from typing import Any, NamedTuple

from convcalc.problems import Flaw
from convcalc.space.choosing import condense
from convcalc.space.chunk import Chunk
from convcalc.space.combinations import Combinations
from convcalc.space.csv_files import read_csv
from convcalc.space.evaluation import Setup
from convcalc.space.evaluators import make_evaluator
from convcalc.space.planning import Planned, Request, make_plan
from convcalc.space.sweeping import Numbers, Plan, Tally, sweep_chunk
from convcalc.spec.document import Document
from convcalc.spec.files import decode_spec
from convcalc.version import __version__

_FEWEST, _MOST = 16, 32_768  # limits of the combinations in a part


class Recipe(NamedTuple):
    """A sweep: its spec as text, or as the mapping `root` if it has no text, and what is done with it.

    `key` distinguishes the recipes that a worker process gets. `rows` is about how many rows all workers will evaluate.
    `request.join` is a CSV file that has been read, because other machines may not have it.
    """

    key: str
    version: str
    text: str | None
    root: Any
    file: str | None
    quotable: bool
    setup: Setup
    space: Combinations
    request: Request
    rows: int


class Part:
    """The result for some combinations: the rows that are kept, and the counts of all combinations.

    The length of a part is the number of combinations. If its rows have been formatted, they are in `text`. `used` are
    the lines of the CSV file that match a combination, and `missing` is the number of combinations without a line.
    """

    def __init__(self, rows: Chunk, tally: Tally, used: frozenset[int], missing: int) -> None:
        self.rows = rows
        self.text = ""
        self.tally = tally
        self.used = used
        self.missing = missing

    def __len__(self) -> int:
        return self.tally.tried

    def add_to(self, tally: Tally, plan: Plan) -> None:
        """Add the counts to those of the whole sweep."""
        tally.merge(self.tally)
        if plan.join is not None:
            plan.join.used.update(self.used)
            plan.join.missing[0] += self.missing


def make_recipe(document: Document, setup: Setup, space: Combinations, request: Request, rows: int) -> Recipe:
    """Return the recipe of a sweep. Raises Flaw if the CSV file of the request is wrong."""
    if isinstance(request.join, str):
        try:
            request = request._replace(join=read_csv(request.join))
        except Flaw as flaw:
            raise Flaw(f"--join: {flaw.message}", flaw.hint) from None
    root = None if document.text is not None else document.root
    key = os.urandom(8).hex()
    return Recipe(key, __version__, document.text, root, document.file, document.quotable, setup, space, request, rows)


def divide_numbers(numbers: Numbers, workers: int) -> Iterator[Numbers]:
    """Yield the numbers of rows in parts for workers, of which the first ones are short."""
    most = min(max(-(-len(numbers) // workers), _FEWEST), _MOST)
    done, size = 0, _FEWEST
    while done < len(numbers):
        yield numbers[done : done + size]
        done += size
        size = min(4 * size, most)


_LOCK = Lock()  # a traced calculation is not safe for threads, in which a worker of Dask runs its tasks
_last: tuple[str, Planned] | None = None


def evaluate_part(recipe: Recipe, numbers: Numbers, listed: int | None = None) -> Part | Flaw:
    """Return the rows with these numbers, or the error if the request is wrong; see `sweep_chunk`.

    Rows that are certainly not among the first `listed` of the whole sweep (None: all) are left out. The plan, and what
    is traced, are kept in this process for further parts of the same recipe.
    """
    if recipe.version != __version__:
        return Flaw(f"a worker has convcalc {__version__} in place of {recipe.version}", "install the same version")
    with _LOCK:
        try:
            planned = _get_planned(recipe)
            plan = planned.plan
            tally = Tally()
            if plan.join is not None:
                plan.join.used.clear()
                plan.join.missing[0] = 0
            rows = condense(planned, sweep_chunk(plan, numbers, tally), listed)
        except Flaw as flaw:
            return flaw
        used, missing = (frozenset(plan.join.used), plan.join.missing[0]) if plan.join else (frozenset(), 0)
        return Part(rows, tally, used, missing)


def _get_planned(recipe: Recipe) -> Planned:
    global _last
    if _last is None or _last[0] != recipe.key:
        _last = recipe.key, plan_recipe(recipe)
    return _last[1]


def plan_recipe(recipe: Recipe) -> Planned:
    """Return the plan of a recipe. Raises Flaw, with the name of the option, for a mistake in the request."""
    if recipe.text is None:
        document = Document(recipe.root, recipe.file, quotable=recipe.quotable)
    else:
        document = decode_spec(recipe.text.encode("utf-8", "surrogatepass"), recipe.file or "network", recipe.quotable)
        document.file = recipe.file
    evaluator = make_evaluator(document, recipe.setup, recipe.rows)
    return make_plan(document, recipe.setup.overrides.params, recipe.space, evaluator, recipe.request)
