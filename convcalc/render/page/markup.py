"""Makes HTML elements whose texts are escaped, so that nothing from a file can become markup.

>>> element("p", "a < b", class_="note")
'<p class="note">a &lt; b</p>'
"""

from collections.abc import Iterable
from html import escape

from convcalc.problems import printable

_VOID = frozenset(
    ("br", "col", "input", "link", "meta", "rect", "wbr")
)  # elements without an end tag; `rect` is closed by `/`


class Markup(str):
    """A text that is HTML already, and is therefore not escaped again."""

    __slots__ = ()


Content = str | None | Iterable[Markup]
Value = str | int | float | bool | None


def element(tag: str, *content: Content, **attributes: Value) -> Markup:
    """Return an element with content and attributes. Text is escaped, and control characters are made visible.

    An attribute that is None or False is left out; one that is True has no value. Underscores in names of attributes
    become hyphens, except for one at the end, as in `class_`.
    """
    named = "".join(_write_attribute(name, value) for name, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{named}/>" if tag == "rect" else f"<{tag}{named}>")
    return Markup(f"<{tag}{named}>{join(*content)}</{tag}>")


def join(*content: Content) -> Markup:
    """Return several contents as one: texts, which are escaped, and elements or groups of them, which are not."""
    return Markup("".join(map(_write_content, content)))


def _write_content(content: Content) -> str:
    if content is None:
        return ""
    if isinstance(content, Markup):
        return content
    return escape(printable(content)) if isinstance(content, str) else "".join(map(_write_content, content))


def _write_attribute(name: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    key = name.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{escape(printable(str(value)))}"'


def write_section(title: str, count: str, *content: Markup | Iterable[Markup] | None) -> Markup:
    """Return a section with a title, a count next to it if there is one, and its content."""
    heading = element("h2", title, element("span", count, class_="count") if count else None)
    return element("section", heading, *content)
