"""The tables of fields in the manual's page on JSON, generated from the published schemas."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import convcalc
from convcalc.json_schemas import DOCUMENTS, document_schema

PAGE = Path(convcalc.__file__).parent / "manual" / "json.md"
HEADING = "## Fields\n"
SHARED = {
    "network": "network",
    "counts": "counts",
    "totals": "totals",
    "figures": "figures",
    "network_figures": "network figures",
    "receptive_field_figures": "receptive field",
}
"""The objects that several documents contain: each has a table of its own, to which the other tables refer."""
SAME = {"receptive_field": "receptive_field_figures"}
PLURALS = {"object": "objects", "string": "strings", "integer": "integers", "list": "lists"}
Schema = dict[str, Any]
Row = tuple[str, str, str]


def with_fields(page: str) -> str:
    """Return the page with everything below its heading "Fields" generated anew."""
    before, found, _ = page.partition(HEADING)
    assert found, "the page has no heading for the fields"
    return before + found + "\n" + "\n".join(sections()).rstrip() + "\n"


def sections() -> Iterator[str]:
    """The sections of all documents, then those of the objects that several of them contain."""
    shared: dict[str, Schema] = {}
    for name, command in DOCUMENTS.items():
        schema = document_schema(name)
        shared |= {key: found for key, found in schema["$defs"].items() if key in SHARED}
        about = schema["description"].partition(" Written by")[0]
        yield f"### {schema['properties']['schema']['const']}\n"
        yield f"From `convcalc {command}{'' if ' -o ' in command else ' -f json'}`. {about}\n"
        yield from table(Fields(schema["$defs"]).of_object("", schema))
    everything = {**document_schema("report")["$defs"], **shared}
    for key, title in SHARED.items():
        yield f"### The object {title}\n"
        yield from table(Fields(everything).of_object("", everything[key]))


def table(rows: Iterator[Row]) -> Iterator[str]:
    yield "| field | type | meaning |\n|---|---|---|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |".replace("|  |", "| |").replace(
            "|  |", "| |"
        )
    yield ""


class Fields:
    """Lists the fields of one document; a definition that is used again refers to its first use."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.definitions = definitions
        self.first_use: dict[str, str] = {}

    def of_object(self, prefix: str, schema: Schema) -> Iterator[Row]:
        """The rows of all fields of an object, those that it takes from a definition first."""
        name = referred(schema)
        if name in SHARED:
            yield f"`{prefix}…`", "", f"the fields of {SHARED[name]}"
        elif name:
            yield from self.of_object(prefix, self.definitions[name])
        for field, value in schema.get("properties", {}).items():
            if prefix or field not in ("schema", "version"):
                yield from self.of_field(prefix + field, value)
        for place, choice in enumerate(part for part in schema.get("oneOf", ()) if "$ref" in part):
            yield "or" if place else "either", "", ""
            yield from self.of_object(prefix, choice)

    def of_field(self, path: str, value: Schema) -> Iterator[Row]:
        """The row of one field, followed by those of the fields inside it."""
        full = self.resolve(value)
        meaning = full.get("description", "")
        items = full.get("items")
        inner, suffix = (items, "[].") if isinstance(items, dict) else (value, ".")
        known = self.known_type(path, inner) if self.is_object(inner) else None
        if known is None:
            yield f"`{path}`", self.type_of(full), meaning
            if self.is_object(inner):
                yield from self.of_object(path + suffix, inner)
        else:
            many = inner is items and not known.startswith("as ")
            yield f"`{path}`", f"list of {known}" if many else known, meaning

    def known_type(self, path: str, schema: Schema) -> str | None:
        """The name of a shared object, or where the fields of a definition are listed; None at its first use."""
        name = referred(schema)
        if "properties" in schema or not name:
            return None
        if name in SHARED:
            return SHARED[name]
        first = self.first_use.setdefault(name, path)
        return None if first == path else f"as `{first}`"

    def is_object(self, schema: Schema) -> bool:
        """Whether a value has fields, of its own or of a definition."""
        name = referred(schema)
        return "properties" in schema or bool(name and (name in SHARED or self.is_object(self.definitions[name])))

    def resolve(self, schema: Schema) -> Schema:
        """The schema with the definition that it refers to; its own keys win."""
        name = referred(schema)
        return {**self.resolve(self.definitions[name]), **schema} if name else schema

    def type_of(self, schema: Schema) -> str:
        """A type in words: `list of objects`, `integer or null`, or the allowed values."""
        if "const" in schema:
            return f"`{str(schema['const']).lower()}`"
        if "enum" in schema:
            few = len(schema["enum"]) <= 7
            return ", ".join(f"`{value}`" for value in schema["enum"]) if few else "data type"
        choices = schema.get("anyOf", schema.get("oneOf", ()))
        if choices and "type" not in schema:
            return " or ".join(self.type_of(self.resolve(choice)) for choice in choices)
        kinds = schema.get("type", "any value")
        return " or ".join(self.one_type(kind, schema) for kind in (kinds if isinstance(kinds, list) else [kinds]))

    def one_type(self, kind: str, schema: Schema) -> str:
        if kind == "array" and isinstance(schema.get("items"), dict):
            return f"list of {self.several(schema['items'])}"
        every = schema.get("additionalProperties")
        if kind == "object" and isinstance(every, dict):
            return f"mapping from names to {self.several(every)}"
        return "list" if kind == "array" else kind

    def several(self, schema: Schema) -> str:
        """The type of the values of a list or mapping, in the plural."""
        kind = self.type_of(self.resolve(schema))
        return PLURALS.get(kind, f"({kind})" if " " in kind else kind)


def referred(schema: Schema) -> str:
    """The name of the definition that a schema refers to, or an empty text."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return SAME.get(name, name)
