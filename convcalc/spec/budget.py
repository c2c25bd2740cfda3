"""Reads the budget of a spec into a list of `Limit`s, whose bounds are integers.

For example, `params: 5M` becomes a limit with the maximum 5,000,000. Limits are not enforced here.
"""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from convcalc.arguments import is_integer
from convcalc.device.device_names import EXAMPLE_BOARD, EXAMPLE_DEVICE, list_board_names, list_device_names
from convcalc.device.runtime_names import DEFAULT_RUNTIME, RUNTIME_NAMES
from convcalc.exact import fixed
from convcalc.network import Limit
from convcalc.problems import Flaw, Path, did_you_mean, shorten, show, suggest_rename
from convcalc.shape import MOST_AXES
from convcalc.spec.budget_metrics import DEVICE, LATENCY, MEMORY, METRICS, PER_LAYER, PER_OUTPUT
from convcalc.spec.document import UNKNOWN
from convcalc.spec.inputs import Evaluate, suggest_shape
from convcalc.spec.problem_list import Problems
from convcalc.spec.scopes import UnknownValue
from convcalc.units import COUNT_SUFFIXES, DURATION_SUFFIXES, MEMORY_SUFFIXES, parse_quantity, suggest_quantity


def read_quantity(metric: str, value: Any, name: str = "") -> int:
    """Return the integer for a quantity such as `5M` (5,000,000); memory is in bytes, latency in nanoseconds.

    `name` is the name for the error message, such as `--max-params`; by default, the metric. Raises Flaw if the value
    is invalid.
    """
    in_bytes = metric in (*MEMORY, *DEVICE)
    suffixes, example = (MEMORY_SUFFIXES, "256KiB") if in_bytes else (COUNT_SUFFIXES, "5M")
    if metric == LATENCY:
        suffixes, example = DURATION_SUFFIXES, "5ms"
    value = fixed(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Flaw(f"{name or metric} must be a quantity such as {example}; got {show(value)}")
    if isinstance(value, str) and in_bytes and value[-1:] in ("K", "M", "G"):
        unit, digits = value[-1], value[:-1].strip(" +-")
        two = f"{unit}B (powers of 1000) or {unit}iB (powers of 1024)"
        message = f"{name}{': ' if name else ''}{show(value)} is ambiguous: {unit} can mean {two}"
        raise Flaw(message, f"use {digits}{unit}iB or {digits}{unit}B")
    try:
        return parse_quantity(str(value), suffixes)
    except ValueError as error:
        meant = suggest_quantity(str(value), suffixes)
        raise Flaw(f"{name or metric} must be {error}; got {show(value)}", f"write {meant}" if meant else "") from None


def _read_bounds(metric: str, value: Any) -> tuple[int | None, int | None]:
    """Return the minimum and maximum of a limit, each None if it is not given. Raises Flaw if the limit is invalid.

    A limit is written as a maximum or as a mapping with min, max or both; receptive_field allows only the mapping.
    """
    if not isinstance(value, dict):
        if metric == "receptive_field":
            hint = f"write {{min: {value}}}" if is_integer(value) else "for example: {min: 224}"
            raise Flaw(f"receptive_field must be a mapping with min, max or both; got {show(value)}", hint)
        return None, read_quantity(metric, value)
    for key in value:
        if key not in ("min", "max"):
            hint = did_you_mean(key, ("min", "max")) or "available: min, max"
            raise Flaw(f"unknown key {show(key)} in a limit", hint, where=(key,), on_key=True)
    if not value:
        raise Flaw(f"the limit of {metric} is empty: it needs min, max or both")
    found: dict[str, int] = {}
    for key, written in value.items():
        try:
            found[key] = read_quantity(metric, written)
        except Flaw as flaw:
            raise Flaw(flaw.message, flaw.hint, where=(key,)) from None
    if "min" in found and "max" in found and found["min"] > found["max"]:
        raise Flaw(f"min {found['min']:,} exceeds max {found['max']:,}")
    return found.get("min"), found.get("max")


def read_limit(metric: str, value: Any, path: Path, output: str | None = None, pattern: str | None = None) -> Limit:
    """Return the limit of one metric, written as `value`. Raises Flaw if the value is invalid.

    `output` is the name of the output that the limit applies to, None for all outputs. For a limit per layer, `pattern`
    is a glob that the names of the layers must match, such as `head.*`.
    """
    if metric == "output_shape":
        sizes = isinstance(value, list) and all(is_integer(size) and size > 0 for size in value)
        if not sizes or not 1 <= len(value) <= MOST_AXES + 1:
            message = f"output_shape must be a list of positive integers, channels first; got {show(value)}"
            raise Flaw(message, suggest_shape(value, "[1000]"))
        return Limit(metric, None, None, path, output, pattern, tuple(value))
    runtime = device = ""
    if metric in DEVICE:
        runtime, device, value = _take_runtime(metric, value)
    elif metric == LATENCY:
        device, value = _take_device(value)
    minimum, maximum = (None, None) if device and metric in DEVICE and value == {} else _read_bounds(metric, value)
    return Limit(metric, minimum, maximum, path, output, pattern, runtime=runtime, device=device)


def _take_runtime(metric: str, value: Any) -> tuple[str, str, Any]:
    """Return the runtime and the board that a limit names, and the limit without them.

    One of them may be "". Raises Flaw if it names neither, or a name is unknown.
    """
    names = value if isinstance(value, dict) else {}
    if "runtime" not in names and "device" not in names:
        most = value if isinstance(value, str) else "256KiB"
        board = f"{{device: {EXAMPLE_BOARD}}} for the memory of a board"
        hint = f"name one, as in {{max: {shorten(most)}, runtime: {DEFAULT_RUNTIME}}}, or {board}"
        raise Flaw(f"the limit of {metric} must name a runtime or a device; got {show(value)}", hint)
    runtime = check_runtime(names["runtime"], ("runtime",)) if "runtime" in names else ""
    device = check_board(names["device"], ("device",)) if "device" in names else ""
    return runtime, device, {key: names[key] for key in names if key not in ("runtime", "device")}


def _take_device(value: Any) -> tuple[str, Any]:
    """Return the device that a limit of latency names, and the limit without it. Raises Flaw if it names none."""
    if not isinstance(value, dict) or "device" not in value:
        most = value if isinstance(value, str) else "5ms"
        hint = f"write {{max: {shorten(most)}, device: {EXAMPLE_DEVICE}}}"
        raise Flaw(f"the limit of {LATENCY} must name a device; got {show(value)}", hint)
    return check_device(value["device"], ("device",)), {key: value[key] for key in value if key != "device"}


def check_device(name: Any, where: Path = ()) -> str:
    """Return the name of a device. Raises Flaw, for the value at the path `where`, if none comes with convcalc.

    Device files are not accepted, because a spec may come from a stranger, and must not make convcalc read other files.
    """
    return _check_name("device", name, list_device_names(), where)


def check_board(name: Any, where: Path = ()) -> str:
    """Return the name of a microcontroller that comes with convcalc. Raises Flaw as `check_device` does."""
    if name in list_device_names() and name not in list_board_names():
        raise Flaw(f"{show(name)} is not a microcontroller", f"available: {', '.join(list_board_names())}", where=where)
    return _check_name("device", name, list_board_names(), where)


def check_runtime(name: Any, where: Path = ()) -> str:
    """Return the name of a runtime. Raises Flaw, for the value at the path `where`, if there is none of that name."""
    return _check_name("runtime", name, RUNTIME_NAMES, where)


def check_runtime_or_board(name: str) -> tuple[str, str]:
    """Return the name of a runtime and that of a board, of which one is empty. Raises Flaw if `name` is neither."""
    if name in list_device_names():
        return "", check_board(name)
    return _check_name("runtime or device", name, (*RUNTIME_NAMES, *list_board_names())), ""


def _check_name(what: str, name: Any, known: Sequence[str], where: Path = ()) -> str:
    if name not in known:
        hint = did_you_mean(str(name), known) or f"available: {', '.join(known)}"
        if str(name).endswith((".yaml", ".yml")):
            hint = f"a limit cannot name a device file; {hint}"
        raise Flaw(f"no {what} {show(name)}", hint, where=where)
    return str(name)


def is_per_output(metric: str, value: Any) -> bool:
    """Whether a limit is written as a mapping from the names of outputs to their limits."""
    return metric in PER_OUTPUT and isinstance(value, dict) and not set(value) & {"min", "max"}


def read_output_limits(metric: str, value: dict[str, Any], path: Path, outputs: list[str]) -> list[Limit]:
    """Return the limits of one metric per output, from a mapping of output names to limits.

    `outputs` are the names of the network's outputs. Raises Flaw if a limit or an output name is invalid.
    """
    limits = []
    for name, written in value.items():
        if name not in outputs:
            hint = did_you_mean(name, outputs) or f"available: {', '.join(outputs)}"
            raise Flaw(f"unknown output {show(name)}", hint, where=(name,), on_key=True, code="CV015")
        limits.append(read_limit(metric, written, (*path, name), output=name))
    return limits


def read_layer_limits(pattern: str, written: Any, path: Path, names: list[str] | None) -> list[Limit]:
    """Return the limits for the layers whose names match a pattern such as `head.*`.

    `names` are the names of all layers, or None if they are unknown. Raises Flaw if a limit is invalid or no name
    matches.
    """
    if names is not None and not any(fnmatchcase(name, pattern) for name in names):
        raise Flaw(f"the pattern {show(pattern)} matches no layer", did_you_mean(pattern, names), code="CV015")
    if not isinstance(written, dict):
        raise Flaw(f"per_layer needs limits such as {{params: 1M}} for each pattern; got {show(written)}")
    limits = []
    for metric, value in written.items():
        if metric not in PER_LAYER:
            hint = did_you_mean(metric, PER_LAYER) or f"available: {', '.join(PER_LAYER)}"
            fix = suggest_rename(metric, PER_LAYER, taken=written)
            message = f"unknown limit {show(metric)} for a layer"
            raise Flaw(message, hint, where=(metric,), on_key=True, code="CV010", fix=fix)
        limits.append(read_limit(metric, value, (*path, metric), pattern=pattern))
    return limits


class BudgetReader:
    """Reads the limits in a spec; an invalid limit is reported and left out."""

    def __init__(self, problems: Problems, evaluate: Evaluate) -> None:
        self.problems = problems
        self.evaluate = evaluate

    def read_budget(self, root: dict[str, Any], names: list[str], outputs: list[str]) -> list[Limit]:
        """Return the limits in a spec, or [] if it has no budget.

        `names` are the names of all layers, and `outputs` are the names of the network's outputs.
        """
        path: Path = ("budget",)
        if "budget" not in root:
            return []
        written = root["budget"]
        if not isinstance(written, dict):
            if written is not UNKNOWN:
                message = f"budget must be a mapping from metrics to limits; got {show(written)}"
                self.problems.add(path, message, "CV013", "for example: {params: 5M}")
            return []
        limits: list[Limit] = []
        for metric, value in written.items():
            if metric == "per_layer":
                limits += self._read_limits_per_layer(value, names)
            elif metric not in METRICS:
                known = (*METRICS, "per_layer")
                hint = did_you_mean(metric, known) or f"available: {', '.join(known)}"
                fix = suggest_rename(metric, known, taken=written)
                self.problems.add(
                    (*path, metric), f"unknown key {show(metric)} in budget", "CV010", hint, on_key=True, fix=fix
                )
            else:
                limits += self._read_limits_of_metric(metric, value, (*path, metric), outputs)
        return limits

    def _read_limits_of_metric(self, metric: str, value: Any, path: Path, outputs: list[str]) -> list[Limit]:
        def read(value: Any) -> list[Limit]:
            if is_per_output(metric, value):
                return read_output_limits(metric, value, path, outputs)
            return [read_limit(metric, value, path)]

        return self._read_or_report(value, path, read)

    def _read_limits_per_layer(self, written: Any, names: list[str]) -> list[Limit]:
        path: Path = ("budget", "per_layer")
        if not isinstance(written, dict):
            if written is not UNKNOWN:
                message = f"per_layer must be a mapping from patterns to limits; got {show(written)}"
                self.problems.add(path, message, "CV013", 'for example: {"head.*": {params: 1M}}')
            return []
        known = None if self.problems.found else names
        limits: list[Limit] = []
        for pattern, value in written.items():
            place = (*path, pattern)
            limits += self._read_or_report(value, place, partial(read_layer_limits, pattern, path=place, names=known))
        return limits

    def _read_or_report(self, value: Any, path: Path, read: Callable[[Any], list[Limit]]) -> list[Limit]:
        """Evaluate the expressions in `value` and return the result of `read`; after reporting a mistake, return []."""
        try:
            return read(self.evaluate(value, path))
        except UnknownValue:
            return []
        except Flaw as flaw:
            self.problems.add_flaw(path, flaw)
            return []
