"""Reads the input shapes of a network; a shape given from outside the file (`Overrides`) replaces the one in the spec.

For example, `input: {channels: 3, height: 224, width: 224}` becomes the shape 3×224×224 of an input named "input".
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from convcalc.arguments import LARGEST, is_integer, suggest_correction
from convcalc.axis_order import Misreading, find_misreading
from convcalc.problems import InvalidSpec, Path, Problem, did_you_mean, shorten, show, suggest_rename
from convcalc.shape import AXIS_NAMES, MOST_AXES, Shape
from convcalc.spec.document import UNKNOWN
from convcalc.spec.entries import MOST_NAME, RESERVED_LAYERS, is_layer_name
from convcalc.spec.problem_list import Problems
from convcalc.spec.scopes import UnknownValue

_Value = TypeVar("_Value")
Evaluate = Callable[[Any, Path], Any]  # evaluates a written value; raises UnknownValue after reporting a mistake
_NUMBERS = r"[-+.0-9]{1,20}(, ?[-+.0-9]{1,20}){1,9}"  # several numbers separated by commas
_INPUT_KEYS = ("channels", "features", "length", "height", "width", "depth")


class Overrides:
    """Values from the command line or from Python, which replace the values in the file of the spec.

    `params` and `inputs` map names to values; in `inputs`, the name None means the only input of a spec. `from_python`
    is true if messages name function arguments instead of command-line options. `attached` are the names of the spec
    parameters that were set after the `@` of a NET argument, such as `net.yaml@width=0.5`.
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

    @property
    def is_empty(self) -> bool:
        """Whether nothing is overridden."""
        return not (self.params or self.inputs) and self.batch is None and self.dtype is None

    def option(self, name: str) -> str:
        """Return an option as the user writes it: `--batch` on the command line, `batch` in Python."""
        return name if self.from_python else f"--{name}"

    def with_params(self, params: Mapping[str, Any]) -> "Overrides":
        """Return a copy of the overrides with `params` as their spec parameters."""
        return Overrides(params, self.inputs, self.batch, self.dtype, self.from_python, self.attached)

    def without_inputs(self) -> "Overrides":
        """Return a copy of the overrides without input shapes."""
        return Overrides(self.params, {}, self.batch, self.dtype, self.from_python, self.attached)

    def attach_params(self, params: Mapping[str, Any]) -> "Overrides":
        """Return a copy with added spec parameters, from the text after the `@` of a NET argument.

        If a parameter already has a value, it is replaced.
        """
        found = self.with_params({**self.params, **params})
        found.attached = frozenset(params)
        return found

    def param_option(self, name: str) -> str:
        """Return the option and value that override a spec parameter: `--set width=0.5` or `@width=0.5`."""
        value = self.params[name]
        if self.from_python:
            return f"params[{show(name)}] = {show(value)}"
        option = "@" if name in self.attached else "--set "
        return f"{option}{shorten(name)}={_format_for_command_line(value)}"

    def param_advice(self, name: str) -> str:
        """Return a hint on how to set a spec parameter: `give it with --set width=…`."""
        if self.from_python:
            return f"give it with params={{{show(name)}: …}}"
        return f"give it with --set {name}=…"

    def list_advice(self, name: str) -> str:
        """Return a hint if a spec parameter is set to several numbers, as by `--set width=0.5,1`; otherwise ""."""
        value = self.params[name]
        if self.from_python or not isinstance(value, str) or not re.fullmatch(_NUMBERS, value, re.ASCII):
            return ""
        nets = " ".join(f"NET@{name}={number.strip()}" for number in value.split(","))
        return f"--set takes one value; use convcalc compare {nets}, or convcalc fit -p {name}={value}"

    def input_option(self, name: str | None, sizes: Sequence[int] | None = None) -> str:
        """Return the option that sets the shape of an input: `--input left=3,64,64`, or `--input left` without sizes.

        For the only input of a spec, the name is None, and the option is `--input 3,64,64`.
        """
        if self.from_python:
            option = "input" if name is None else f"inputs[{name!r}]"
            return option if sizes is None else f"{option}={list(sizes)}"
        option = "--input" if name is None else f"--input {name}"
        return option if sizes is None else f"{option}{' ' if name is None else '='}{','.join(map(str, sizes))}"


