"""Reads the spec parameters, whose defaults can be overridden, and evaluates values that use them.

For example, with `params: {width: 64}` and the override width = 32, the value "$(2 * width)" is 64.
"""

from typing import TYPE_CHECKING, Any

from convcalc.problems import Path, Related, did_you_mean, shorten, show
from convcalc.spec.document import UNKNOWN
from convcalc.spec.entries import Compiled, Computed
from convcalc.spec.expressions import WrongExpression
from convcalc.spec.inputs import Overrides, WrongOverride, make_override_problem
from convcalc.spec.problem_list import Problems
from convcalc.spec.resolve import ChosenValues
from convcalc.spec.scopes import UnknownValue
from convcalc.spec.templates import Template
from convcalc.spec.values import ValueCompiler

if TYPE_CHECKING:
    from convcalc.spec.choices import Choices, CopyValues


class ParamReader:
    """Reads the spec parameters into `variables`, and evaluates the expressions outside of entries."""

    def __init__(self, problems: Problems, values: ValueCompiler, overrides: Overrides, file: str | None) -> None:
        self.problems = problems
        self.values = values
        self.overrides = overrides
        self.file = file
        self.variables: dict[str, Any] = {}
        self.defaults: dict[str, Compiled] = {}  # the compiled defaults that no override replaces
        self.space: dict[str, Choices] = {}
        self.chosen: ChosenValues | None = None  # values that replace those in `variables`

    def read_params(self, root: dict[str, Any], space: "dict[str, Choices]") -> None:
        """Read the spec parameters; a default can use the parameters above it, and an override replaces the default.

        A parameter that has choices in `space`, but no default, has the first choice as its default. Raises
        WrongOverride if an override is invalid or the spec has no parameter with its name.
        """
        self.space = space
        written = root.get("params")
        if written is not None and not isinstance(written, dict):
            if written is not UNKNOWN:
                message = f"params must be a mapping from names to defaults; got {show(written)}"
                self.problems.add(("params",), message, "CV013")
            written = None
        self._read_params_of_space(root.get("space"), written or {})
        for name, default in (written or {}).items():
            self.values.check_parameter_name(name, ("params", name))
            self.variables[name] = self._read_param(name, default)
            if name in space and name not in self.overrides.params:
                self._check_choice(name, space[name])
        for name in self.overrides.params:
            if name not in self.variables:
                known = f"available: {', '.join(self.variables)}" if self.variables else "the spec has no parameters"
                hint = did_you_mean(name, self.variables) or known
                message = f"the spec has no parameter {show(name)}"
                raise WrongOverride([make_override_problem(message, hint)], self.file)

    def _read_params_of_space(self, written: Any, params: dict[str, Any]) -> None:
        """Read the spec parameters that have choices, but are not in `params`; one with a mistake is UNKNOWN."""
        for name in written if isinstance(written, dict) else ():
            if name in self.overrides.params and name not in params:
                self.variables[name] = self._check_override(name, self.overrides.params[name])
            elif name not in params:
                self.variables[name] = self.space[name].values[0] if name in self.space else UNKNOWN

    def list_copy_values(self) -> "CopyValues | None":
        """Return the values of the spec parameters with one value per copy of a repeat; None if there are none."""
        names = frozenset(name for name, choices in self.space.items() if choices.per_copy)
        lists = {name: self.variables[name] for name in names if isinstance(self.variables[name], list)}
        if not names:
            return None
        from convcalc.spec.choices import CopyValues

        return CopyValues(lists, names)

    def find_path(self, name: str) -> Path:
        """Return the path of the value of a spec parameter: that of its default or, without one, of its choices."""
        return ("params", name) if name in self.defaults else ("space", name)

    def evaluate(self, value: Any, path: Path) -> Any:
        """Return a value of the spec with its expressions evaluated. Raises UnknownValue after reporting a mistake.

        `path` is the path of the value. The expressions can use only the spec parameters, so the value cannot be in an
        entry.
        """
        if isinstance(value, dict):
            return {key: self.evaluate(item, (*path, key)) for key, item in value.items()}
        return self._evaluate_compiled(self.values.compile_value(value, path, frozenset(self.variables)), path)

    def evaluate_default(self, name: str) -> Any:
        """Return the value of the default of a spec parameter; UNKNOWN after reporting a mistake in it."""
        try:
            return self._evaluate_compiled(self.defaults[name], ("params", name))
        except UnknownValue:
            return UNKNOWN

    def _read_param(self, name: str, default: Any) -> Any:
        """Return the value of a spec parameter: its override, or else its default.

        Return UNKNOWN after reporting a mistake in the default. Raises WrongOverride if the override is wrong.
        """
        path: Path = ("params", name)
        if name in self.overrides.params:
            return self._check_override(name, self.overrides.params[name])
        if default is None:
            message, hint = f"spec parameter {shorten(name)} needs a value", self.overrides.param_advice(name)
            self.problems.add(path, message, "CV012", hint, on_key=True)
            return UNKNOWN
        self.defaults[name] = self.values.compile_parameter(default, path, frozenset(self.variables))
        return self.evaluate_default(name)

    def _check_choice(self, name: str, choices: "Choices") -> None:
        value = self.variables[name]
        if value is not UNKNOWN and not choices.allows(value):
            message = f"the default of {shorten(name)}, {show(value)}, is not one of its choices in space"
            shown = ", ".join(show(choice) for choice in choices.values[:8])
            hint = f"choices: {shown}{', …' if len(choices.values) > 8 else ''}"
            self.problems.add(("params", name), message, "CV013", hint, related=[Related(choices.path, "its choices")])

    def _check_override(self, name: str, given: Any) -> Any:
        if isinstance(given, list | str | int | float):
            return given
        message = (
            f"a spec parameter must be a number, true, false, text or a list; {shorten(name)} is given {show(given)}"
        )
        raise WrongOverride([make_override_problem(message)], self.file)

    def _evaluate_compiled(self, value: Compiled, path: Path) -> Any:
        if isinstance(value, Template):
            self._check_names(value, path)
            try:
                return value.evaluate(self._find_variable)
            except WrongExpression as flaw:
                self.problems.add_flaw(path, flaw)
                raise UnknownValue from None
        if isinstance(value, Computed):
            return [self._evaluate_compiled(item, (*path, index)) for index, item in enumerate(value.items)]
        if value is UNKNOWN:
            raise UnknownValue
        return value

    def _check_names(self, template: Template, path: Path) -> None:
        """Raise UnknownValue after reporting an expression that uses a parameter with one value per copy."""
        for name, within in template.names.items():
            if name in self.space and self.space[name].per_copy:
                message = f"{shorten(name)} has a value for each copy of a repeat, and can be used only in entries"
                self.problems.add(path, message, "CV014", "remove per: copy, or use it in the entry", within=within)
                raise UnknownValue

    def _find_variable(self, name: str) -> Any:
        if self.chosen is not None and name in self.chosen:
            return self.chosen.find(name, "")
        value = self.variables.get(name, UNKNOWN)
        if value is UNKNOWN:
            raise UnknownValue
        return value
