"""`convcalc diff -f html` writes a page that loads nothing, whose data is right, and in which every text stays text."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.json_schemas import document_schema
from convcalc.render.page import line_diff
from convcalc.render.page.line_diff import compare_lines
from convcalc.render.rows import tree_rows
from tests.pages.test_report import HOSTILE, NAME
from tests.support.html_pages import Page

PAIRS = [
    ("resnet18", "resnet34"),
    ("resnet34", "resnet18"),
    ("resnet50", "resnext50_32x4d"),
    ("mobilenet_v2", "mobilenet_v3_large"),
    ("mobilenet_v1", "mobilenet_v1@width=0.75"),
    ("lenet5", "vit_tiny"),
    ("unet", "unet"),
]
OLD = """name: tiny
params: {width: 8}
input: [3, 16, 16]
layers:
  - conv: {out_channels: $width, kernel_size: 3, padding: 1, name: stem}
  - relu
  - sequence:
      - conv: {out_channels: 16, kernel_size: 3, name: one}
      - sigmoid
    name: body
  - global_avgpool
  - flatten
  - linear: {out_features: 10, name: head}
"""
NEW = OLD.replace("kernel_size: 3, padding: 1", "kernel_size: 5, padding: 2").replace(
    "      - sigmoid\n", "      - batchnorm\n      - relu\n"
)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_page(*arguments: str, status: int = 0) -> Page:
    assert run(["diff", *arguments, "-o", "diff.html"]) == status
    return Page(Path("diff.html").read_text(encoding="utf-8"))


def write_spec(text: str, name: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def write_both() -> list[str]:
    return [write_spec(OLD, "old.yaml"), write_spec(NEW, "new.yaml")]


def write_hostile(name: str, kernel: int) -> str:
    spec = {
        "name": NAME,
        "params": {"word": f"{HOSTILE}{kernel}"},
        "input": [3, 8, 8],
        "layers": [{"conv": {"out_channels": 4, "kernel_size": kernel}}, "relu"],
        "x-note": f"{NAME} {kernel}",
    }
    return write_spec(json.dumps(spec, indent=1), name)


def list_states(page: Page) -> list[tuple[str, str]]:
    """The name and the state of each layer, in the order of the table."""
    found = []
    for row in page.data["rows"]:
        if "layers" in row:
            old, new = row["layers"]
            state = "added" if old is None else "removed" if new is None else "changed" if "change" in row else "same"
            side = 0 if new is None else 1
            place = row["layers"][side]
            found.append((page.data["networks"][side]["report"]["layers"][place]["name"], state))
    return found


# -- the file


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_page_can_load_nothing_and_its_data_are_those_of_json(
    old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = write_page(f"example:{old}", f"example:{new}")
    page.assert_closed()
    capsys.readouterr()
    assert run(["diff", f"example:{old}", f"example:{new}", "-f", "json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert page.data["difference"] == expected
    jsonschema.Draft202012Validator(document_schema("diff")).validate(expected)
    for network, net in zip(page.data["networks"], (old, new), strict=True):
        assert run(["summary", f"example:{net}", "-f", "json"]) == 0
        assert network["report"] == json.loads(capsys.readouterr().out)
        graphs = network["graphs"]
        assert all(set(graph) == {"depth", "width", "height", "boxes", "arrows", "chosen"} for graph in graphs)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_the_rows_are_the_trees_of_both_networks(old: str, new: str) -> None:
    """Without the removed layers, the rows are the tree of the new network; each old layer is there once."""
    page = write_page(f"example:{old}", f"example:{new}")
    rows = page.data["rows"]
    layers = [row["layers"] for row in rows if "layers" in row]
    reports = [
        convcalc.summary(f"example:{name}", params={"width": float(width[6:])} if width else {})
        for name, _, width in (net.partition("@") for net in (old, new))
    ]
    assert sorted(pair[0] for pair in layers if pair[0] is not None) == list(range(len(reports[0].layers)))
    differing = [row["differs"] for row in rows if "differs" in row]
    assert differing == list(range(len(page.data["difference"]["layers"])))
    for row in rows:
        if "differs" in row:  # a removed and an added layer may have the same name
            document = page.data["difference"]["layers"][row["differs"]]
            for side, place, report in zip(("old", "new"), row["layers"], reports, strict=True):
                assert (document[side] or {"name": None})["name"] == (
                    None if place is None else report.layers[place].name
                )
    assert [pair[1] for pair in layers if pair[1] is not None] == list(range(len(reports[1].layers)))
    kept = [
        (row["level"], row["label"])
        for place, row in enumerate(rows)
        if (row["layers"][1] is not None if "layers" in row else has_new_layer(rows, place))
    ]
    assert kept == [(row.indent, row.label) for row in tree_rows(reports[1])]
    for before, after in pairwise([{"level": -1, "name": ""}, *rows]):
        assert after["level"] <= before["level"] + ("name" in before)  # only a scope has rows one level deeper


def has_new_layer(rows: list[dict[str, Any]], place: int) -> bool:
    """Whether a layer of the new network is in the scope of a row."""
    for row in rows[place + 1 :]:
        if row["level"] <= rows[place]["level"]:
            return False
        if "layers" in row and row["layers"][1] is not None:
            return True
    return False


def test_each_layer_says_what_changed_in_it() -> None:
    page = write_page(*write_both())
    assert list_states(page) == [
        ("stem", "changed"),
        ("relu1", "same"),
        ("body.one", "same"),
        ("body.sigmoid1", "removed"),
        ("body.batchnorm1", "added"),
        ("body.relu1", "added"),
        ("global_avgpool1", "same"),
        ("flatten1", "same"),
        ("head", "same"),
    ]
    changes = {row["label"]: row["change"] for row in page.data["rows"] if "change" in row}
    assert changes == {"stem": "kernel_size 3×3 → 5×5, padding 1 → 2"}
    scopes = [row["label"] for row in page.data["rows"] if "name" in row]
    assert scopes == ["body"]  # the removed layer is in it, too


def test_resnet_pages_are_small() -> None:
    write_page("example:resnet50", "example:resnext50_32x4d")
    assert Path("diff.html").stat().st_size < 500_000  # two reports of 175 layers


def test_hostile_texts_stay_text() -> None:
    page = write_page(write_hostile("old.yaml", 3), write_hostile("new.yaml", 1))
    page.assert_closed()
    assert page.data["networks"][0]["report"]["params"] == {"word": f"{HOSTILE}3"}
    facts = [found.text for found in page.all("li")]
    assert f"old: {NAME} · old.yaml" in facts
    assert any(fact.startswith(f"params.word {NAME}\\u202e") for fact in facts)  # a long text is cut
    written = Path("diff.html").read_text(encoding="utf-8")
    assert "\u202e" not in written
    assert "\u2028" not in written
    hostile = page.one("div", class_="lines").text
    assert json.dumps(f"{NAME} 3") in hostile
    assert json.dumps(f"{NAME} 1") in hostile


# -- what is in it


def test_totals_show_both_values_and_their_change() -> None:
    page = write_page("example:resnet18", "example:resnet34")
    cards = [found.text for found in page.all("li")]
    # torchvision's counts of params
    assert f"params21.80 Mfrom 11.69 M+86.5% +{21_797_672 - 11_689_512:,}" in cards
    assert any(text.startswith("peak memory") and "unchanged" in text for text in cards)
    assert page.one("h1").text == "resnet18 → resnet34"


def test_conditions_that_failed_are_shown_at_the_top_and_in_their_cards(capsys: pytest.CaptureFixture[str]) -> None:
    conditions = ["macs > +5%", "params > +100%", "layers > +1"]
    options = [part for text in conditions for part in ("--fail-if", text)]
    page = write_page("example:resnet18", "example:resnet34", *options, status=1)
    assert "macs > +5%: macs changed by +1,849,688,064 (+102.0%)" in capsys.readouterr().err
    shown = [found.text for found in page.all("li", class_="finding is-error")]
    assert [text.split(":")[0] for text in shown] == ["✕ failedmacs > +5%", "✕ failedlayers > +1"]
    broken = [found.text for found in page.all("li", class_="broken")]
    assert [("✕ macs > +5%" in text, "✕ layers > +1" in text) for text in broken] == [(False, True), (True, False)]
    assert page.data["difference"]["failed"] == ["macs > +5%", "layers > +1"]


def test_the_page_says_that_no_condition_is_met() -> None:
    page = write_page("example:resnet34", "example:resnet18", "--fail-if", "macs > +5%")
    assert "✓ The condition of --fail-if is not met." in [found.text for found in page.all("p")]
    page = write_page("example:resnet34", "example:resnet18", "--fail-if", "macs > 0", "--fail-if", "params > 0")
    assert "✓ None of the 2 conditions of --fail-if is met." in [found.text for found in page.all("p")]


def test_the_page_says_that_equal_networks_are_equal() -> None:
    page = write_page("example:lenet5", "example:lenet5", "--exit-code")
    texts = [found.text for found in page.all("p", class_="empty")]
    assert "✓ No differences: the networks are the same." in texts
    assert "No layer differs." in texts
    assert "Both specs have the same text." in texts


def test_changes_are_readable_without_scripts() -> None:
    table = write_page(*write_both()).one("table", class_="layers").text
    assert "changedstemkernel_size 3×3 → 5×5, padding 1 → 2" in table
    assert "removedbody.sigmoid1" in table


def test_networks_with_the_same_name_are_called_by_their_files() -> None:
    assert write_page(*write_both()).one("h1").text == "old.yaml → new.yaml"
    assert write_page("old.yaml", "old.yaml@width=4").one("h1").text == "tiny → tiny@width=4"


def test_a_file_is_compared_with_its_version_in_git() -> None:
    def git(*arguments: str) -> None:
        options = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *options, *arguments], check=True, capture_output=True)

    write_spec(OLD, "net.yaml")
    git("init")
    git("add", "net.yaml")
    git("commit", "-m", "old")
    write_spec(NEW, "net.yaml")
    page = write_page("--git", "HEAD", "net.yaml")
    assert page.one("h1").text == "HEAD:net.yaml → net.yaml"
    assert "kernel_size: 5, padding: 2" in page.one("div", class_="lines").text


def test_the_text_of_a_file_behind_a_link_is_not_quoted() -> None:
    old, new = write_both()
    Path("link.yaml").symlink_to(new)
    page = write_page(old, "link.yaml")
    assert not page.all("pre")
    assert "link.yaml: The text of the spec is not part of this page." in [found.text for found in page.all("p")]


# -- lines


def test_specs_with_too_many_lines_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_diff, "_MOST_LINES", 3)
    page = write_page(*write_both())
    assert "A spec has more than 3 lines; they are not compared here." in [found.text for found in page.all("p")]
    assert page.all("div", class_="lines") == []


def test_the_lines_of_both_specs_are_numbered_and_marked() -> None:
    page = write_page(*write_both())
    for side, text in (("old", OLD), ("new", NEW)):
        key = f"data-{side}"
        lines = [found for found in page.all("span") if key in found.attributes]
        assert [int(line.attributes[key]) for line in lines] == list(range(1, len(text.splitlines()) + 1))
        for line, expected in zip(lines, text.splitlines(), strict=True):
            assert line.text.endswith(expected)
    marks = {found.attributes["class"] for found in page.all("span") if "data-old" in found.attributes}
    assert marks == {"is-same", "is-removed"}
    assert sum(found.attributes.get("class") == "is-added" for found in page.all("span")) == 3
    assert sum(found.attributes.get("class") == "is-removed" for found in page.all("span")) == 2


@pytest.mark.parametrize("seed", range(60))
def test_the_compared_lines_reproduce_both_texts(seed: int) -> None:
    random = Random(seed)
    old = [random.choice("abcd") for _ in range(random.randrange(12))]
    new = [random.choice("abcd") if random.random() < 0.3 else line for line in old for _ in range(random.randrange(3))]
    lines = list(compare_lines(old, new))
    for side, text in (("old", old), ("new", new)):
        own = [line for line in lines if getattr(line, side) is not None]
        assert [(getattr(line, side), line.text) for line in own] == list(enumerate(text, 1))
    for line in lines:
        assert (line.old is None, line.new is None) == (line.what == "added", line.what == "removed")


def test_many_different_lines_are_one_change() -> None:
    old, new = [str(number) for number in range(3000)], [str(-number - 1) for number in range(3000)]
    assert [line.what for line in compare_lines([*old, "end"], [*new, "end"])] == [
        *["removed"] * 3000,
        *["added"] * 3000,
        "same",
    ]


# -- bad input


def test_nothing_is_written_if_one_network_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    old, _ = write_both()
    write_spec("input: [3, 8, 8]\nlayers: [{conv: {filters: 3}}]\n", "wrong.yaml")
    Path("diff.html").write_text("before", encoding="utf-8")
    assert run(["diff", old, "wrong.yaml", "-o", "diff.html"]) == 1
    assert "conv has no argument 'filters'" in capsys.readouterr().err
    assert Path("diff.html").read_text(encoding="utf-8") == "before"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("old.yaml", "none.yaml", "-o", "diff.html"), "none.yaml: no such file"),
        (("old.yaml", "new.yaml", "-o", "missing/diff.html"), "-o missing/diff.html: no such file or directory"),
        (("old.yaml", "new.yaml", "-f", "html", "-o", "new.yaml"), "-o new.yaml is also an input file"),
        (("old.yaml", "new.yaml", "-o", "diff.svg"), "diff has no format svg"),
        (("old.yaml", "new.yaml", "-o", "diff.html", "--fail-if", "macs > 5%%"), "is not a percentage"),
    ],
)
def test_a_page_that_cannot_be_written_is_reported(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_both()
    assert run(["diff", *arguments]) == 2
    found = capsys.readouterr()
    assert message in found.err
    assert found.out == ""
    assert sorted(path.name for path in Path().iterdir()) == ["new.yaml", "old.yaml"]


def test_a_page_does_not_go_to_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["diff", *write_both(), "-f", "html"]) == 2
    assert "add -o FILE.html" in capsys.readouterr().err
