"""Makes the plan of a sweep from texts: the names of columns, expressions, and orders that a user writes.

`make_plan` takes a `Request` such as `Request(columns="macs", where=("macs < 300M",))` and returns a `Planned` sweep.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from convcalc.analysis.own_keys import list_own_values
from convcalc.metrics.figures import SWEPT
from convcalc.problems import Flaw, did_you_mean, show
from convcalc.space.combinations import Combinations
from convcalc.space.csv_files import CsvFile
from convcalc.space.evaluation import Evaluator
from convcalc.space.formulas import find_column, read_formula
from convcalc.space.join import Join, read_join
from convcalc.space.ordering import Signed, read_signed
from convcalc.space.sweeping import PROBLEM, Derived, Plan
from convcalc.spec.budget_metrics import LATENCY, MEASURED
from convcalc.spec.document import Document
from convcalc.spec.expressions import RESERVED

DEFAULT = ("params", "macs", "weight_memory", "peak_memory", "receptive_field", "output_shape")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}", re.ASCII)


class Request(NamedTuple):
    """The options of a sweep, as texts; see `convcalc sweep --help`.

    `join` is the name of a CSV file, or the file itself if it has been read. `plot` names the columns of the plot.
    `added` names figures that follow the default columns if `columns` is None. `has_device` is false if no device is
    given; a column `latency` can then come from the CSV file.
    """

    columns: str | None = None
    derive: Sequence[str] = ()
    where: Sequence[str] = ()
    join: str | CsvFile | None = None
    drop_invalid: bool = False
    sort: str | None = None
    top: int | None = None
    pareto: str | None = None
    mark_pareto: str | None = None
    plot: str | None = None
    added: tuple[str, ...] = ()
    has_device: bool = False


class Planned(NamedTuple):
    """A plan, and what is done with its rows.

    `shown` are the columns that are written; they are the first of `plan.names`. `order` sorts the rows, of which `top`
    are kept (None: all). `pareto` are the objectives of the front; the rows that are not on it are left out, unless it
    is only to be marked (`is_marked`). `axes` are the columns of the plot.
    """

    plan: Plan
    shown: tuple[str, ...]
    order: tuple[Signed, ...]
    top: int | None
    pareto: tuple[Signed, ...]
    is_marked: bool
    axes: tuple[Signed, ...]

    def list_measured(self) -> list[str]:
        """Return the figures that depend on a runtime or a device: some of `arena`, `flash` and `latency`."""
        return [name for name in self.plan.figures if name in MEASURED]


def make_plan(
    document: Document, fixed: Mapping[str, Any], space: Combinations, evaluator: Evaluator, request: Request
) -> Planned:
    """Return the plan of a sweep over a space of a document; `fixed` are the spec parameters set to a single value.

    Raises Flaw, with the name of the option, for a mistake in the request.
    """
    return _Planner(document, fixed, space).plan(evaluator, request)


class _Planner:
    """Finds columns by name: parameters, columns of the CSV file, derived ones, the user's own keys, and figures."""

    def __init__(self, document: Document, fixed: Mapping[str, Any], space: Combinations) -> None:
        root = document.root if isinstance(document.root, dict) else {}
        written = root.get("params")
        self.declared: dict[str, Any] = written if isinstance(written, dict) else {}
        self.space = space
        self.tried = [param.name for param in space.params]
        self.fixed = {**{name: value for name, value in self.declared.items() if _is_literal(value)}, **fixed}
        self.fixed = {name: value for name, value in self.fixed.items() if name not in self.tried}
        self.own = list_own_values(root)
        self.known = list(dict.fromkeys([*self.tried, *self.own, *SWEPT]))

    def plan(self, evaluator: Evaluator, request: Request) -> Planned:
        if PROBLEM in self.tried:
            raise Flaw(f"-p: a spec parameter named {PROBLEM} cannot vary: the column of errors has that name")
        join = None if request.join is None else self._read_join(request.join, request.has_device)
        self.known += () if join is None else [name for name in join.names if name not in self.known]
        derived = [self._read_derived(text) for text in request.derive]
        where = [read_formula("--where", text, self.known, self._explain) for text in request.where]
        listed = self._read_columns(request)
        added = [*(join.names if join else ()), *(name for name, _ in derived)]
        names = [*self.tried, *listed, *(name for name in added if name not in listed)]
        shown = tuple(dict.fromkeys([*names, *(() if request.drop_invalid else (PROBLEM,))]))
        order = self._read_signed("--sort", request.sort)
        pareto = self._read_signed("--pareto", request.pareto)
        marked = self._read_signed("--mark-pareto", request.mark_pareto)
        axes = self._read_signed("--plot", request.plot)
        if axes and not 2 <= len(axes) <= 3:
            raise Flaw(f"--plot: expected two columns, or three, the last as colour; got {len(axes)}")
        used = [*shown, *(signed.column for signed in (*order, *pareto, *marked, *axes))]
        needed = {
            *used,
            *(name for formula in (*where, *(formula for _, formula in derived)) for name in formula.columns.values()),
        }
        own = (*self.tried, *(join.names if join else ()))
        plan = Plan(
            self.space,
            evaluator,
            tuple(dict.fromkeys(used)),
            tuple(name for name in SWEPT if name in needed and name not in own),
            {name: value for name, value in self.own.items() if name in needed},
            join,
            tuple(derived),
            tuple(where),
            request.drop_invalid,
        )
        return Planned(plan, shown, order, request.top, pareto or marked, bool(marked), axes)

    def _read_join(self, source: str | CsvFile, has_device: bool) -> Join:
        taken = [name for name in (*self.known, PROBLEM) if has_device or name != LATENCY]
        with _naming("--join"):
            return read_join(source, self.tried, self.fixed, taken)

    def _read_derived(self, text: str) -> Derived:
        """Return a derived column, and add it to the known columns."""
        derived = read_derived(text, self.known, self._explain)
        self.known.append(derived.name)
        return derived

    def _read_columns(self, request: Request) -> list[str]:
        if request.columns is None:
            return [name for name in (*DEFAULT, *request.added) if name not in self.tried]
        with _naming("--columns"):
            return [self._find(name.strip()) for name in request.columns.split(",")]

    def _find(self, name: str) -> str:
        found = find_column(name, self.known)
        if found is None:
            hint = self._explain(name) or did_you_mean(name, self.known) or f"available: {', '.join(self.known)}"
            raise Flaw(f"no column {show(name)}", hint)
        return found

    def _read_signed(self, option: str, text: str | None) -> tuple[Signed, ...]:
        if text is None:
            return ()
        with _naming(option):
            return read_signed(text, self.known, self._explain)

    def _explain(self, name: str) -> str:
        """Return a hint on a spec parameter that does not vary."""
        return f"vary it with -p {name}=…" if name in self.declared and find_column(name, self.known) is None else ""