class WrongOverride(InvalidSpec):
    """Raised if an override has a wrong value, or names a parameter or input that the spec does not have."""


class InputReader:
    """Reads the inputs of a network.

    `misread` has the inputs whose sizes seem to be in the order of another framework, such as channels last.
    """

    def __init__(self, problems: Problems, evaluate: Evaluate, overrides: Overrides, file: str | None) -> None:
        self.problems = problems
        self.evaluate = evaluate
        self.overrides = overrides
        self.file = file
        self.misread: dict[str, Misreading] = {}

    def read_inputs(self, root: dict[str, Any], meant: Collection[str]) -> dict[str, Shape | None]:
        """Return the shapes of the inputs by name, None for a shape with a mistake.

        A single input without a name is named "input". `meant` are the right spellings of misspelt keys: if the spec
        has the key `inptu`, a missing `input` is not reported. Raises WrongOverride if an override is wrong.
        """
        written = root.get("inputs")
        if written is UNKNOWN or root.get("input") is UNKNOWN:
            return {}
        if "inputs" not in root:
            given = self._find_overriding_shapes(["input"])
            if "input" not in root and not given:
                if "input" not in meant and "inputs" not in meant:
                    self.problems.add((), "the spec has no input", "CV012", "add a line such as input: [3, 224, 224]")
                return {"input": None}
            return {"input": self._read_input("input", root.get("input"), ("input",), given)}
        if "input" in root:
            message = "input and inputs cannot both be given"
            self.problems.add(("input",), message, "CV010", on_key=True)
        if not isinstance(written, dict) or not written:
            message = f"inputs must be a mapping from names to shapes; got {show(written)}"
            self.problems.add(("inputs",), message, "CV013", "for example: {left: [3, 64, 64], right: [3, 64, 64]}")
            return {}
        given = self._find_overriding_shapes(list(written))
        return {name: self._read_named_input(name, shape, given) for name, shape in written.items()}

    def _find_overriding_shapes(self, names: list[str]) -> Mapping[str | None, Any]:
        """Return the shapes of the overrides by input name; the name None means the only input.

        `names` are the inputs of the spec. Raises WrongOverride if an override is for any other input.
        """
        given = self.overrides.inputs
        for name in given:
            if name in names or (name is None and len(names) == 1):
                continue
            hint = f"available: {', '.join(names)}"
            several = f"the spec has {len(names)} inputs: an input shape needs the name of its input"
            said = several if name is None else f"unknown input {show(name)}"
            raise WrongOverride([make_override_problem(said, hint)], self.file)
        if len(given) > len(names):
            message = f"{self.overrides.input_option(None)}: the shape of {names[0]} is given twice"
            raise WrongOverride([make_override_problem(message)], self.file)
        return given

    def _read_named_input(self, name: str, written: Any, given: Mapping[str | None, Any]) -> Shape | None:
        """Return the shape of an input under the key `inputs`, None after reporting a mistake in the shape."""
        path: Path = ("inputs", name)
        if not is_layer_name(name) or len(name) > MOST_NAME:
            message, hint = f"{show(name)} is not a valid input name", "use a letter, then letters, digits, _ and -"
            self.problems.add(path, message, "CV015", hint, on_key=True)
        elif name in RESERVED_LAYERS:
            self.problems.add(path, f"{name} is reserved and cannot be the name of an input", "CV015", on_key=True)
        return self._read_input(name, written, path, given)

    def _read_input(self, name: str, written: Any, path: Path, given: Mapping[str | None, Any]) -> Shape | None:
        """Return the shape of an input: its override in `given`, or else the shape `written` in the spec.

        Return None after reporting a mistake in the shape in the spec.
        """
        own = None if written is None else self._read_shape(written, path)
        doubt = None if own is None or isinstance(written, dict) else find_misreading(own.sizes)
        shape, option = own, None if None in given else name
        if option in given:
            shape = self._read_override(given[option], path, option, own)
            may_hold_batch = own is None or doubt is not None
            doubt = None if isinstance(given[option], dict) else find_misreading(shape.sizes, may_hold_batch)
            doubt = doubt and doubt._replace(is_override=True)
        if doubt is not None:
            self.misread[name] = doubt
        return shape

    def _read_override(self, given: Any, path: Path, name: str | None, own: Shape | None) -> Shape:
        """Return the shape of an override; `own` is the valid shape in the spec, or None.

        Raises WrongOverride if the shape is wrong or does not have as many sizes as `own`.
        """
        option = self.overrides.input_option(name)
        shape = read_override(self.problems, self.file, option, lambda: self._read_shape(given, path))
        assert shape is not None
        if own is not None and own.axes != shape.axes:
            from convcalc.size_correction import describe_wrong_number_of_sizes, suggest_sizes

            better = suggest_sizes(shape.sizes, own.sizes)
            form = self.overrides.input_option(name, better.sizes)
            batch = "" if better.batch is None else self._format_batch_option(better.batch)
            spec_input = "the spec's input" if name is None else f"the spec's input {name}"
            message = describe_wrong_number_of_sizes(shape.sizes, own.sizes, option, spec_input)
            message = f"{message}; {better.advice}: {form}{batch}"
            raise WrongOverride([make_override_problem(message)], self.file)
        return shape

    def _format_batch_option(self, batch: int) -> str:
        """Return ` (--batch 2)`, or `, batch=2` in Python, to append to a suggested input option."""
        return f", batch={batch}" if self.overrides.from_python else f" (--batch {batch})"

    def _read_shape(self, written: Any, path: Path) -> Shape | None:
        """Return a shape written as a list or as a mapping from axis names; None after reporting a mistake."""
        try:
            value = self.evaluate(written, path)
            sizes = self._order_axes(value, path) if isinstance(value, dict) else value
        except UnknownValue:
            return None
        if not isinstance(sizes, list) or not 1 <= len(sizes) <= MOST_AXES + 1:
            message = f"an input must be a list of 1 to {MOST_AXES + 1} sizes, channels first; got {show(sizes)}"
            self.problems.add(path, message, "CV013", suggest_shape(sizes, "[3, 224, 224]"))
            return None
        names = list(value) if isinstance(value, dict) else None
        for index, size in enumerate(sizes):
            if not is_integer(size) or not 1 <= size <= LARGEST:
                message = f"a size must be a positive integer; got {show(size)}"
                step = names[index] if names else index
                hint = _show_expression_of_size(written, step) or suggest_correction(size, "an integer")
                self.problems.add((*path, step), message, "CV013", hint)
                return None
        channels, *spatial = sizes
        return Shape(channels, tuple(spatial))

    def _order_axes(self, value: dict[str, Any], path: Path) -> list[Any]:
        """Return the sizes in a mapping from axis names, channels first, and put its keys into the same order.

        Raises UnknownValue after reporting wrong axis names.
        """
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


