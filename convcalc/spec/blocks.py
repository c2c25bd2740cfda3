"""Compiles the blocks of a spec to `Block` objects; a block can use only blocks defined above it.

For example, `blocks: {basic: {params: {width: }, layers: [conv: …, relu]}}` becomes a `Block` with a required parameter
and two entries.
"""

from typing import Any

from convcalc.problems import Path, did_you_mean, shorten, show, suggest_rename
from convcalc.spec.compile import EntryCompiler, Visible
from convcalc.spec.document import UNKNOWN
from convcalc.spec.entries import MOST_NAME, RESERVED_BLOCKS, RESERVED_NAMES, Block, is_parameter_name
from convcalc.spec.problem_list import Problems
from convcalc.spec.values import ValueCompiler


class BlockCompiler:
    """Compiles the blocks of one document."""

    def __init__(self, problems: Problems, values: ValueCompiler, entries: EntryCompiler) -> None:
        self.problems = problems
        self.values = values
        self.entries = entries

    def compile_blocks(self, written: Any, names: frozenset[str]) -> dict[str, Block]:
        """Return the compiled blocks by name.

        `written` is the value of the top-level key `blocks`, and `names` are the spec parameters that blocks can use.
        """
        blocks: dict[str, Block] = {}
        if written is UNKNOWN or written is None:
            return blocks
        if not isinstance(written, dict):
            self.problems.add(
                ("blocks",), f"blocks must be a mapping from names to blocks; got {show(written)}", "CV013"
            )
            return blocks
        for name, definition in written.items():
            path: Path = ("blocks", name)
            self._check_block_name(name, path)
            block = self._compile_block(name, definition, path, Visible(names, blocks, written))
            blocks[name] = block
        return blocks

    def _check_block_name(self, name: str, path: Path) -> None:
        if not is_parameter_name(name) or len(name) > MOST_NAME:
            message, hint = f"{show(name)} is not a valid block name", "use a letter, then letters, digits and _"
            self.problems.add(path, message, "CV015", hint, on_key=True)
        elif name in RESERVED_BLOCKS or name in RESERVED_NAMES:
            self.problems.add(path, f"{name} is reserved and cannot be the name of a block", "CV015", on_key=True)

    def _compile_block(self, name: str, definition: Any, path: Path, visible: Visible) -> Block:
        """Return the compiled block; report mistakes, and set `broken` if they make the block unusable."""
        block = Block(name, path, len(visible.blocks))
        if not isinstance(definition, dict):
            block.broken = True
            if definition is not UNKNOWN:
                message = (
                    f"a block must be a mapping with layers, and optionally params and inputs; got {show(definition)}"
                )
                self.problems.add(path, message, "CV013", on_key=True)
            return block
        for key in definition:
            if key not in ("params", "inputs", "layers"):
                hint = did_you_mean(key, ("params", "inputs", "layers")) or "available: params, inputs, layers"
                message = f"unknown key {show(key)} in a block"
                fix = suggest_rename(key, ("params", "inputs", "layers"), taken=definition)
                self.problems.add((*path, key), message, "CV010", hint, on_key=True, fix=fix)
            elif definition[key] is None:
                self.problems.add(
                    (*path, key),
                    f"{key} has no value",
                    "CV012",
                    "remove the key" if key != "layers" else "write []",
                    on_key=True,
                )
        own = self._compile_parameters(block, definition.get("params"), (*path, "params"), visible.names)
        self._compile_input_names(block, definition.get("inputs"), (*path, "inputs"))
        if "layers" not in definition:
            self.problems.add(path, f"the block {shorten(name)} has no layers", "CV012", on_key=True)
            block.broken = True
        else:
            inside = Visible(visible.names | own, visible.blocks, visible.all_blocks)
            layers = UNKNOWN if definition["layers"] is None else definition["layers"]
            block.body = self.entries.compile_body(layers, (*path, "layers"), inside)
            block.broken = not isinstance(definition["layers"], list)
        return block

    def _compile_parameters(self, block: Block, written: Any, path: Path, names: frozenset[str]) -> frozenset[str]:
        """Add the parameters and their compiled defaults to the block, and return the names of the parameters.

        A default can use the spec parameters (`names`) and the block's parameters above it.
        """
        if written is None or written is UNKNOWN:
            return frozenset()
        if not isinstance(written, dict):
            message = f"params must be a mapping from names to defaults; got {show(written)}"
            self.problems.add(path, message, "CV013", "for example: {width: 64}, or {width: } for a required parameter")
            return frozenset()
        seen = {"in_channels"}
        for name, default in written.items():
            self.values.check_parameter_name(name, (*path, name))
            block.parameters[name] = self.values.compile_parameter(default, (*path, name), names | seen)
            seen.add(name)
        return frozenset(block.parameters)

    def _compile_input_names(self, block: Block, written: Any, path: Path) -> None:
        """Set the names of the block's inputs; a block without `inputs` has one input without a name."""
        if written is None or written is UNKNOWN:
            return
        if not isinstance(written, list) or not written or not all(isinstance(name, str) for name in written):
            hint = f"write [{written}]" if isinstance(written, str) else "for example: [deep, skip]"
            self.problems.add(path, f"inputs must be a list of names; got {show(written)}", "CV013", hint)
            block.broken = True
            return
        for index, name in enumerate(written):
            self.values.check_parameter_name(name, (*path, index))
            if name in written[:index]:
                self.problems.add((*path, index), f"input {shorten(name)} is listed twice", "CV015")
        block.input_names = tuple(written)
