"""Reads a `Document` into a `Network`: the keys of a spec, overrides, and the expansion of entries into layers."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from convcalc.arguments import LARGEST, is_integer, suggest_correction
from convcalc.examples import PREFIX
from convcalc.gc_pause import defer_garbage_collection
from convcalc.network import Dtype, Limit, Network
from convcalc.problems import Fix, Flaw, Path, Problem, did_you_mean, find_nearest, shorten, show, suggest_rename
from convcalc.shape import Shape
from convcalc.spec import budget
from convcalc.spec.compile import Visible
from convcalc.spec.document import UNKNOWN, Document
from convcalc.spec.entries import MOST_NAME, MOST_PROBLEMS, Body, TooMuch
from convcalc.spec.expand import Expander
from convcalc.spec.inputs import GivenReader, Overrides
from convcalc.spec.scopes import UNKNOWN_TENSOR, Expansion, Place, Scope, UnknownValue
from convcalc.units import BITS, DTYPE_ALIASES, is_integer_type

TOP_KEYS = (
    "name",
    "description",
    "params",
    "input",
    "inputs",
    "dtype",
    "batch",
    "blocks",
    "layers",
    "outputs",
    "budget",
    "check",
)
_FOREIGN_TOP_KEYS = {
    "input_shape": "input",
    "model": "layers",
    "network": "layers",
    "architecture": "layers",
    "parameters": "params",
    "variables": "params",
    "batch_size": "batch",
    "precision": "dtype",
    "limits": "budget",
    "output": "outputs",
    "modules": "blocks",
    "backbone": "layers",
    "lint": "check",
}
RULE_CODE = r"CV[0-9]{0,3}"

_Read = TypeVar("_Read")


@defer_garbage_collection
def read_network(document: Document, overrides: Overrides | None = None) -> Network:
    """Return the network that a document describes. Raises InvalidSpec with all its problems."""
    reader = _SpecReader(document, overrides or Overrides())
    network, more = None, []
    try:
        network = reader.network()
    except TooMuch:
        if len(reader.problems.found) == MOST_PROBLEMS:
            more = [
                Problem(
                    (), f"more than {MOST_PROBLEMS:,} problems; only the first {MOST_PROBLEMS:,} are shown", "CV004"
                )
            ]
    found = [*document.problems, *reader.problems.found, *more]
    if found or network is None:
        raise document.invalid(found)
    return network


class _SpecReader(GivenReader):
    def network(self) -> Network | None:
        """Return the network, None if the spec is wrong."""
        root = self.root()
        if root is None:
            return None
        self.params(root)
        name, description = self.name(root), self.text(root, "description", "")
        inputs = self.inputs(root)
        dtype, batch = self.dtype(root), self.batch(root)
        check = self.checks(root)
        entries = self.entries(root)
        if entries is None:
            return None
        expander = Expander(self.problems, self.variables, inputs)
        scope = self.top_scope(expander, inputs)
        self.expand(entries, expander, scope)
        outputs = self.outputs(root, expander, scope)
        limits = self.budget(root, [node.name for node in expander.nodes], list(outputs))
        if self.problems.found or self.document.problems:
            return None
        return Network(
            name=name,
            description=description,
            file=self.document.file,
            params=self.variables,
            dtype=dtype,
            batch=batch,
            inputs={name: shape for name, shape in inputs.items() if shape is not None},
            nodes=tuple(expander.nodes),
            groups=tuple(sorted(expander.groups, key=lambda group: (group.start, -group.stop, len(group.name)))),
            outputs=outputs,
            budget=tuple(limits),
            check=check,
            own={key: value for key, value in root.items() if key.startswith("x-")},
            misread=self.misread,
        )

    def root(self) -> dict[str, Any] | None:
        """Return the keys of the spec, None if it is not a mapping."""
        root = self.document.root
        if isinstance(root, dict):
            return self.top_keys(root)
        if root is not UNKNOWN:
            hint = "write input: and layers:"
            self.problems.add((), f"a spec must be a mapping; got {show(root)}", "CV013", hint)
        return None

    def entries(self, root: dict[str, Any]) -> Body | None:
        """Compile the blocks and return the compiled entries of the network, None if there is no key layers."""
        names = frozenset(self.variables)
        blocks = self.compiler.blocks(root.get("blocks"), names)
        if "layers" not in root:
            if "layers" not in self.meant:
                self.problems.add((), "the spec has no layers", "CV012", "add layers: with a list of entries")
            return None
        entries = self.compiler.body(root["layers"], ("layers",), Visible(names, blocks, ()))
        if root["layers"] == []:
            self.problems.add(("layers",), "layers is empty; a network needs at least one layer", "CV012", on_key=True)
        return entries

    def expand(self, entries: Body, expander: Expander, scope: Scope) -> None:
        """Expand the entries of the network; if all are disabled, and nothing else is wrong, report that."""
        expander.expand_body(entries, scope, ("layers",))
        if entries.entries and not expander.nodes and not self.problems.found and not self.document.problems:
            message = "the network has no layers: every entry is disabled by `when`"
            self.problems.add(("layers",), message, "CV012", on_key=True)

    @staticmethod
    def top_scope(expander: Expander, inputs: dict[str, Shape | None]) -> Scope:
        """Return the outermost scope, whose inputs are those of the network."""
        scope = Scope("", None, expander.inputs, {}, 0, False)
        if not inputs:
            scope.given = scope.previous = (UNKNOWN_TENSOR,)
        if list(inputs) != ["input"] and inputs:
            scope.unnamed = False
            for name, tensor in zip(inputs, expander.inputs, strict=True):
                scope.places[name] = Place("input", ("inputs", name), (tensor,))
        return scope

    # -- keys

    def top_keys(self, root: dict[str, Any]) -> dict[str, Any]:
        """Return the keys of the spec; unknown keys and keys without a value are reported."""
        for key, value in root.items():
            if key not in TOP_KEYS and not key.startswith("x-"):
                foreign, near = _FOREIGN_TOP_KEYS.get(key), find_nearest(key, TOP_KEYS)
                self.meant |= {foreign, near}
                hint = f"did you mean {near}?" if near else "begin keys of your own with x-"
                hint = f"write {foreign}" if foreign else hint
                fix = suggest_rename(key, TOP_KEYS, hint, taken=root)
                self.problems.add((key,), f"unknown key {show(key)}", "CV010", hint, on_key=True, fix=fix)
            elif value is None and key in TOP_KEYS:
                self.problems.add((key,), f"{key} has no value", "CV012", "remove the key", on_key=True)
        return {key: UNKNOWN if value is None else value for key, value in root.items()}

    def text(self, root: dict[str, Any], key: str, default: str) -> str:
        """Return the text of a key, or the default."""
        value = root.get(key, default)
        if isinstance(value, str):
            return value
        if value is not UNKNOWN:
            bare = isinstance(value, int | float | bool)
            hint, fix = ("put it in quotes", Fix("quote")) if bare else ("", None)
            self.problems.add((key,), f"{key} must be text; got {show(value)}", "CV013", hint, fix=fix)
        return default

    def name(self, root: dict[str, Any]) -> str:
        """Return the network's name; the default is the file name without its ending."""
        file = re.split(r"[/\\]", (self.document.file or "network").removeprefix(PREFIX))[-1]
        stem = re.sub(r"\.(convcalc\.)?(ya?ml)$", "", file)
        name = self.text(root, "name", "network" if stem in ("-", "<stdin>") else stem)
        if len(name) > MOST_NAME or ("name" in root and not name.isprintable()) or name == "":
            message = f"the name must have 1 to {MOST_NAME} printable characters"
            self.problems.add(("name",), message, "CV015")
        return name

    def batch(self, root: dict[str, Any]) -> int:
        """Return the number of samples per batch."""
        own = self.batch_size(root.get("batch", 1))
        given = self.overrides.batch
        return (
            own if given is None else self.from_outside(self.overrides.option("batch"), lambda: self.batch_size(given))
        )

    def batch_size(self, value: Any) -> int:
        """Return a batch size; 1 if it is wrong."""
        if is_integer(value) and 1 <= value <= LARGEST:
            return int(value)
        if value is not UNKNOWN:
            hint = suggest_correction(value, "an integer")
            self.problems.add(("batch",), f"batch must be a positive integer; got {show(value)}", "CV013", hint)
        return 1

    def dtype(self, root: dict[str, Any]) -> Dtype:
        """Return the data types of weights, activations and biases."""
        types = self.data_types(root.get("dtype", "float32"))
        given = self.overrides.dtype
        if given is not None:
            kept = types if isinstance(given, dict) else {}
            types = {**kept, **self.from_outside(self.overrides.option("dtype"), lambda: self.data_types(given))}
        weights = types.get("weights", "float32")
        bias = types.get("bias", "int32" if is_integer_type(weights) else weights)
        return Dtype(weights, types.get("activations", "float32"), bias)

    def data_types(self, value: Any) -> dict[str, str]:
        """Return the data types that are given, by their use; wrong ones are reported and omitted."""
        if value is UNKNOWN:
            return {}
        given, types = _split_by_use(value), {}
        for key in given:
            if key not in Dtype._fields:
                hint = did_you_mean(key, Dtype._fields) or f"available: {', '.join(Dtype._fields)}"
                message = f"unknown key {show(key)} in dtype"
                fix = suggest_rename(key, Dtype._fields, taken=given)
                self.problems.add(("dtype", key), message, "CV010", hint, on_key=True, fix=fix)
            elif isinstance(given[key], str) and given[key] in BITS:
                types[key] = given[key]
            elif isinstance(value, dict) or key == "weights":
                self.report_wrong_dtype(given[key], ("dtype", key) if isinstance(value, dict) else ("dtype",))
        return types

    def report_wrong_dtype(self, value: Any, path: Path) -> None:
        """Report an unknown data type."""
        if value is UNKNOWN:
            return
        hint = ""
        if isinstance(value, str):
            hint = f"write {DTYPE_ALIASES[value]}" if value in DTYPE_ALIASES else did_you_mean(value, BITS)
        known = ", ".join(BITS)
        self.problems.add(path, f"unknown data type {show(value)}", "CV013", hint or f"available: {known}")

    def checks(self, root: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        """Return the rule codes that the linter selects and ignores."""
        written = root.get("check", {})
        found: dict[str, tuple[str, ...]] = {}
        if not isinstance(written, dict):
            if written is not UNKNOWN:
                self.problems.add(
                    ("check",), f"check must be a mapping with select and ignore; got {show(written)}", "CV013"
                )
            return found
        for key, codes in written.items():
            if key not in ("select", "ignore"):
                hint = did_you_mean(key, ("select", "ignore")) or "available: select, ignore"
                message = f"unknown key {show(key)} in check"
                fix = suggest_rename(key, ("select", "ignore"), taken=written)
                self.problems.add(("check", key), message, "CV010", hint, on_key=True, fix=fix)
            elif not isinstance(codes, list) or not all(map(_is_rule_code, codes)):
                if codes is not UNKNOWN:
                    message = f"{key} must be a list of rule codes; got {show(codes)}"
                    self.problems.add(("check", key), message, "CV013", "write [CV201]")
            else:
                found[key] = tuple(codes)
        return found

    # -- outputs and budget

    def outputs(self, root: dict[str, Any], expander: Expander, scope: Scope) -> dict[str, int]:
        """Return the output tensors of the network by the names in the spec; by default, the last layer."""
        if "outputs" not in root:
            last = scope.previous[0].number if expander.nodes and scope.previous else -1
            first_node = len(expander.inputs)
            return {expander.nodes[last - first_node].name: last} if last >= first_node else {}
        written, path = root["outputs"], ("outputs",)
        try:
            names = self.resolve(written, path)
        except UnknownValue:
            return {}
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            message = f"outputs must be a list of layer names; got {show(names)}"
            self.problems.add(path, message, "CV013", f"write [{names}]" if isinstance(names, str) else "")
            return {}
        outputs: dict[str, int] = {}
        expansion = Expansion(self.compiler.entry("identity", ("outputs",), Visible(frozenset(), {}, ())), scope, None)
        for index, name in enumerate(names):
            tensor = self.output(expander, expansion, name, (*path, index))
            if name in outputs:
                self.problems.add((*path, index), f"output {shorten(name)} is listed twice", "CV015")
            outputs[name] = tensor
        return outputs

    def output(self, expander: Expander, expansion: Expansion, name: str, path: Path) -> int:
        """Return the number of the tensor that a name in outputs refers to, -1 after reporting a mistake."""
        try:
            place = expander.find(expansion, name, path)
        except UnknownValue:
            return -1
        first_node = len(expander.inputs)
        if place.outputs == (UNKNOWN_TENSOR,):
            return -1
        if len(place.outputs) != 1 or place.outputs[0].number < first_node:
            self.problems.add(path, f"{shorten(name)} is not a layer; outputs must be layers", "CV015")
            return -1
        return place.outputs[0].number

    def budget(self, root: dict[str, Any], names: list[str], outputs: list[str]) -> list[Limit]:
        path: Path = ("budget",)
        written = root.get("budget")
        if written is None and "budget" not in root:
            return []
        if not isinstance(written, dict):
            if written is not UNKNOWN:
                message = f"budget must be a mapping from metrics to limits; got {show(written)}"
                self.problems.add(path, message, "CV013", "write {params: 5M}")
            return []
        limits: list[Limit] = []
        for metric, value in written.items():
            if metric == "per_layer":
                limits += self.per_layer(value, names)
            elif metric not in budget.METRICS:
                known = (*budget.METRICS, "per_layer")
                hint = did_you_mean(metric, known) or f"available: {', '.join(known)}"
                fix = suggest_rename(metric, known, taken=written)
                self.problems.add(
                    (*path, metric), f"unknown key {show(metric)} in budget", "CV010", hint, on_key=True, fix=fix
                )
            else:
                limits += self.limits(metric, value, (*path, metric), outputs)
        return limits

    def limits(self, metric: str, value: Any, path: Path, outputs: list[str]) -> list[Limit]:
        """Return one limit, or one per output."""

        def read(value: Any) -> list[Limit]:
            if budget.is_per_output(metric, value):
                return budget.read_output_limits(metric, value, path, outputs)
            return [budget.read_limit(metric, value, path)]

        return self.read_guarded(value, path, read, [])

    def per_layer(self, written: Any, names: list[str]) -> list[Limit]:
        """Return the limits of layers, by name pattern."""
        path: Path = ("budget", "per_layer")
        if not isinstance(written, dict):
            if written is not UNKNOWN:
                message = f"per_layer must be a mapping from patterns to limits; got {show(written)}"
                self.problems.add(path, message, "CV013", 'write {"head.*": {params: 1M}}')
            return []
        known = None if self.problems.found else names
        limits: list[Limit] = []
        for pattern, value in written.items():
            place = (*path, pattern)
            limits += self.read_guarded(value, place, _make_limit_reader(pattern, place, known), [])
        return limits

    def read_guarded(self, value: Any, path: Path, read: Callable[[Any], _Read], default: _Read) -> _Read:
        """Evaluate a value and read it; if it is wrong, report that and return the default."""
        try:
            return read(self.resolve(value, path))
        except UnknownValue:
            return default
        except Flaw as flaw:
            self.problems.add_flaw(path, flaw)
            return default


def _make_limit_reader(pattern: str, path: Path, names: list[str] | None) -> Callable[[Any], list[Limit]]:
    """Return a function that reads the limits for one pattern."""
    return lambda value: budget.read_layer_limits(pattern, value, path, names)


def _split_by_use(dtype: Any) -> dict[str, Any]:
    """Return data types by use: a mapping as it is, a single one for weights and activations."""
    return dtype if isinstance(dtype, dict) else {"weights": dtype, "activations": dtype}


def _is_rule_code(code: Any) -> bool:
    """Whether a value looks like the code of a rule, or the beginning of one."""
    return isinstance(code, str) and re.fullmatch(RULE_CODE, code, re.ASCII) is not None
