"""The JSON Schema of a spec, for editors: draft-07, flat, so that all kinds complete."""

import re
from typing import Any

from convcalc.keys import EXPRESSION, Key, required_names
from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.spec import budget
from convcalc.spec.entries import MERGES
from convcalc.spec.reader import TOP_KEYS
from convcalc.units import BITS

ENTRY = {"$ref": "#/definitions/entry"}
ENTRIES = {"type": "array", "items": ENTRY}
VALUE: dict[str, Any] = {"type": ["number", "boolean", "string", "array"]}
SIZE: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 1}, EXPRESSION]}
AXES = ("channels", "features", "length", "height", "width", "depth")
OPTIONS: dict[str, Any] = {
    "name": {"type": "string", "description": "the entry's name, unique in its scope"},
    "from": {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
        "description": "what it reads: a name or a list of names; input and previous are always there",
    },
    "repeat": {
        "anyOf": [{"type": "integer", "minimum": 0}, EXPRESSION],
        "description": "how many times it is laid in sequence; $index counts from 0",
    },
    "when": {"anyOf": [{"type": ["boolean", "number"]}, EXPRESSION], "description": "false leaves the entry out"},
    "frozen": {"anyOf": [{"type": "boolean"}, EXPRESSION], "description": "keeps the weights out of training"},
    "share": {"type": "string", "description": "an earlier layer or use of a block whose weights it uses too"},
}


def schema() -> dict[str, Any]:
    """The JSON Schema of a spec."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "convcalc/spec/1",
        "title": "convcalc network",
        "type": "object",
        "properties": {name: top_properties()[name] for name in TOP_KEYS},
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
        "required": ["layers"],
        "oneOf": [{"required": ["input"]}, {"required": ["inputs"]}],
        "definitions": {"entry": entry(), "shape": shape(), "quantity": {"type": ["number", "string"]}},
    }


def top_properties() -> dict[str, dict[str, Any]]:
    """The keys of a spec."""
    names = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    dtype = {"enum": list(BITS)}
    uses = {"type": "object", "properties": dict.fromkeys(("weights", "activations", "bias"), dtype)}
    return {
        "name": {"type": "string", "description": "the network's name; by itself the file's stem"},
        "description": {"type": "string"},
        "params": {"type": "object", "additionalProperties": {"anyOf": [VALUE, {"type": "null"}]}},
        "input": {"$ref": "#/definitions/shape"},
        "inputs": {"type": "object", "additionalProperties": {"$ref": "#/definitions/shape"}, "minProperties": 1},
        "dtype": {"anyOf": [dtype, {**uses, "additionalProperties": False}]},
        "batch": {"type": "integer", "minimum": 1},
        "blocks": {"type": "object", "additionalProperties": block()},
        "layers": {**ENTRIES, "minItems": 1},
        "outputs": names,
        "budget": budget_schema(),
        "check": {"type": "object", "properties": {"select": names, "ignore": names}, "additionalProperties": False},
    }


def shape() -> dict[str, Any]:
    """An input's shape: a list, channels first, or a mapping from the names of the axes."""
    listed = {"type": "array", "items": SIZE, "minItems": 1, "maxItems": 4}
    named = {"type": "object", "properties": dict.fromkeys(AXES, SIZE), "additionalProperties": False}
    return {"anyOf": [listed, named, EXPRESSION], "examples": [[3, 224, 224]]}


def block() -> dict[str, Any]:
    """A block."""
    parameters = {"type": "object", "additionalProperties": {"anyOf": [VALUE, {"type": "null"}]}}
    inputs = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    return {
        "type": "object",
        "properties": {"params": parameters, "inputs": inputs, "layers": ENTRIES},
        "required": ["layers"],
        "additionalProperties": False,
    }


def budget_schema() -> dict[str, Any]:
    """The limits of a budget."""
    quantity = {"anyOf": [{"type": ["number", "string"]}, {"type": "object"}]}
    limits: dict[str, Any] = dict.fromkeys((*budget.COUNTS, *budget.MEMORY), quantity)
    limits["receptive_field"] = {"type": "object"}
    limits["output_shape"] = {"type": ["array", "object", "string"]}
    limits["per_layer"] = {"type": "object"}
    return {"type": "object", "properties": limits, "additionalProperties": False}


def entry() -> dict[str, Any]:
    """An entry: a bare word, one kind or block with its arguments, branches, or a sequence."""
    branches = {"type": "array", "items": ENTRIES, "minItems": 2}
    merge = {"anyOf": [{"enum": list(MERGES)}, EXPRESSION]}
    properties = {
        **{name: kind_schema(kind) for name, kind in KINDS.items()},
        "branches": {**branches, "description": "lists of entries that all read the same input"},
        "merge": {**merge, "description": "how the branches come together"},
        "sequence": {**ENTRIES, "description": "a group of entries, to name it or repeat it"},
        **OPTIONS,
    }
    words = {"type": "string", "examples": [name for name, kind in KINDS.items() if not required_names(kind.keys)]}
    return {"anyOf": [words, {"type": "object", "properties": properties, "minProperties": 1}]}


def kind_schema(kind: type[Layer]) -> dict[str, Any]:
    """The arguments of a kind, with the entry's options."""
    required = required_names(kind.keys)
    found = {
        "type": "object" if required else ["object", "null"],
        "description": re.sub(r"\s+", " ", (kind.__doc__ or "").strip().split("\n\n")[0]),
        "properties": {**{name: key_schema(key) for name, key in kind.keys.items()}, **OPTIONS},
        "additionalProperties": False,
    }
    return {**found, "required": required} if required else found


def key_schema(key: Key[Any]) -> dict[str, Any]:
    """One argument: its values, an expression in their place, its default."""
    found = {"description": key.help, "anyOf": [key.schema(), EXPRESSION]}
    return {**found, "default": key.default} if key.default is not None else found