def read_derived(text: str, known: Sequence[str], explain: Callable[[str], str] = lambda name: "") -> Derived:
    """Return a column written as `score=top1/macs`, which can use the `known` columns.

    `explain` returns a hint on an unknown name, or "". Raises Flaw.
    """
    name, equals, expression = text.partition("=")
    name = name.strip()
    with _naming("--derive"):
        if not equals or expression.startswith("=") or not _NAME.fullmatch(name):
            raise Flaw(f"a derived column must be NAME=EXPRESSION, such as score=top1/macs; got {show(text)}")
        if name in RESERVED or name == PROBLEM:
            raise Flaw(f"{show(name)} is reserved and cannot be the name of a column")
        if find_column(name, known) is not None:
            raise Flaw(f"there is already a column {show(name)}", "choose another name")
    return Derived(name, read_formula("--derive", expression, known, explain))


@contextmanager
def _naming(option: str) -> Iterator[None]:
    """Add the name of an option to the message of a Flaw."""
    try:
        yield
    except Flaw as flaw:
        raise Flaw(f"{option}: {flaw.message}", flaw.hint) from None


def _is_literal(value: object) -> bool:
    """Return whether a default of a spec parameter is a value, and not an expression."""
    if isinstance(value, list):
        return all(map(_is_literal, value))
    return isinstance(value, int | float) or (isinstance(value, str) and "$" not in value)
