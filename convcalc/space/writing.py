"""Writes one network of a design space as a spec: the text of the space with that network's values as defaults.

The comments and the layout of the text are preserved, and so are the choices, so that the written spec describes the
same space. For example, `depth: 2` becomes `depth: 4`.
"""

from typing import Any

from convcalc.analysis.report import analyse
from convcalc.problems import InvalidSpec
from convcalc.spec.document import Document, Mapping
from convcalc.spec.edits import CannotEdit, Edit, apply_edits
from convcalc.spec.emit import format_value
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text

_ANCHORED = "params cannot be rewritten: a value has an anchor, an alias or comes through <<"


class CannotWrite(ValueError):
    """Raised if the values of spec parameters cannot be written into the text of a spec; the message says why."""


def write_network(document: Document, params: dict[str, Any], figures: dict[str, int | None]) -> str:
    """Return the text of the spec with these values as defaults. Raises CannotWrite.

    The text is read again to check that its network has exactly the `figures`.
    """
    if document.text is None or not isinstance(document.root, Mapping):
        raise CannotWrite("the spec has no text")
    if not document.quotable:
        raise CannotWrite("the contents of a file behind a symbolic link are not copied")
    try:
        text = apply_edits(document.text, _make_edits(document, params))
        totals = analyse(read_network(read_text(text, document.file))).totals
    except (CannotEdit, InvalidSpec) as error:
        raise CannotWrite(f"the values cannot be written into params: {error}") from None
    if any(getattr(totals, name) != value for name, value in figures.items()):
        raise CannotWrite(_ANCHORED)
    return text


def _make_edits(document: Document, params: dict[str, Any]) -> list[Edit]:
    written = document.root.get("params")
    extents = written.value_extents if isinstance(written, Mapping) else {}
    edits, added = [], {}
    for name, value in params.items():
        if name in extents:
            edits.append(Edit(*extents[name], format_value(value)))
        else:
            added[name] = value
    if len({edit.start for edit in edits}) < len(edits):  # of a value and of its alias
        raise CannotWrite(_ANCHORED)
    return [*edits, *_make_insertion(document, added)]


def _make_insertion(document: Document, added: dict[str, Any]) -> list[Edit]:
    """Return the edit that adds parameters to `params`, or adds that key before `space`; [] without parameters."""
    if not added:
        return []
    root, text = document.root, document.text or ""
    params = root.get("params")
    if not isinstance(params, Mapping) or not params:
        if "params" in root:
            raise CannotEdit("params is empty: remove it")
        start = root.key_extents["space"][0]
        is_flow = text[root.extent[0]] == "{"
        end = ", " if is_flow else "\n" + _find_indent(text, start)
        return [Edit(start, start, f"params: {format_value(added)}{end}")]
    start = params.key_extents[next(iter(params))][0]
    end = ", " if text[params.extent[0]] == "{" else "\n" + _find_indent(text, start)
    return [Edit(start, start, "".join(f"{name}: {format_value(value)}{end}" for name, value in added.items()))]


def _find_indent(text: str, start: int) -> str:
    return " " * (start - text.rfind("\n", 0, start) - 1)
