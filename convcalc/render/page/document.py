"""Makes a whole page: one HTML file that loads nothing, with its style, its scripts and its data inside.

The Content Security Policy of a page allows its own style and script, by their hashes, and images that its reader drops
on it. Even if text from a file became markup by mistake, it could neither run nor load anything.
"""

import json
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from convcalc.render.drawing.palette import TONES
from convcalc.render.page.markup import Markup, element, join

_ASSETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "assets")
# an icon of boxes; a page without an icon would make the browser request one
_ICON = (
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><g fill='%23206bb3'>"
    "<rect width='4' height='14' y='1' rx='1'/><rect width='4' height='10' x='6' y='3' rx='1'/>"
    "<rect width='4' height='5' x='12' y='5.5' rx='1'/></g></svg>"
)
# what the views of every page use, in the order in which they build on each other
VIEW_SCRIPTS = ("text.js", "dom.js", "network.js", "columns.js", "table.js", "graph.js")
_DATA = "data"  # the id of the element with the data


def write_document(
    title: str, body: Markup, data: Mapping[str, Any], scripts: Sequence[str], styles: Sequence[str] = ("page.css",)
) -> str:
    """Return the text of a page.

    The scripts read `data` from the page. `scripts` and `styles` are files in the folder `assets`, in the order in
    which they apply.
    """
    style = _write_colors() + "".join(map(_read_asset, styles))
    script = _join_scripts(scripts)
    head = join(
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_write_policy(style, script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content="convcalc"),
        element("title", title),
        element("link", rel="icon", href=_ICON),
        element("style", Markup(style)),
    )
    block = element("script", Markup(write_json(data)), type="application/json", id=_DATA)
    page = element(
        "html", element("head", head), element("body", body, block, element("script", Markup(script))), lang="en"
    )
    return f"<!DOCTYPE html>\n{page}\n"


def write_json(data: Mapping[str, Any]) -> str:
    """Return data as JSON that is safe inside a script element: no `<` can end it, and it has only ASCII characters."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _write_policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; script-src {_hash_source(script)}; style-src {_hash_source(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _hash_source(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _join_scripts(names: Sequence[str]) -> str:
    """Return all scripts as one, inside a function: they share their names only with each other."""
    return "\n".join(['"use strict";', "(() => {", *map(_read_asset, names), "})();"])


def _write_colors() -> str:
    """Return the colours of drawings as variables, which follow the light or dark mode of the page."""
    colors = "".join(f"--{tone}:light-dark({light},{dark});" for tone, (light, dark) in TONES.items())
    return f":root{{{colors}}}\n"


def _read_asset(name: str) -> str:
    with open(os.path.join(_ASSETS, name), encoding="utf-8", newline="\n") as stream:
        return stream.read()
