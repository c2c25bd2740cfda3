"""Makes the JSON Schema (draft-07) of specs, which lets editors complete keys, describe them and mark mistakes.

The schema accepts every valid spec, but also some invalid ones: it cannot check names, shapes or the values of
expressions. Each layer kind that can be an entry without arguments, such as `- relu`, is a constant with its own
description, which editors show. The schema has no titles, because yaml-language-server would show a title as a heading
once for each matching schema.
"""

import re
from typing import Any

from convcalc.arguments import EXPRESSION, Key, list_required
from convcalc.device.device_names import EXAMPLE_BOARD, EXAMPLE_DEVICE, list_board_names, list_device_names
from convcalc.device.runtime_names import DEFAULT_RUNTIME, RUNTIME_NAMES
from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.shape import AXIS_NAMES, MOST_AXES
from convcalc.spec.budget_metrics import DEVICE, LATENCY, MEMORY, OF_NETWORK, PER_LAYER
from convcalc.spec.choices import MOST_CHOICES
from convcalc.spec.entries import (
    LAYER_NAME,
    MERGES,
    MOST_NAME,
    OPTIONS,
    PARAMETER_NAME,
    RESERVED_BLOCKS,
    RESERVED_LAYERS,
    RESERVED_NAMES,
)
from convcalc.spec.reader import RULE_CODE, TOP_KEYS
from convcalc.units import BITS, COUNT_SUFFIXES, DURATION_SUFFIXES, MEMORY_SUFFIXES, Dtype

_Schema = dict[str, Any]

_ENTRIES: _Schema = {"type": "array", "items": {"$ref": "#/definitions/entry"}}
_SHAPE: _Schema = {"$ref": "#/definitions/shape"}
_WORD: _Schema = {"type": "string", "pattern": rf"^\$?{PARAMETER_NAME}$"}  # layer kind, block or parameter
_VALUE: _Schema = {"type": ["number", "boolean", "string", "array"]}
_COUNT: _Schema = {"type": "integer", "minimum": 0}
_SIZE: _Schema = {"anyOf": [{"type": "integer", "minimum": 1}, EXPRESSION]}
_SIZES: _Schema = {"type": "array", "items": _SIZE, "minItems": 1, "maxItems": MOST_AXES + 1}
_NAME: _Schema = {"type": "string", "pattern": rf"^{LAYER_NAME}$|\$", "not": {"enum": list(RESERVED_LAYERS)}}
_NAMES: _Schema = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_LIST_OPTIONS = tuple(option for option in OPTIONS if option != "share")  # the options of branches and sequences


def make_spec_schema() -> _Schema:
    """Return the JSON Schema of a spec."""
    properties = _top_key_schemas()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "convcalc/spec/1",
        "type": "object",
        "properties": {name: properties[name] for name in TOP_KEYS},
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
        "required": ["layers"],
        "oneOf": [{"required": ["input"]}, {"required": ["inputs"]}],
        "definitions": {
            **_make_option_schemas(),
            "entry": _make_entry_schema(),
            "shape": _make_shape_schema(),
            "parameters": _make_parameters_schema(),
        },
    }


def _top_key_schemas() -> dict[str, _Schema]:
    return {
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": MOST_NAME,
            "description": "the network's name (default: the file name without its ending)",
        },
        "description": {"type": "string", "description": "a one-line description of the network"},
        "params": {"$ref": "#/definitions/parameters"},
        "space": _make_space_schema(),
        "input": _SHAPE,
        "inputs": {
            "type": "object",
            "additionalProperties": _SHAPE,
            "minProperties": 1,
            "propertyNames": {"pattern": f"^{LAYER_NAME}$", "not": {"enum": list(RESERVED_LAYERS)}},
            "description": "named inputs, instead of input; the first entry then needs from",
        },
        "dtype": _dtype_schema(),
        "batch": {"type": "integer", "minimum": 1, "default": 1, "description": "the number of samples per batch"},
        "blocks": {
            "type": "object",
            "additionalProperties": _block_schema(),
            "propertyNames": _make_name_schema(RESERVED_NAMES | RESERVED_BLOCKS),
            "description": "blocks by name; the entries below use a block like a layer kind",
        },
        "layers": {**_ENTRIES, "minItems": 1, "description": "the entries of the network, in the order of execution"},
        "outputs": {
            "anyOf": [{**_NAMES, "uniqueItems": True}, EXPRESSION],
            "description": "names of the layers whose outputs are outputs of the network (default: the last layer)",
        },
        "budget": _budget_schema(),
        "check": _make_check_schema(),
    }


