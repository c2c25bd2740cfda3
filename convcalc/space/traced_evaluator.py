"""Evaluates many rows at once: one row is read and analysed, and the recording is replayed for all others.

`TracedEvaluator` returns what `OrdinaryEvaluator` returns, thousands of times faster. Rows that take another path
through the code, such as those for which a kernel does not fit, are traced separately.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from convcalc.gc_pause import collect_recent_garbage, defer_garbage_collection
from convcalc.space import lists
from convcalc.space.classes import Columns, Group, split_by_class
from convcalc.space.combinations import Combinations
from convcalc.space.evaluation import Evaluated, Load, OrdinaryEvaluator, Setup
from convcalc.space.grids import Grid, make_grid
from convcalc.space.paths import Path, Untraceable, trace_path
from convcalc.space.results import Piece, assemble
from convcalc.space.sheets import Sheet, make_sheet

_MOST_PATHS = 2_000  # limit of kept paths; the least recently useful one is dropped first
_MOST_NODES = 500_000  # limit of nodes of all kept paths together
_MOST_SOLVERS = 100  # limit of kept solvers; the least recently used one is dropped first
_ROWS_PER_TRACE = 8  # a trace takes as long as reading and analysing about ten networks
_FREE_TRACES = 30  # after this number of traces, tracing continues only if each trace served several rows
_ROWS_PER_PATH = 5
_ROWS_FOR_ARRAYS = 20_000  # for fewer rows, importing numpy takes longer than it saves
_ROWS_FOR_LOADED_ARRAYS = 1_000  # the same, once it is imported
_CHUNK = 1_048_576  # rows whose different values are found together
_BLOCK = 32_768  # rows that are calculated together


class TracedEvaluator:
    """Evaluates rows by tracing; `load` returns the network for given overrides.

    `expected` is about how many rows will be evaluated, 0 if that is unknown. A path is traced only after
    `rows_per_trace` rows, so that a few rows are not slower than with `OrdinaryEvaluator`.
    """

    def __init__(self, load: Load, setup: Setup, expected: int = 0, rows_per_trace: int = _ROWS_PER_TRACE) -> None:
        self.load = load
        self.setup = setup
        self.expected = expected
        self.rows_per_trace = rows_per_trace
        self._grid: tuple[Combinations, Grid | None] | None = None
        self.ordinary = OrdinaryEvaluator(load, setup)
        self.solvers: dict[tuple[str, tuple[str, ...]], _Solver] = {}
        self.untraced_rows = 0  # rows that were evaluated one by one

    @defer_garbage_collection
    def evaluate(self, values: Mapping[str, Sequence[Any]], figures: Sequence[str]) -> Evaluated:
        """Return the figures of all rows; see `Evaluator`."""
        rows = len(next(iter(values.values()), ()))
        backend = choose_backend(rows, self.expected)
        pieces: list[Piece] = []
        for group in split_by_class(values, rows):
            solver = self._get_solver(group, tuple(figures))
            for start in range(0, len(group.rows), _CHUNK):
                chunk = group.rows[start : start + _CHUNK]
                columns = _cut(group.columns, start, start + _CHUNK)
                pieces += solver.solve(partial(make_sheet, columns=columns, rows=len(chunk)), chunk, backend)
        return assemble(pieces, figures, rows)

    @defer_garbage_collection
    def evaluate_rows(self, space: Combinations, numbers: Sequence[int], figures: Sequence[str]) -> Evaluated:
        """Return the figures of the rows of a space that have these numbers; see `Evaluator`.

        Figures that depend on a single parameter are calculated once per value, and kept for further calls.
        """
        rows = len(numbers)
        backend = choose_backend(rows, self.expected)
        grid = self._get_grid(space)
        if grid is None or not isinstance(numbers, range) or (backend is lists and rows < grid.longest):
            return self.evaluate(space.list_columns(numbers), figures)
        pieces: list[Piece] = []
        for part in grid.parts:
            solver = self._get_solver(Group(part.key, part.axes, part.given, numbers), tuple(figures))
            pieces += solver.solve(partial(part.make_sheet, numbers=numbers), range(rows), backend)
        return assemble(pieces, figures, rows)

    def _get_grid(self, space: Combinations) -> Grid | None:
        """Return the grid of a space; None if it would be too large. Only the grid of the last space is kept."""
        if self._grid is None or self._grid[0] is not space:
            self._grid = space, make_grid(space)
        return self._grid[1]

    def _get_solver(self, group: Group, figures: tuple[str, ...]) -> "_Solver":
        solver = self.solvers.pop((group.key, figures), None) or _Solver(self, group.given, figures)
        self.solvers[group.key, figures] = solver
        if len(self.solvers) > _MOST_SOLVERS:
            del self.solvers[next(iter(self.solvers))]
        return solver


class _Solver:
    """Evaluates rows whose parameters have the same classes, and the same values if these are not numbers."""

    def __init__(self, evaluator: TracedEvaluator, given: Mapping[str, Any], figures: tuple[str, ...]) -> None:
        self.evaluator = evaluator
        self.given = given
        self.figures = figures
        self.paths: list[Path] = []  # the most recently useful one comes first
        self.nodes = 0  # nodes of all paths together
        self.traces = 0
        self.rows = 0
        self.traced_rows = 0  # rows that took a traced path

    def solve(self, make: Callable[[ModuleType], Sheet], places: Sequence[int], backend: ModuleType) -> list[Piece]:
        """Return the results of the rows that `make` returns for a backend; `places` are their numbers in the whole."""
        if backend is not lists:
            from convcalc.space.arrays import TooLarge

            try:
                return self._solve_blocks(make(backend), places)
            except TooLarge:
                pass
        return self._solve_blocks(make(lists), places)

    def _solve_blocks(self, whole: Sheet, places: Sequence[int]) -> list[Piece]:
        """Calculate the rows in blocks that fit into the processor's cache."""
        found = []
        self.rows += len(whole)
        for start in range(0, len(whole), _BLOCK):
            block = whole.cut(start, start + _BLOCK)
            found += self._solve_sheet(block if whole.is_compact() else block.compress(), places)
        return found

    def _solve_sheet(self, sheet: Sheet, places: Sequence[int]) -> list[Piece]:
        found: list[Piece] = []
        for path in list(self.paths):
            if not len(sheet):
                return found
            sheet = self._follow(path, sheet, places, found)
        while len(sheet):
            if not self._is_worth_tracing():
                return [*found, self._evaluate_ordinarily(sheet, places)]
            traced = self._trace(sheet.get_first_values())
            before = len(sheet)
            if traced is not None:
                self._keep(traced)
                sheet = self._follow(traced, sheet, places, found)
            if len(sheet) == before:
                found.append(self._evaluate_ordinarily(sheet.select(sheet.backend.list_indexes(1)), places))
                sheet = sheet.select(sheet.backend.list_indexes(before)[1:])
        return found

    def _is_worth_tracing(self) -> bool:
        is_useful = self.traces < _FREE_TRACES or self.traced_rows >= _ROWS_PER_PATH * self.traces
        return is_useful and self.rows >= self.evaluator.rows_per_trace * (self.traces + 1)

    def _trace(self, values: dict[str, Any]) -> Path | None:
        """Return the path of a row; None if it cannot be traced."""
        evaluator = self.evaluator
        self.traces += 1
        collect_recent_garbage()
        try:
            return trace_path(evaluator.load, evaluator.setup, {**self.given, **values}, self.figures)
        except Untraceable:
            return None

    def _keep(self, path: Path) -> None:
        self.paths.insert(0, path)
        self.nodes += len(path.program.nodes)
        while len(self.paths) > _MOST_PATHS or (self.nodes > _MOST_NODES and len(self.paths) > 1):
            self.nodes -= len(self.paths.pop().program.nodes)

    def _follow(self, path: Path, sheet: Sheet, places: Sequence[int], found: list[Piece]) -> Sheet:
        """Evaluate the rows that take a path, and return a sheet with the other rows."""
        backend = sheet.backend
        taken = path.find_rows(sheet)
        if taken is None:
            found.append(Piece.calculate(path, sheet, places))
            self._note_use(path, len(sheet))
            return sheet.select(backend.list_indexes(0))
        if len(taken):
            these = sheet.select(taken)
            found.append(Piece.calculate(path, these, places))
            self._note_use(path, len(these))
            sheet = sheet.select(backend.find_others(taken, len(sheet)))
            if not sheet.is_lasting and 2 * len(sheet) < sheet.count_values():
                sheet = sheet.compress()
        return sheet

    def _note_use(self, path: Path, rows: int) -> None:
        self.traced_rows += rows
        self.paths.remove(path)
        self.paths.insert(0, path)

    def _evaluate_ordinarily(self, sheet: Sheet, places: Sequence[int]) -> Piece:
        backend = sheet.backend
        values: dict[str, Sequence[Any]] = {
            name: list(lists.to_python_numbers(backend.get_values(backend.select_values(table, sheet.indexes[name]))))
            for name, table in sheet.tables.items()
        }
        rows = len(sheet)
        self.evaluator.untraced_rows += rows
        ordered = {name: [value] * rows for name, value in self.given.items() if name not in values} | values
        return Piece.from_evaluated(self.evaluator.ordinary.evaluate(ordered, self.figures), sheet, places)


def _cut(columns: Columns, start: int, stop: int) -> Columns:
    return {name: column[start:stop] for name, column in columns.items()}


def choose_backend(rows: int, expected: int = 0) -> ModuleType:
    """Return the module that calculates this many rows fastest: `arrays` for many, if numpy is installed.

    `expected` is about how many rows will be evaluated in all.
    """
    pays_import = max(rows, expected) >= _ROWS_FOR_ARRAYS or "convcalc.space.arrays" in sys.modules
    if rows < _ROWS_FOR_LOADED_ARRAYS or not pays_import:
        return lists
    try:
        from convcalc.space import arrays
    except ImportError:
        return lists
    return arrays
