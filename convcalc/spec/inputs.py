"""The spec parameters and the input shapes of a network, each as written or as overridden."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from convcalc.arguments import LARGEST, is_integer, suggest_correction
from convcalc.layout import Misreading, describe_wrong_number_of_sizes, find_misreading, suggest_sizes
from convcalc.problems import InvalidSpec, Path, Problem, did_you_mean, shorten, show, suggest_rename
from convcalc.shape import AXIS_NAMES, MOST_AXES, Shape
from convcalc.spec.blocks import Compiler
from convcalc.spec.document import UNKNOWN, Document
from convcalc.spec.entries import LAYER_NAME, MOST_NAME, Compiled, Computed, Problems
from convcalc.spec.expressions import WrongExpression
from convcalc.spec.resolve import RESERVED_LAYERS
from convcalc.spec.scopes import UnknownValue
from convcalc.spec.templates import Template

_Value = TypeVar("_Value")
_INPUT_KEYS = ("channels", "features", "length", "height", "width", "depth")


class Overrides:
    """Values given from outside the file, by name; they replace those in the file.

    `from_python` is whether messages name arguments of a function instead of options of the command line. `attached`
    are the spec parameters that were set after the `@` of a NET argument.
    """

    def __init__(
        self,
        params: Mapping[str, Any] | None = None,
        inputs: Mapping[str | None, Any] | None = None,
        batch: int | None = None,
        dtype: Any = None,
        from_python: bool = False,
        attached: frozenset[str] = frozenset(),
    ) -> None:
        self.params = dict(params or {})
        self.inputs = dict(inputs or {})
        self.batch = batch
        self.dtype = dtype
        self.from_python = from_python
        self.attached = attached

    def option(self, name: str) -> str:
        """Return the name of an option as the caller writes it: `--input`, or `input` in Python."""
        return name if self.from_python else f"--{name}"

    def with_params(self, params: Mapping[str, Any]) -> "Overrides":
        """Return the same overrides with other spec parameters."""
        return Overrides(params, self.inputs, self.batch, self.dtype, self.from_python, self.attached)

    def attach_params(self, params: Mapping[str, Any]) -> "Overrides":
        """Return the overrides with more spec parameters, which win: those after the `@` of a NET argument."""
        found = self.with_params({**self.params, **params})
        found.attached = frozenset(params)
        return found

    def param_option(self, name: str) -> str:
        """Return the option that sets a spec parameter: `--set width=0.5`."""
        value = self.params[name]
        if self.from_python:
            return f"params[{show(name)}] = {show(value)}"
        option = "@" if name in self.attached else "--set "
        return f"{option}{shorten(name)}={_format_value(value)}"

    def input_option(self, name: str | None, sizes: Sequence[int] | None = None) -> str:
        """Return the option that sets an input, with the sizes if given: `--input left=3,64,64`."""
        if self.from_python:
            option = "input" if name is None else f"inputs[{name!r}]"
            return option if sizes is None else f"{option}={list(sizes)}"
        option = "--input" if name is None else f"--input {name}"
        return option if sizes is None else f"{option}{' ' if name is None else '='}{','.join(map(str, sizes))}"


class WrongOverride(InvalidSpec):
    """A value given from outside the file is wrong or does not match the file."""


class GivenReader:
    """Reads spec parameters and inputs; expressions outside of entries can use the parameters."""

    def __init__(self, document: Document, overrides: Overrides) -> None:
        self.document = document
        self.overrides = overrides
        self.problems = Problems()
        self.compiler = Compiler(document, self.problems)
        self.variables: dict[str, Any] = {}
        self.meant: set[str | None] = set()  # the keys that misspelt ones most likely meant
        self.misread: dict[str, Misreading] = {}

    def evaluate_value(self, value: Compiled, path: Path) -> Any:
        """Return the value of a compiled expression outside of entries. Raises UnknownValue after reporting why."""
        if isinstance(value, Template):
            try:
                return value.value(self.lookup)
            except WrongExpression as flaw:
                self.problems.add_flaw(path, flaw)
                raise UnknownValue from None
        if isinstance(value, Computed):
            return [self.evaluate_value(item, (*path, index)) for index, item in enumerate(value.items)]
        if value is UNKNOWN:
            raise UnknownValue
        return value

    def lookup(self, name: str) -> Any:
        """Return the value of a spec parameter. Raises UnknownValue."""
        value = self.variables.get(name, UNKNOWN)
        if value is UNKNOWN:
            raise UnknownValue
        return value

    def resolve(self, value: Any, path: Path) -> Any:
        """Compile and evaluate a written value outside of entries. Raises UnknownValue after reporting why."""
        if isinstance(value, dict):
            return {key: self.resolve(item, (*path, key)) for key, item in value.items()}
        return self.evaluate_value(self.compiler.value(value, path, frozenset(self.variables)), path)

    def params(self, root: dict[str, Any]) -> None:
        """Read the spec parameters; each default can use the ones above it, and overrides replace defaults."""
        written = root.get("params")
        if written is not None and not isinstance(written, dict):
            if written is not UNKNOWN:
                message = f"params must be a mapping from names to defaults; got {show(written)}"
                self.problems.add(("params",), message, "CV013")
            written = None
        for name, default in (written or {}).items():
            self.compiler.parameter_name(name, ("params", name))
            self.variables[name] = self.param(name, default)
        for name in self.overrides.params:
            if name not in self.variables:
                known = f"available: {', '.join(self.variables)}" if self.variables else "the spec has no parameters"
                hint = did_you_mean(name, self.variables) or known
                raise WrongOverride(
                    [make_override_problem(f"the spec has no parameter {show(name)}", hint)], self.document.file
                )

    def param(self, name: str, default: Any) -> Any:
        """Return the value of one spec parameter."""
        path: Path = ("params", name)
        if name in self.overrides.params:
            given = self.overrides.params[name]
            if isinstance(given, list | str | int | float):
                return given
            message = (
                "a spec parameter must be a number, true, false, text or a list; "
                f"{shorten(name)} is given {show(given)}"
            )
            raise WrongOverride([make_override_problem(message)], self.document.file)
        if default is None:
            self.problems.add(
                path,
                f"spec parameter {shorten(name)} needs a value",
                "CV012",
                f"give it with --set {name}=…",
                on_key=True,
            )
            return UNKNOWN
        try:
            return self.evaluate_value(self.compiler.parameter(default, path, frozenset(self.variables)), path)
        except UnknownValue:
            return UNKNOWN

    def inputs(self, root: dict[str, Any]) -> dict[str, Shape | None]:
        """Return the inputs by name; a single unnamed one is called input. An unknown shape is None."""
        written = root.get("inputs")
        if written is UNKNOWN or root.get("input") is UNKNOWN:
            return {}
        if "inputs" not in root:
            given = self.given_inputs(["input"])
            if "input" not in root and not given:
                if not {"input", "inputs"} & self.meant:
                    self.problems.add((), "the spec has no input", "CV012", "write input: [3, 224, 224]")
                return {"input": None}
            return {"input": self.one_input("input", root.get("input"), ("input",), given)}
        if "input" in root:
            message = "input and inputs cannot both be given"
            self.problems.add(("input",), message, "CV010", on_key=True)
        if not isinstance(written, dict) or not written:
            message = f"inputs must be a mapping from names to shapes; got {show(written)}"
            self.problems.add(("inputs",), message, "CV013", "write {left: [3, 64, 64], right: [3, 64, 64]}")
            return {}
        given = self.given_inputs(list(written))
        return {name: self.named_input(name, shape, given) for name, shape in written.items()}

    def given_inputs(self, names: list[str]) -> Mapping[str | None, Any]:
        """Return the overriding shapes; the name of a single input is optional. Raises WrongOverride."""
        given = self.overrides.inputs
        for name in given:
            if name in names or (name is None and len(names) == 1):
                continue
            hint = f"available: {', '.join(names)}"
            several = f"the spec has {len(names)} inputs: an input shape needs the name of its input"
            said = several if name is None else f"unknown input {show(name)}"
            raise WrongOverride([make_override_problem(said, hint)], self.document.file)
        if len(given) > len(names):
            message = f"{self.overrides.input_option(None)}: the shape of {names[0]} is given twice"
            raise WrongOverride([make_override_problem(message)], self.document.file)
        return given

    def named_input(self, name: str, written: Any, given: Mapping[str | None, Any]) -> Shape | None:
        """Return the shape of one of several inputs."""
        path: Path = ("inputs", name)
        if not LAYER_NAME.fullmatch(name) or len(name) > MOST_NAME:
            message, hint = f"{show(name)} is not a valid input name", "use a letter, then letters, digits, _ and -"
            self.problems.add(path, message, "CV015", hint, on_key=True)
        elif name in RESERVED_LAYERS:
            self.problems.add(path, f"{name} is reserved and cannot be the name of an input", "CV015", on_key=True)
        return self.one_input(name, written, path, given)

    def one_input(self, name: str, written: Any, path: Path, given: Mapping[str | None, Any]) -> Shape | None:
        """Return the shape of an input, as written or as overridden."""
        own = None if written is None else self.shape(written, path)
        doubt = None if own is None or isinstance(written, dict) else find_misreading(own.sizes)
        shape, option = own, None if None in given else name
        if option in given:
            shape = self.given_shape(given[option], path, option, own)
            may_hold_batch = own is None or doubt is not None
            doubt = None if isinstance(given[option], dict) else find_misreading(shape.sizes, may_hold_batch)
            doubt = doubt and doubt._replace(is_override=True)
        if doubt is not None:
            self.misread[name] = doubt
        return shape

    def given_shape(self, given: Any, path: Path, name: str | None, own: Shape | None) -> Shape:
        """Return an overriding shape. Raises WrongOverride if it is wrong or has another number of sizes."""
        option = self.overrides.input_option(name)
        shape = self.from_outside(option, lambda: self.shape(given, path))
        assert shape is not None
        if own is not None and own.axes != shape.axes:
            better = suggest_sizes(shape.sizes, own.sizes)
            form = self.overrides.input_option(name, better.sizes)
            batch = "" if better.batch is None else self.batch_form(better.batch)
            spec_input = "the spec's input" if name is None else f"the spec's input {name}"
            message = describe_wrong_number_of_sizes(shape.sizes, own.sizes, option, spec_input)
            message = f"{message}; {better.advice}: {form}{batch}"
            raise WrongOverride([make_override_problem(message)], self.document.file)
        return shape

    def batch_form(self, batch: int) -> str:
        """Return how the batch size is written after an input."""
        return f", batch={batch}" if self.overrides.from_python else f" (--batch {batch})"

    def from_outside(self, option: str, read: Callable[[], _Value]) -> _Value:
        """Read a value given from outside the file. Raises WrongOverride with the first problem found in it."""
        known = len(self.problems.found)
        value = read()
        if len(self.problems.found) > known:
            problem = self.problems.found[known]
            raise WrongOverride(
                [make_override_problem(f"{option}: {problem.message}", problem.hint)], self.document.file
            )
        return value

    def shape(self, written: Any, path: Path) -> Shape | None:
        """Return the shape of an input, written as a list or by axis names; None after reporting a mistake."""
        try:
            value = self.resolve(written, path)
            sizes = self.named_axes(value, path) if isinstance(value, dict) else value
        except UnknownValue:
            return None
        if not isinstance(sizes, list) or not 1 <= len(sizes) <= MOST_AXES + 1:
            message = f"an input must be a list of 1 to {MOST_AXES + 1} sizes, channels first; got {show(sizes)}"
            self.problems.add(path, message, "CV013", "write [3, 224, 224]")
            return None
        names = list(value) if isinstance(value, dict) else None
        for index, size in enumerate(sizes):
            if not is_integer(size) or not 1 <= size <= LARGEST:
                message = f"a size must be a positive integer; got {show(size)}"
                hint = self.origin(written, index) or suggest_correction(size, "an integer")
                self.problems.add((*path, names[index] if names else index), message, "CV013", hint)
                return None
        channels, *spatial = sizes
        return Shape(channels, tuple(spatial))

    @staticmethod
    def origin(written: Any, index: int) -> str:
        """Return the hint for a wrong size that is the value of an expression."""
        items = list(written.values()) if isinstance(written, dict) else written
        item = items[index] if isinstance(items, list) and index < len(items) else None
        return f"the value comes from {shorten(item)}" if isinstance(item, str) and "$" in item else ""

    def named_axes(self, value: dict[str, Any], path: Path) -> list[Any]:
        """Return the sizes of a shape with named axes, channels first. Raises UnknownValue after reporting why."""
        for key in value:
            if key not in _INPUT_KEYS:
                hint = did_you_mean(key, _INPUT_KEYS) or f"available: {', '.join(_INPUT_KEYS)}"
                message = f"unknown axis {show(key)} of an input"
                fix = suggest_rename(key, _INPUT_KEYS, taken=value)
                self.problems.add((*path, key), message, "CV010", hint, on_key=True, fix=fix)
                raise UnknownValue
        if set(value) == {"features"}:
            return [value["features"]]
        for names in AXIS_NAMES.values():
            if names and set(value) == {"channels", *names}:
                ordered = {name: value[name] for name in ("channels", *names)}
                value.clear()
                value.update(ordered)
                return list(ordered.values())
        given = set(value) - {"channels", "features"}
        likely = next((names for names in AXIS_NAMES.values() if given and given <= set(names)), ("height", "width"))
        absent = [name for name in ("channels", *likely) if name not in value]
        message = (
            f"the input has no {' and no '.join(absent)}" if absent else f"an input cannot have {', '.join(value)}"
        )
        hint = "use channels with length, with height and width, or with depth, height and width; or only features"
        self.problems.add(path, message, "CV012", hint, on_key=True)
        raise UnknownValue


def _format_value(value: Any) -> str:
    """Return a value as it is written on the command line."""
    return shorten(value) if isinstance(value, str) else show(value).removeprefix("the list ")


def make_override_problem(message: str, hint: str = "") -> Problem:
    """Return a problem with a value given from outside the file."""
    return Problem((), message, "CV017", hint)
