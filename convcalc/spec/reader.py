"""Reads a `Document` into a `Network`: reads the top-level keys of the spec, and compiles and expands its entries.

The keys params, inputs, budget, blocks and layers are read in files of their own: params.py, inputs.py, budget.py,
blocks.py and compile.py. Values given from outside the file (`Overrides`) replace the values in the file.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from convcalc.arguments import LARGEST, is_integer, suggest_correction
from convcalc.caching import begin_run
from convcalc.examples import PREFIX
from convcalc.gc_pause import defer_garbage_collection
from convcalc.network import Network
from convcalc.problems import Fix, Path, Problem, did_you_mean, find_nearest, shorten, show, suggest_rename
from convcalc.shape import Shape
from convcalc.spec.blocks import BlockCompiler
from convcalc.spec.compile import EntryCompiler, Visible
from convcalc.spec.document import UNKNOWN, Document
from convcalc.spec.draft import Draft
from convcalc.spec.entries import MOST_NAME, Body
from convcalc.spec.expand import Expander, OnStep
from convcalc.spec.inputs import InputReader, Overrides, read_override
from convcalc.spec.params import ParamReader
from convcalc.spec.problem_list import MOST_PROBLEMS, Problems, TooMuch
from convcalc.spec.resolve import ChosenValues
from convcalc.spec.scopes import UNKNOWN_TENSOR, Expansion, Place, Scope, UnknownValue
from convcalc.spec.values import ValueCompiler
from convcalc.units import BITS, DTYPE_ALIASES, Dtype, is_integer_type

if TYPE_CHECKING:
    from convcalc.network import Limit
    from convcalc.spec.choices import Choices

TOP_KEYS = (
    "name",
    "description",
    "params",
    "space",
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
    "search_space": "space",
    "choices": "space",
    "variables": "params",
    "batch_size": "batch",
    "precision": "dtype",
    "limits": "budget",
    "output": "outputs",
    "modules": "blocks",
    "backbone": "layers",
    "lint": "check",
}
_ENDINGS = (".convcalc.yaml", ".convcalc.yml", ".yaml", ".yml")  # of file names; the rest names the network
RULE_CODE = r"CV[0-9]{0,3}"

_Read = TypeVar("_Read")


@defer_garbage_collection
def read_network(document: Document, overrides: Overrides | None = None) -> Network:
    """Return the network that a document describes.

    Raises InvalidSpec, with all problems, if the spec is invalid, and WrongOverride if an override is wrong.
    """
    begin_run()
    reader = SpecReader(document, overrides or Overrides())
    network, more = None, []
    try:
        network = reader.read_network()
    except TooMuch:
        if len(reader.problems.found) == MOST_PROBLEMS:
            message = f"more than {MOST_PROBLEMS:,} problems; only the first {MOST_PROBLEMS:,} are shown"
            more = [Problem((), message, "CV004")]
    found = [*document.problems, *reader.problems.found, *more]
    if found or network is None:
        raise document.invalid(found)
    return network


class SpecReader:
    """Reads a whole spec; mistakes are collected in `problems`.

    After `compile`, the entries can be expanded more than once, each time with other values of spec parameters.
    """

    def __init__(self, document: Document, overrides: Overrides) -> None:
        self.document = document
        self.overrides = overrides
        self.problems = Problems()
        self.root: dict[str, Any] = {}
        self.meant: set[str] = set()  # the likely correct spellings of misspelt keys
        values = ValueCompiler(self.problems)
        self.entries = EntryCompiler(document, self.problems, values)
        self.blocks = BlockCompiler(self.problems, values, self.entries)
        self.values = values
        self.params = ParamReader(self.problems, values, overrides, document.file)
        self.inputs = InputReader(self.problems, self.params.evaluate, overrides, document.file)

    def read_network(self) -> Network | None:
        """Return the network, or None if the spec has a mistake."""
        body = self.compile()
        if body is None:
            return None
        copies = self.params.list_copy_values()
        network = self.expand(body, copies)
        if copies is not None and not self.problems.found:
            copies.report_lengths(self.problems, {name: self.params.find_path(name) for name in copies.lists})
        limits = self._read_budget(network) if "budget" in self.root else []
        if self.problems.found or self.document.problems:
            return None
        return network._replace(budget=tuple(limits))

    def compile(self) -> Body | None:
        """Return the compiled entries of the network, after reading the parts of the spec that do not depend on them.

        Return None after reporting that there are none.
        """
        root = self._read_root()
        if root is None:
            return None
        self.root = root
        self.params.read_params(root, self._read_space(root) if "space" in root else {})
        self.name, self.description = self._read_name(root), self._read_text(root, "description", "")
        self.dtype, self.batch = self._read_dtype(root), self._read_batch(root)
        self.check = self._read_check(root)
        body = self._compile_blocks_and_layers(root)
        if body is None:
            self.inputs.read_inputs(root, self.meant)  # so that mistakes in the inputs are reported, too
        return body

    def expand(self, body: Body, choices: ChosenValues | None, on_step: OnStep | None = None) -> Network:
        """Return the network, without its budget, that the compiled entries expand to.

        `choices` has values that replace those of spec parameters, and `on_step` is called before each entry (see
        `Expander`). The network is incomplete if a problem is reported.
        """
        self.params.chosen = choices
        inputs = self.inputs.read_inputs(self.root, self.meant)
        draft = Draft(self.problems, inputs)
        expander = Expander(self.problems, self.params.variables, draft, choices, on_step)
        scope = _make_top_scope(draft, inputs)
        self._expand_layers(body, expander, scope)
        return Network(
            name=self.name,
            description=self.description,
            file=self.document.file,
            params=self.params.variables,
            dtype=self.dtype,
            batch=self.batch,
            inputs={name: shape for name, shape in inputs.items() if shape is not None},
            outputs=self._find_outputs(self.root, expander, scope),
            nodes=tuple(draft.nodes),
            groups=tuple(sorted(draft.groups, key=lambda group: (group.start, -group.stop, len(group.name)))),
            budget=(),
            check=self.check,
            own={key: value for key, value in self.root.items() if key.startswith("x-")},
            misread=self.inputs.misread,
        )

    def _read_root(self) -> dict[str, Any] | None:
        """Return the top-level keys with their values; None if the spec is not a mapping."""
        root = self.document.root
        if isinstance(root, dict):
            return self._check_keys(root)
        if root is not UNKNOWN:
            hint = "begin with the keys input: and layers:"
            self.problems.add((), f"a spec must be a mapping; got {show(root)}", "CV013", hint)
        return None

    def _compile_blocks_and_layers(self, root: dict[str, Any]) -> Body | None:
        """Return the compiled entries under the key `layers`; None after reporting that there is no such key."""
        names = frozenset(self.params.variables)
        blocks = self.blocks.compile_blocks(root.get("blocks"), names)
        if "layers" not in root:
            if "layers" not in self.meant:
                self.problems.add((), "the spec has no layers", "CV012", "add layers: with a list of entries")
            return None
        body = self.entries.compile_body(root["layers"], ("layers",), Visible(names, blocks, ()))
        if root["layers"] == []:
            self.problems.add(("layers",), "layers is empty; a network needs at least one layer", "CV012", on_key=True)
        return body

    def _expand_layers(self, body: Body, expander: Expander, scope: Scope) -> None:
        """Expand the entries of the network; report a network without layers, whose entries are all disabled."""
        expander.expand_body(body, scope, ("layers",))
        if body.entries and not expander.draft.nodes and not self.problems.found and not self.document.problems:
            message = "the network has no layers: every entry is disabled by `when`"
            self.problems.add(("layers",), message, "CV012", on_key=True)

    # -- keys

    def _check_keys(self, root: dict[str, Any]) -> dict[str, Any]:
        """Report unknown keys and keys without a value; return all keys, with UNKNOWN for a missing value."""
        for key, value in root.items():
            if key not in TOP_KEYS and not key.startswith("x-"):
                foreign, near = _FOREIGN_TOP_KEYS.get(key), find_nearest(key, TOP_KEYS)
                self.meant |= {word for word in (foreign, near) if word}
                hint = f"did you mean {near}?" if near else "begin keys of your own with x-"
                hint = f"write {foreign}" if foreign else hint
                fix = suggest_rename(key, TOP_KEYS, hint, taken=root)
                self.problems.add((key,), f"unknown key {show(key)}", "CV010", hint, on_key=True, fix=fix)
            elif value is None and key in TOP_KEYS:
                self.problems.add((key,), f"{key} has no value", "CV012", "remove the key", on_key=True)
        return {key: UNKNOWN if value is None else value for key, value in root.items()}

    def _read_text(self, root: dict[str, Any], key: str, default: str) -> str:
        """Return the text under a key, or `default` if there is no such key; report a value that is not text."""
        value = root.get(key, default)
        if isinstance(value, str):
            return value
        if value is not UNKNOWN:
            bare = isinstance(value, int | float | bool)
            hint, fix = ("put it in quotes", Fix("quote")) if bare else ("", None)
            self.problems.add((key,), f"{key} must be text; got {show(value)}", "CV013", hint, fix=fix)
        return default

    def _read_name(self, root: dict[str, Any]) -> str:
        """Return the network's name: that in the spec, or else the file name without .yaml; report an invalid name."""
        path = (self.document.file or "network").removeprefix(PREFIX)
        file = path.replace("\\", "/").rpartition("/")[2]
        stem = next((file.removesuffix(ending) for ending in _ENDINGS if file.endswith(ending)), file)
        name = self._read_text(root, "name", "network" if stem in ("-", "<stdin>") else stem)
        if len(name) > MOST_NAME or ("name" in root and not name.isprintable()) or name == "":
            message = f"the name must have 1 to {MOST_NAME} printable characters"
            self.problems.add(("name",), message, "CV015")
        return name

    def _read_space(self, root: dict[str, Any]) -> "dict[str, Choices]":
        from convcalc.spec.choices import SpaceReader  # most specs have no choices

        return SpaceReader(self.problems, self.values).read_space(root)

    def _read_budget(self, network: Network) -> "list[Limit]":
        from convcalc.spec.budget import BudgetReader  # most specs have no budget

        names, outputs = [node.name for node in network.nodes], list(network.outputs)
        return BudgetReader(self.problems, self.params.evaluate).read_budget(self.root, names, outputs)

    def _read_batch(self, root: dict[str, Any]) -> int:
        """Return the batch size: the override, or else that in the spec, or else 1."""
        own = self._check_batch_size(root.get("batch", 1))
        given = self.overrides.batch
        return own if given is None else self._read_override("batch", lambda: self._check_batch_size(given))

    def _check_batch_size(self, value: Any) -> int:
        """Return the batch size; 1 after reporting a wrong value."""
        if is_integer(value) and 1 <= value <= LARGEST:
            return value  # type: ignore[no-any-return]
        if value is not UNKNOWN:
            hint = suggest_correction(value, "an integer")
            self.problems.add(("batch",), f"batch must be a positive integer; got {show(value)}", "CV013", hint)
        return 1

    def _read_dtype(self, root: dict[str, Any]) -> Dtype:
        """Return the data types of weights, activations and biases.

        Weights and activations are float32 by default. Biases have the data type of the weights by default, or int32 if
        that is an integer type.
        """
        types = self._read_data_types(root.get("dtype", "float32"))
        given = self.overrides.dtype
        if given is not None:
            kept = types if isinstance(given, dict) else {}
            types = {**kept, **self._read_override("dtype", lambda: self._read_data_types(given))}
        weights = types.get("weights", "float32")
        bias = types.get("bias", "int32" if is_integer_type(weights) else weights)
        return Dtype(weights, types.get("activations", "float32"), bias)

    def _read_data_types(self, value: Any) -> dict[str, str]:
        """Return the valid data types by the keys "weights", "activations" and "bias"; report invalid ones."""
        if value is UNKNOWN:
            return {}
        given, types = _split_data_types_by_use(value), {}
        for key in given:
            if key not in Dtype._fields:
                hint = did_you_mean(key, Dtype._fields) or f"available: {', '.join(Dtype._fields)}"
                message = f"unknown key {show(key)} in dtype"
                fix = suggest_rename(key, Dtype._fields, taken=given)
                self.problems.add(("dtype", key), message, "CV010", hint, on_key=True, fix=fix)
            elif isinstance(given[key], str) and given[key] in BITS:
                types[key] = given[key]
            elif isinstance(value, dict) or key == "weights":
                self._report_wrong_dtype(given[key], ("dtype", key) if isinstance(value, dict) else ("dtype",))
        return types

    def _report_wrong_dtype(self, value: Any, path: Path) -> None:
        if value is UNKNOWN:
            return
        hint = ""
        if isinstance(value, str):
            hint = f"write {DTYPE_ALIASES[value]}" if value in DTYPE_ALIASES else did_you_mean(value, BITS)
        known = ", ".join(BITS)
        self.problems.add(path, f"unknown data type {show(value)}", "CV013", hint or f"available: {known}")

    def _read_check(self, root: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        """Return the codes of lint rules under `check`, by the keys "select" and "ignore"; report invalid ones."""
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
                    hint = f"write [{codes}]" if _is_rule_code(codes) else "for example: [CV201]"
                    self.problems.add(("check", key), message, "CV013", hint)
            else:
                found[key] = tuple(codes)
        return found

    def _read_override(self, name: str, read: Callable[[], _Read]) -> _Read:
        """Return the result of `read`, which reads the override `name`; raise WrongOverride if it is wrong."""
        return read_override(self.problems, self.document.file, self.overrides.option(name), read)

    # -- outputs

    def _find_outputs(self, root: dict[str, Any], expander: Expander, scope: Scope) -> dict[str, int]:
        """Return the numbers of the output tensors of the layers under `outputs`, by the names of the layers.

        Without the key `outputs`, the last layer is the only output.
        """
        if "outputs" not in root:
            return _find_default_output(expander.draft, scope)
        written, path = root["outputs"], ("outputs",)
        try:
            names = self.params.evaluate(written, path)
        except UnknownValue:
            return {}
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            message = f"outputs must be a list of layer names; got {show(names)}"
            self.problems.add(path, message, "CV013", f"write [{names}]" if isinstance(names, str) else "")
            return {}
        outputs: dict[str, int] = {}
        visible = Visible(frozenset(), {}, ())
        expansion = Expansion(self.entries.compile_entry("identity", path, visible), scope, None)
        for index, name in enumerate(names):
            tensor = self._find_output_tensor(expander, expansion, name, (*path, index))
            if name in outputs:
                self.problems.add((*path, index), f"output {shorten(name)} is listed twice", "CV015")
            outputs[name] = tensor
        return outputs

    def _find_output_tensor(self, expander: Expander, expansion: Expansion, name: str, path: Path) -> int:
        """Return the number of the output tensor of the layer with this name; -1 after reporting a mistake."""
        try:
            place = expander.resolver.find_place(expansion, name, path)
        except UnknownValue:
            return -1
        if place.outputs == (UNKNOWN_TENSOR,):
            return -1
        if len(place.outputs) != 1 or place.outputs[0].number < len(expander.draft.inputs):
            self.problems.add(path, f"{shorten(name)} is not a layer; outputs must be layers", "CV015")
            return -1
        return place.outputs[0].number


def _make_top_scope(draft: Draft, inputs: dict[str, Shape | None]) -> Scope:
    """Return the scope of the entries under `layers`, with the inputs of the network."""
    scope = Scope("", None, draft.inputs, {}, 0, False)
    if not inputs:
        scope.inputs = scope.previous = (UNKNOWN_TENSOR,)
    if list(inputs) != ["input"] and inputs:
        scope.has_named_inputs = True
        for name, tensor in zip(inputs, draft.inputs, strict=True):
            scope.places[name] = Place("input", ("inputs", name), (tensor,))
    return scope


def _find_default_output(draft: Draft, scope: Scope) -> dict[str, int]:
    """Return {name: number} for the last layer and its output tensor; {} if there is no layer."""
    last = scope.previous[0].number if draft.nodes and scope.previous else -1
    first_node = len(draft.inputs)
    return {draft.nodes[last - first_node].name: last} if last >= first_node else {}


def _split_data_types_by_use(dtype: Any) -> dict[str, Any]:
    """Return data types by use: `float16` is {"weights": "float16", "activations": "float16"}."""
    return dtype if isinstance(dtype, dict) else {"weights": dtype, "activations": dtype}


def _is_rule_code(code: Any) -> bool:
    """Return whether a value has the form of a rule code, such as CV201, or of its beginning, such as CV2."""
    return isinstance(code, str) and re.fullmatch(RULE_CODE, code, re.ASCII) is not None
