"""Reads and writes `sweep.json`, the file in a folder of shards that says which sweep it is.

`convcalc schema shards` prints its JSON Schema. For example, `read_manifest("rows").total` is the number of rows.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from convcalc.problems import Flaw, printable
from convcalc.space.evaluation import Setup
from convcalc.space.recipes import Recipe
from convcalc.space.values import list_kinds

NAME = "sweep.json"
MOST_ROWS = 10**18  # limit of the rows of all shards together
_SCHEMA = "convcalc/shards/1"
_FORMATS = ("csv", "parquet")
_KINDS = {"int": int, "float": float, "bool": bool, "str": str}
_MOST_BYTES = 64 * 2**20  # limit of the size of a JSON file
_MOST_LISTED = 1_000  # limit of values of a parameter that are written one by one
_ADVICE = "restore it, or remove the folder and run the sweep again"
OPTIONS = {
    "convcalc": "the version of convcalc",
    "spec": "the spec",
    "params": "-p",
    "set": "--set",
    "input": "--input",
    "batch": "--batch",
    "dtype": "--dtype",
    "sample": "--sample",
    "seed": "--seed",
    "latin_hypercube": "--lhs",
    "limits": "the budget",
    "spec_budget": "--no-spec-budget",
    "inplace": "--no-inplace",
    "fold_batchnorm": "--fold-batchnorm",
    "optimizer": "--optimizer",
    "target": "--runtime, --device or --eager",
    "columns": "--columns",
    "derive": "--derive",
    "where": "--where",
    "drop_invalid": "--drop-invalid",
    "join": "--join",
}
"""The settings that determine the rows of a sweep: the keys of `sweep`, each with its name in messages."""


class Manifest(NamedTuple):
    """The contents of `sweep.json`: `total` rows in shards of `size` rows, in a format, csv or parquet.

    `kinds` maps the columns to their types in Parquet. `sweep` describes the sweep by the keys of `OPTIONS`.
    """

    format: str
    kinds: dict[str, type]
    total: int
    size: int
    sweep: dict[str, Any]


def describe_sweep(
    recipe: Recipe, columns: Sequence[str], sample: int | None, seed: int, latin_hypercube: bool, has_target: bool
) -> dict[str, Any]:
    """Return the settings that determine the rows of a sweep, by the keys of `OPTIONS`.

    `has_target` is true if a column depends on the runtime or the device.
    """
    setup, request = recipe.setup, recipe.request
    return {
        "convcalc": recipe.version,
        "spec": _hash(recipe.text or repr(recipe.root)),
        "params": {param.name: _describe_values(param.values) for param in recipe.space.params},
        "sample": sample,
        "seed": seed,
        "latin_hypercube": latin_hypercube,
        **_describe_setup(setup),
        "target": _hash(repr(setup.target)) if has_target else None,
        "columns": list(columns),
        "derive": list(request.derive),
        "where": list(request.where),
        "drop_invalid": request.drop_invalid,
        "join": _hash(repr(request.join)) if request.join else None,
    }


def _describe_setup(setup: Setup) -> dict[str, Any]:
    overrides = setup.overrides
    return {
        "set": repr(overrides.params),
        "input": repr(overrides.inputs),
        "batch": overrides.batch,
        "dtype": repr(overrides.dtype),
        "limits": [repr(tuple(limit)) for limit in setup.limits],
        **{name: value for name, value in setup._asdict().items() if name not in ("overrides", "limits", "target")},
    }


def _describe_values(values: Sequence[Any]) -> Any:
    """Return all values of a short list; of a long one, their number, the first two, the last one, and a hash."""
    if len(values) <= _MOST_LISTED:
        return list(values)
    ends = [values[0], values[1], values[len(values) - 1]]
    return {"count": len(values), "ends": ends, "sha256": _hash(repr(list(list_kinds(values))))}


def _hash(text: str) -> str:
    from hashlib import sha256  # imported only when needed, because it loads OpenSSL

    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def write_manifest(path: str, manifest: Manifest) -> None:
    """Write the manifest of a folder. Raises OSError."""
    kinds = {name: kind.__name__ for name, kind in manifest.kinds.items()}
    text = json.dumps({"schema": _SCHEMA, **manifest._asdict(), "kinds": kinds}, indent=1)
    replace_file(os.path.join(path, NAME), text.encode())


def find_differences(one: Manifest, other: Manifest) -> list[str]:
    """Return the options that differ between two sweeps, such as `--columns`; [] if one can continue the other."""
    read = json.loads(json.dumps(one.sweep))
    found = [words for key, words in OPTIONS.items() if read[key] != other.sweep[key]]
    return [*found, *(["-f"] if one.format != other.format else [])]


def read_manifest(path: str) -> Manifest:
    """Return the manifest of a folder. Raises Flaw if it is not a folder of shards, or the manifest is damaged."""
    name = printable(os.path.join(path, NAME))
    try:
        found = read_json(os.path.join(path, NAME))
    except FileNotFoundError:
        hint = "name a folder that convcalc sweep -o FOLDER/ has written"
        raise Flaw(f"{printable(path)} has no {NAME}, so it is not a folder of shards", hint) from None
    except ValueError:
        raise Flaw(f"{name} is damaged: it is not JSON", _ADVICE) from None
    if isinstance(found, dict) and found.get("schema") != _SCHEMA and {"schema", "version"} & set(found):
        hint = "use that version, or remove the folder and run the sweep again"
        raise Flaw(f"{name} was written by another version of convcalc", hint)
    wrong = _find_mistake(found)
    if wrong:
        raise Flaw(f"{name} is damaged: {wrong}", _ADVICE)
    kinds = {column: _KINDS[kind] for column, kind in found["kinds"].items()}
    return Manifest(found["format"], kinds, found["total"], found["size"], found["sweep"])


def _find_mistake(found: Any) -> str:
    """Return what is wrong with the contents of `sweep.json`, or ""."""
    if not isinstance(found, dict):
        return "it must be an object"
    for where, part, keys in (("", found, ("schema", *Manifest._fields)), ("sweep.", found.get("sweep"), OPTIONS)):
        if not isinstance(part, dict):
            return "sweep must be an object"
        wrong = next((key for key in (*keys, *part) if key not in part or key not in keys), None)
        if wrong is not None:
            return f"{where}{printable(wrong)[:60]} is {'unknown' if wrong in part else 'missing'}"
    if found["format"] not in _FORMATS:
        return f"format must be {' or '.join(_FORMATS)}"
    kinds = found["kinds"]
    if not isinstance(kinds, dict) or not all(isinstance(kind, str) and kind in _KINDS for kind in kinds.values()):
        return f"kinds must map columns to {', '.join(_KINDS)}"
    for key, least in (("total", 0), ("size", 1)):
        if type(found[key]) is not int or not least <= found[key] <= MOST_ROWS:
            return f"{key} must be an integer from {least} to 10^18"
    return ""


def read_json(name: str) -> Any:
    """Return the contents of a JSON file. Raises OSError, and ValueError if it is malformed or too large."""
    with open(name, "rb") as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError from None


def replace_file(target: str, data: bytes) -> None:
    """Write a file under a name with the ending `.part`, then rename it. Raises OSError, and leaves nothing."""
    handle, partial = tempfile.mkstemp(
        dir=os.path.dirname(target), prefix=f"{os.path.basename(target)}.", suffix=".part"
    )
    try:
        with open(handle, "wb") as stream:
            stream.write(data)
        os.chmod(partial, 0o644)
        os.replace(partial, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
