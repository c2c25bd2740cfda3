"""Reads a page with Python's own HTML parser: its elements, their texts, its scripts and its data."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cached_property
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any, NamedTuple

VOID = frozenset(("br", "col", "input", "link", "meta", "rect", "wbr"))


class Element(NamedTuple):
    tag: str
    attributes: dict[str, str]
    texts: list[str]  # of the element and all elements in it

    @property
    def text(self) -> str:
        return "".join(self.texts)


class Page(HTMLParser):
    """The elements of a page in their order. Raises ValueError if an end tag does not fit."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.feed(text)
        self.close()
        if self.open:
            raise ValueError(f"not closed: {[element.tag for element in self.open]}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, [])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop().tag != tag:
            raise ValueError(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.texts.append(data)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements with this tag and these attributes; `class_` stands for `class`."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [found for found in self.elements if found.tag == tag and wanted.items() <= found.attributes.items()]

    def one(self, tag: str, **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def policy(self) -> dict[str, str]:
        """The directives of the Content Security Policy by name."""
        metas = [found.attributes for found in self.all("meta")]
        (content,) = [found["content"] for found in metas if found.get("http-equiv") == "Content-Security-Policy"]
        parts = (part.strip().partition(" ") for part in content.split(";"))
        return {name: value for name, _, value in parts}

    @cached_property
    def data(self) -> Any:
        return json.loads(self.one("script", id="data").text)

    def assert_closed(self) -> None:
        """Assert that the page can load nothing, and run nothing but its own script."""
        assert self.policy["default-src"] == "'none'"
        assert self.policy["base-uri"] == self.policy["form-action"] == "'none'"
        assert self.policy["img-src"] == "data: blob:"
        runs = [found for found in self.all("script") if found.attributes.get("type") != "application/json"]
        assert [hash_source(found.text) for found in runs] == [self.policy["script-src"]]
        assert [hash_source(found.text) for found in self.all("style")] == [self.policy["style-src"]]
        assert not re.search("url\\(|@import", self.one("style").text)
        for element in self.elements:
            assert element.tag not in ("iframe", "object", "embed", "base", "form", "img", "audio", "video")
            assert not [name for name in element.attributes if name.startswith("on") or name in ("style", "src")]
            inside = "data:" if element.tag == "link" else "#"
            assert element.attributes.get("href", inside).startswith(inside)


def hash_source(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