def _make_space_schema() -> _Schema:
    values: _Schema = {"type": "array", "items": _VALUE, "minItems": 1, "maxItems": MOST_CHOICES, "uniqueItems": True}
    mapping: _Schema = {
        "type": "object",
        "properties": {
            "choices": {**values, "description": "the values, such as [3, 5, 7]"},
            "per": {"const": "copy", "description": "copy: each copy of a repeat has a value of its own"},
        },
        "required": ["choices"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "additionalProperties": {"anyOf": [values, mapping]},
        "propertyNames": _make_name_schema(RESERVED_NAMES),
        "description": "the choices of spec parameters, for convcalc space; the first one is the default of a name "
        "that params lacks",
    }


def _dtype_schema() -> _Schema:
    word: _Schema = {"enum": list(BITS)}
    uses = {"type": "object", "properties": dict.fromkeys(Dtype._fields, word), "additionalProperties": False}
    return {
        "anyOf": [word, uses],
        "default": "float32",
        "description": "one data type for everything, or one each for weights, activations and bias",
    }


def _make_check_schema() -> _Schema:
    codes = {"type": "array", "items": {"type": "string", "pattern": f"^{RULE_CODE}$"}, "description": "[CV201, CV3]"}
    return {
        "type": "object",
        "properties": {"select": codes, "ignore": codes},
        "additionalProperties": False,
        "description": "lint rules to enable or disable for this file; convcalc rules lists them",
    }


def _make_name_schema(reserved: frozenset[str]) -> _Schema:
    """Return the schema of a name of a parameter or block, which is not in `reserved`."""
    return {"pattern": f"^{PARAMETER_NAME}$", "not": {"enum": sorted(reserved)}}


def _make_parameters_schema() -> _Schema:
    return {
        "type": "object",
        "additionalProperties": {"anyOf": [_VALUE, {"type": "null"}]},
        "propertyNames": _make_name_schema(RESERVED_NAMES),
        "description": "parameters and their defaults, for expressions such as $width and $(8 * width); "
        "a parameter without a default is required",
    }


def _make_shape_schema() -> _Schema:
    """Return the schema of an input shape: a list, channels first, or a mapping from axis names to sizes."""
    # editors show the error for the first alternative, so the most common one (height and width) comes first
    axes = [*(("channels", *AXIS_NAMES[axes]) for axes in (2, 1, 3)), ("features",)]
    named = {
        "type": "object",
        "properties": {name: _SIZE for names in axes for name in names},
        "additionalProperties": False,
        "oneOf": [{"required": list(names), "maxProperties": len(names)} for names in axes],
    }
    return {
        "anyOf": [_SIZES, named, EXPRESSION],
        "description": "sizes, channels first: [C], [C, L], [C, H, W] or [C, D, H, W]; or a size for each axis name",
        "examples": [[3, 224, 224]],
    }


def _block_schema() -> _Schema:
    inputs = {"type": "array", "items": {"type": "string", **_make_name_schema(RESERVED_NAMES)}, "minItems": 1}
    return {
        "type": "object",
        "required": ["layers"],
        "additionalProperties": False,
        "properties": {
            "params": {"$ref": "#/definitions/parameters"},
            "inputs": {
                **inputs,
                "uniqueItems": True,
                "description": "the names of the block's inputs, if it has several",
            },
            "layers": {**_ENTRIES, "description": "the entries of the block"},
        },
    }


def _budget_schema() -> _Schema:
    limits = {metric: _make_limit_schema(metric) for metric in OF_NETWORK}
    field = _make_bounds_schema(_make_quantity_schema("receptive_field"))
    shapes: _Schema = {"type": "object", "additionalProperties": {"anyOf": [_SIZES, EXPRESSION]}}
    of_layer = {metric: limits[metric] for metric in PER_LAYER}
    found = {
        **limits,
        "receptive_field": {
            "type": "object",
            "properties": field["properties"],
            "additionalProperties": field,
            "description": "limits for every axis, such as {min: 224}; or a mapping from outputs to limits",
        },
        "output_shape": {
            "anyOf": [_SIZES, shapes, EXPRESSION],
            "description": "the exact shape, such as [1000]; or a mapping from outputs to shapes",
        },
        "per_layer": {
            "type": "object",
            "additionalProperties": {"type": "object", "properties": of_layer, "additionalProperties": False},
            "description": 'limits for the layers that match a pattern: {"head.*": {params: 1M}}',
        },
    }
    found |= {metric: _make_device_limit_schema(metric) for metric in DEVICE}
    found[LATENCY] = _make_latency_schema()
    return {
        "type": "object",
        "additionalProperties": False,
        "description": "limits that convcalc check enforces",
        "properties": found,
    }


def _make_device_limit_schema(metric: str) -> _Schema:
    """Return the schema of a limit on arena or flash, which names a runtime, or a board whose memory is the default."""
    bounds = _make_bounds_schema(_make_quantity_schema(metric))
    names = {"runtime": {"enum": list(RUNTIME_NAMES)}, "device": {"enum": list_board_names()}}
    bounds["properties"] = {**bounds["properties"], **names}
    runtime = {"max": "256KiB", "runtime": DEFAULT_RUNTIME}
    what = "the tensor arena" if metric == "arena" else "flash: the model file and code"
    described = (
        f"limits for {what} on a microcontroller, such as {{max: 256KiB, runtime: {DEFAULT_RUNTIME}}}; or a board with "
        f"its runtime and its memory: {{device: {EXAMPLE_BOARD}}}"
    )
    either = [{"required": ["device"]}, {"required": ["runtime"], "minProperties": 2}]
    return {**bounds, "anyOf": either, "description": described, "examples": [runtime, {"device": EXAMPLE_BOARD}]}


def _make_latency_schema() -> _Schema:
    """Return the schema of a limit for latency, which names a device."""
    units = "|".join(DURATION_SUFFIXES)
    bounds = _make_bounds_schema({"type": "string", "pattern": rf"^[0-9]+(_[0-9]+)*(\.[0-9]+)? ?({units})$|\$"})
    bounds["properties"] = {**bounds["properties"], "device": {"enum": list_device_names()}}
    example = {"max": "5ms", "device": EXAMPLE_DEVICE}
    described = f"limits for the time of a batch on a device, such as {{max: 5ms, device: {EXAMPLE_DEVICE}}}"
    return {**bounds, "minProperties": 2, "required": ["device"], "description": described, "examples": [example]}


def _make_limit_schema(metric: str) -> _Schema:
    """Return the schema of a limit: a maximum, or a mapping with min, max or both."""
    found = _make_quantity_schema(metric)
    example = "256 KiB" if metric in MEMORY else 50 if metric == "layers" else "5M"
    return {
        "anyOf": [found, _make_bounds_schema(found)],
        "description": f"the maximum, such as {example}; or a mapping with min, max or both",
        "examples": [example],
    }


def _make_bounds_schema(value_schema: _Schema) -> _Schema:
    limits = {"type": "object", "properties": {"min": value_schema, "max": value_schema}}
    return {**limits, "minProperties": 1, "additionalProperties": False}


def _make_quantity_schema(metric: str) -> _Schema:
    """Return the schema of a quantity such as 5M or 256KiB, or an expression; memory must have a suffix such as KiB."""
    in_bytes = metric in (*MEMORY, *DEVICE)
    units = "|".join(MEMORY_SUFFIXES if in_bytes else filter(None, COUNT_SUFFIXES))
    written = {"type": "string", "pattern": rf"^[0-9]+(_[0-9]+)*(\.[0-9]+)? ?({units}){'' if in_bytes else '?'}$|\$"}
    return written if in_bytes else {"anyOf": [{"type": "integer", "minimum": 0}, written]}


def _make_option_schemas() -> dict[str, _Schema]:
    return {
        "name": {**_NAME, "description": "the entry's name, unique in its scope"},
        "from": {
            "anyOf": [{"type": "string"}, _NAMES],
            "description": "the entry's input: a name or a list of names; input and previous are always available; "
            "tcn.*.skip is the layer skip of every copy of the repeat tcn",
        },
        "repeat": {
            "anyOf": [_COUNT, EXPRESSION, _make_named_count_schema()],
            "description": "the number of copies in sequence, which $index counts from 0; or a name for that count, "
            "such as {level: 7} for $level",
        },
        "when": {
            "anyOf": [{"type": ["boolean", "number"]}, EXPRESSION],
            "description": "false disables the entry",
        },
        "frozen": {
            "anyOf": [{"type": "boolean"}, EXPRESSION],
            "description": "true excludes the weights from training",
        },
        "share": {"type": "string", "description": "an earlier layer or block use whose weights are reused"},
    }


def _make_named_count_schema() -> _Schema:
    """Return the schema of a `repeat` with a name for the count, such as {level: 7}."""
    return {
        "type": "object",
        "additionalProperties": {"anyOf": [_COUNT, EXPRESSION]},
        "propertyNames": _make_name_schema(RESERVED_NAMES),
        "minProperties": 1,
        "maxProperties": 1,
    }


def _refer_to_options(names: tuple[str, ...]) -> dict[str, _Schema]:
    """Return {name: {"$ref": "#/definitions/<name>"}} for each option in `names`."""
    return {name: {"$ref": f"#/definitions/{name}"} for name in names}


def _make_entry_schema() -> _Schema:
    """Return the schema of one item under `layers`.

    An item is a name alone (`- relu`), a layer kind or block with arguments, branches, or a sequence.
    """
    words = [{"const": name, "description": _describe_kind(kind)} for name, kind in KINDS.items() if can_be_bare(kind)]
    other_words = {**_WORD, "not": {"enum": sorted(RESERVED_NAMES | RESERVED_BLOCKS)}}
    lists: dict[str, _Schema] = {
        "branches": {
            "anyOf": [{"type": "array", "items": _ENTRIES, "minItems": 2}, _make_named_branches_schema()],
            "description": "lists of entries with the same input, or a mapping from names to such lists; "
            "[] passes the input on unchanged",
        },
        "merge": {
            "anyOf": [{"enum": list(MERGES)}, EXPRESSION],
            "description": "how the outputs of the branches are merged",
        },
        "sequence": {**_ENTRIES, "description": "a list of entries to name or repeat as a group"},
    }
    of_block = {"type": ["object", "null"], "properties": _refer_to_options(OPTIONS), "additionalProperties": _VALUE}
    mapping = {
        "type": "object",
        "properties": {
            **{name: _make_kind_schema(kind) for name, kind in KINDS.items()},
            **lists,
            **_refer_to_options(_LIST_OPTIONS),
        },
        "additionalProperties": of_block,
        "minProperties": 1,
        "propertyNames": _WORD,
        "if": {"anyOf": [{"required": ["branches"]}, {"required": ["sequence"]}]},
        "then": {
            "dependencies": {
                "branches": {"required": ["merge"], "propertyNames": {"enum": ["branches", "merge", *_LIST_OPTIONS]}},
                "sequence": {"propertyNames": {"enum": ["sequence", *_LIST_OPTIONS]}},
            }
        },
        "else": {"maxProperties": 1, "propertyNames": {"not": {"enum": ["merge", *OPTIONS]}}},
    }
    return {"anyOf": [*words, other_words, mapping]}


def _make_named_branches_schema() -> _Schema:
    reserved = sorted({*OPTIONS, "merge", *RESERVED_LAYERS, *MERGES})
    names = {"pattern": f"^{LAYER_NAME}$", "not": {"enum": reserved}}
    return {"type": "object", "additionalProperties": _ENTRIES, "propertyNames": names, "minProperties": 2}


def can_be_bare(kind: type[Layer]) -> bool:
    """Whether a layer kind has no required arguments, so that its name alone can be an entry: `- relu`."""
    return not list_required(kind.keys) and not kind.one_of


def _describe_kind(kind: type[Layer]) -> str:
    """Return the first paragraph of the layer kind's manual page."""
    return re.sub(r"\s+", " ", (kind.__doc__ or "").strip().split("\n\n")[0])


def _make_kind_schema(kind: type[Layer]) -> _Schema:
    """Return the schema of the arguments of a layer kind and the options of its entry."""
    required = list_required(kind.keys)
    found: _Schema = {
        "type": ["object", "null"] if can_be_bare(kind) else "object",
        "properties": {
            **{name: _make_key_schema(key) for name, key in kind.keys.items()},
            **_refer_to_options(OPTIONS),
        },
        "additionalProperties": False,
    }
    if kind.one_of:
        found["oneOf"] = [{"required": [name]} for name in kind.one_of]
    if required:
        found["required"] = required
    if kind.main:
        found = {"anyOf": [found, _make_short_form_schema(kind)]}
    return {**found, "description": _describe_kind(kind)}


def _make_short_form_schema(kind: type[Layer]) -> _Schema:
    """Return the schema of the value in the short form of a layer kind, such as 10 in `linear: 10`."""
    if kind.main in OPTIONS:
        return _NAMES
    return {"anyOf": [kind.keys[kind.main].schema(), EXPRESSION]}


def _make_key_schema(key: Key[Any]) -> _Schema:
    """Return the schema of an argument: a valid value or an expression, with its description and default."""
    default = "required" if key.required else f"default {key.described_default()}"
    found = {"description": f"{key.help} ({default})", "anyOf": [key.schema(), EXPRESSION]}
    return {**found, "default": key.default} if key.default is not None else found