def _show_expression_of_size(written: Any, step: str | int) -> str:
    """Return the hint `the value comes from $width` for a wrong size that is an expression; "" for a number.

    `written` is the shape as written in the spec; `step` is the axis name or index of the size in it.
    """
    sizes: Any = written
    item = sizes[step] if isinstance(written, dict | list) else None
    return f"the value comes from {shorten(item)}" if isinstance(item, str) and "$" in item else ""


def _format_for_command_line(value: Any) -> str:
    return shorten(value) if isinstance(value, str) else show(value).removeprefix("the list ")


def read_override(problems: Problems, file: str | None, option: str, read: Callable[[], _Value]) -> _Value:
    """Call `read`, which reads an override and reports mistakes to `problems`, and return its result.

    Raises WrongOverride, with the first new problem, if `read` reports one.
    """
    known = len(problems.found)
    value = read()
    if len(problems.found) > known:
        problem = problems.found[known]
        raise WrongOverride([make_override_problem(f"{option}: {problem.message}", problem.hint)], file)
    return value


def make_override_problem(message: str, hint: str = "") -> Problem:
    """Return the problem for a wrong override."""
    return Problem((), message, "CV017", hint)


def suggest_shape(written: Any, example: str) -> str:
    """Return a hint on how to write a shape: `write [3, 32, 32]` for the text 3x32x32, otherwise an example."""
    text = written if isinstance(written, str) else ""
    if re.fullmatch(r"\(?\s*[1-9][0-9]*(\s*[x×*,]\s*[1-9][0-9]*){0,3}\s*\)?", text):
        return f"write [{', '.join(re.findall('[0-9]+', text))}]"
    return f"for example: {example}"
