"""Provides the JSON Schemas (draft 2020-12) of the JSON documents that commands write.

`document_schema("report")` returns the complete schema of the document `report`.

Each document has a file in this folder, such as `report.json`. To avoid repetition, the file leaves out everything that
follows from its other contents, and `document_schema` adds it: `$schema`; `$id`, which is the value of the document's
key `schema`; `required`, which names all properties unless the file contains another list; and the definitions in
`shared.json` that the file refers to.
"""

import os
import re
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

DOCUMENTS: dict[str, str] = {
    "report": "summary",
    "problems": "check",
    "receptive_field": "rf",
    "memory": "memory",
    "mcu": "mcu",
    "latency": "latency",
    "explanation": "explain",
    "conventions": "explain --conventions",
    "algorithms": "explain --algorithms",
    "alternatives": "alternatives",
    "fit": "fit",
    "sweep": "sweep",
    "shards": "sweep -o FOLDER/",
    "space": "space",
    "diff": "diff",
    "compare": "compare",
    "verify": "verify",
    "page": "report",
}
"""The names of the documents, each with the command that writes it."""


def document_schema(name: str) -> Schema:
    """Return the JSON Schema of a document, whose name is a key of `DOCUMENTS`."""
    own = _read_file(name)
    known = {**_read_file("shared")["$defs"], **own.pop("$defs", {})}
    used = _find_definitions(own, known)
    schema = {
        "$schema": _DIALECT,
        "$id": own["properties"]["schema"]["const"],
        **own,
        "$defs": {definition: found for definition, found in known.items() if definition in used},
    }
    _require_properties(schema)
    return schema


def _read_file(name: str) -> Schema:
    import json

    with open(os.path.join(_HERE, f"{name}.json"), encoding="utf-8") as stream:
        found: Schema = json.load(stream)
    return found


def _find_definitions(schema: Schema, known: dict[str, Schema]) -> set[str]:
    """Return the names of all definitions that a schema refers to, directly or through other definitions."""
    import json

    used: set[str] = set()
    waiting = [schema]
    while waiting:
        names = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(waiting.pop()))) - used
        used |= names
        waiting += [known[name] for name in names]
    return used


def _require_properties(schema: Any) -> None:
    """Add `required` to every object of a schema that declares properties without saying which are required."""
    if isinstance(schema, dict):
        for part in schema.values():
            _require_properties(part)
        if "properties" in schema:
            schema.setdefault("required", list(schema["properties"]))
    elif isinstance(schema, list):
        for part in schema:
            _require_properties(part)
