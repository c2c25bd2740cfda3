"""The guide for contributors names files and tables that exist."""

import re

import pytest

from tests.support.places import ROOT

GUIDE = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w./]+(?:/|\.(?:py|jsonl|md)))`", GUIDE)))
PLACES = [ROOT, ROOT / "convcalc", ROOT / "convcalc" / "convert", ROOT / "convcalc" / "convert" / "onnx_graph"]
PLACES += [ROOT / "convcalc" / room for room in ("device", "layers", "metrics", "space", "spec", "render")]


@pytest.mark.parametrize("name", NAMED)
def test_a_named_file_or_folder_exists(name: str) -> None:
    assert "NAME" in name or any((place / name).exists() for place in PLACES)


def test_every_room_is_on_the_map() -> None:
    rooms = [path for path in (ROOT / "convcalc").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
    named = {f"{path.name}/" if path.is_dir() else path.name for path in rooms}
    assert named - set(NAMED) - {"__init__.py", "__main__.py", "version.py", "gc_pause.py"} == set()
