"""On a stream that is not UTF-8, drawings are in ASCII and stay aligned."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from convcalc.cli import writing_ascii
from tests.support.html_pages import Page


def printed(encoding: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "100"}
    command = [sys.executable, "-m", "convcalc", *arguments]
    return subprocess.run(command, capture_output=True, env=environment, check=True).stdout.decode(encoding)


@pytest.mark.parametrize(
    "arguments",
    [
        ("summary", "example:lenet5"),
        ("rf", "example:unet_padded"),
        ("rf", "example:alexnet", "maxpool3", "--position", "1,3"),
        ("memory", "example:lenet5"),
        ("explain", "example:lenet5", "conv1"),
        ("latency", "example:lenet5", "--device", "rtx4090"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_ascii_output_has_no_question_marks(arguments: tuple[str, ...]) -> None:
    text = printed("ascii", *arguments)
    assert "?" not in text
    assert text.isascii()


def test_bars_keep_their_lengths_and_what_is_not_zero_is_seen() -> None:
    bars = [re.findall(r"[█▉▊▋▌▍▎▏]+", line) for line in printed("utf-8", "rf", "example:lenet5").splitlines()]
    assert sum(map(len, bars)) == 6
    plain = [re.findall("#+", line) for line in printed("ascii", "rf", "example:lenet5").splitlines()]
    assert [[len(bar) for bar in line] for line in plain] == [[len(bar) for bar in line] for line in bars]


def test_what_latin_1_has_is_kept() -> None:
    text = printed("latin-1", "rf", "example:lenet5")
    assert "float32 · batch 1" in text
    assert "1×32×32 -> linear3" in text


def test_characters_without_a_replacement_become_question_marks() -> None:
    writing_ascii.register()
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=writing_ascii.NAME)
    stream.write("漢字 ≤ \udcff …")
    stream.flush()
    assert stream.buffer.getvalue() == b"?? <= ? ~"


def test_replacements_are_ascii() -> None:
    assert "".join(writing_ascii._REPLACEMENTS.values()).isascii()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_pictures_have_character_references_where_the_stream_has_no_utf_8(encoding: str) -> None:
    for arguments in (
        ("draw", "example:resnet50"),
        ("draw", "example:unet", "--as", "stack", "-o", "-"),
        ("rf", "example:vgg16", "stage5.maxpool1", "-f", "svg"),
    ):
        text = printed(encoding, *arguments)
        assert text.isascii()
        assert "&#215;" in text  # ×
        assert "?" not in text
        assert list(ElementTree.fromstring(text).itertext()) == list(
            ElementTree.fromstring(printed("utf-8", *arguments)).itertext()
        )


@pytest.mark.parametrize("format", ["dot", "mermaid", "tikz"])
def test_graphs_have_ascii_in_place_of_signs(format: str) -> None:
    text = printed("ascii", "draw", "example:resnet50", "-f", format)
    assert "?" not in text
    assert text.isascii()
    assert ("$\\times$" if format == "tikz" else "3x224x224") in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "arguments",
    [("report", "example:lenet5"), ("diff", "example:lenet5", "example:resnet18", "-f", "html")],
    ids=lambda arguments: arguments[0],
)
def test_pages_are_utf_8_on_every_stream(encoding: str, arguments: tuple[str, ...]) -> None:
    """A page says that it is UTF-8, and its script and style run only as long as they match their hashes."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "convcalc", *arguments]
    text = subprocess.run(command, capture_output=True, env=environment, check=True).stdout.decode("utf-8")
    Page(text).assert_closed()
    assert "×" in text
