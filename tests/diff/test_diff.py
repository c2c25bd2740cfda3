"""`convcalc diff` as seen by a terminal, a pull request, a script and a hostile file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import convcalc
from convcalc import examples
from convcalc.cli.main import run
from convcalc.diff.condition import parse_condition
from convcalc.diff.difference import Difference, compare_reports
from convcalc.render.diff import difference_json, difference_lines
from convcalc.render.diff_markdown import difference_markdown
from convcalc.render.diff_rows import difference_rows
from convcalc.render.lines import plain_text
from tests.support.specs import load

OLD = """name: tiny
params: {width: 8, classes: 10}
input: [3, 16, 16]
blocks:
  unit:
    params: {out_channels: }
    layers:
      - conv: {out_channels: $out_channels, kernel_size: 3, padding: 1}
      - relu
layers:
  - unit: {out_channels: $width, name: stem}
  - unit: {out_channels: $(2 * width), repeat: 2, name: body}
  - global_avgpool
  - flatten
  - linear: {out_features: $classes, name: head}
"""
NEW = OLD.replace("kernel_size: 3, padding: 1", "kernel_size: 5, padding: 2").replace(
    "  - flatten\n", "  - flatten\n  - dropout\n"
)
WIDTHS = [40, 80, 200]

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def written(name: str, text: str) -> str:
        Path(name).write_text(text, encoding="utf-8")
        return name

    return written


@pytest.fixture
def both(write: Write) -> list[str]:
    return [write("old.yaml", OLD), write("new.yaml", NEW)]


def difference(old: str, new: str) -> Difference:
    return compare_reports(*(convcalc.summary(examples.find_file(name)) for name in (old, new)))


# -- for people


def test_the_table_shows_totals_side_by_side_and_one_row_per_change(
    both: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["diff", *both]) == 0
    # a kernel has 25 taps instead of 9 for every pair of channels
    more = 16 * (3 * 8 + 8 * 16 + 16 * 16)
    assert capsys.readouterr().out.splitlines() == [
        "old  tiny  old.yaml",
        "new  tiny  new.yaml",
        "",
        "                   old        new      change",
        "layers               9         10          +1   +11.1%",
        f"params           3,882     10,410      +{more:,}  +168.2%",
        f"MACs           940,192  2,611,360  +{more * 256:,}  +177.7%",
        f"FLOPs        1,884,480  5,226,816  +{2 * more * 256:,}  +177.4%",
        f"weights       15,528 B   41,640 B   +{4 * more:,} B  +168.2%",
        "activations   82,088 B   82,152 B       +64 B    +0.1%",
        "peak memory   32,768 B   32,768 B",
        "training      75,152 B  127,392 B   +52,240 B   +69.5%",
        "field                7         13          +6   +85.7%",
        "",
        "         layer     what                                 layers   params     MACs",
        "changed  *.conv1   kernel_size 3×3 → 5×5, padding 1 →…       3  +6.53 K  +1.67 M",
        "added    dropout1  dropout                                   1",
    ]


def test_unchanged_figures_are_not_mentioned(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = write("one.yaml", OLD), write("other.yaml", OLD.replace("name: tiny", "name: other"))
    assert run(["diff", one, other, "--exit-code"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["", "no differences"]
    assert "+" not in "".join(lines)
    assert not any("%" in line for line in lines)


def test_the_same_change_in_every_use_of_a_block_is_one_row() -> None:
    rows = difference_rows(difference("mobilenet_v1", "mobilenet_v1"))
    assert rows == []
    old, new = (convcalc.summary(examples.find_file("mobilenet_v1"), params={"width": width}) for width in (1.0, 0.5))
    rows = difference_rows(compare_reports(old, new))
    assert len(rows) < 10
    [points] = [row for row in rows if row.name == "*.pointwise_conv1"]
    assert (points.did, points.layers, points.what) == ("changed", 13, "out_channels 64…1024 → 32…512")
    before, after = (
        sum(layer.macs or 0 for layer in report.layers if layer.kind == "pointwise_conv") for report in (old, new)
    )
    assert points.macs == after - before
    assert sum(row.layers for row in rows) == 84  # every layer has a different number of channels, in a single row


def test_an_entirely_new_scope_is_one_row() -> None:
    [row] = difference_rows(difference("resnet50", "resnet101"))
    found = difference("resnet50", "resnet101")
    assert (row.did, row.name, row.what, row.layers) == ("added", "stage3.*", "bottleneck", 170)
    assert (row.params, row.macs) == (found.figures["params"].change, found.figures["macs"].change)


def test_a_renamed_block_is_one_row() -> None:
    def named(name: str) -> convcalc.Network:
        inner = [{"conv": {"out_channels": 8, "kernel_size": 3, "padding": 1}}, "batchnorm", "relu"]
        return load({"input": [8, 8, 8], "layers": ["relu", {"sequence": inner, "name": name, "repeat": 12}]})

    rows = difference_rows(compare_reports(convcalc.analyse(named("stage2")), convcalc.analyse(named("layer2"))))
    assert [(row.did, row.name, row.what, row.layers) for row in rows] == [("renamed", "stage2.*", "now layer2.*", 36)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("pair", [("resnet50", "resnext50_32x4d"), ("mobilenet_v1", "mobilenet_v2"), ("unet", "vgg16")])
def test_the_table_fits(pair: tuple[str, str], width: int) -> None:
    lines = plain_text(difference_lines(difference(*pair), width, layers=True)).splitlines()
    assert [line for line in lines if len(line) > width] == []
    assert {"layers", "params", "MACs", "field"} <= {line.split(" ")[0] for line in lines}


def test_quiet_prints_only_the_totals(both: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", *both, "-q"]) == 0
    printed = capsys.readouterr().out
    assert "params" in printed
    assert "dropout" not in printed


# -- for programs


def test_json_has_every_layer_and_exact_figures(both: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", *both, "-f", "json", "--fail-if", "macs > 5%", "--fail-if", "macs > 500%"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["equal"], found["failed"]) == ("convcalc/diff/1", False, ["macs > 5%"])
    assert found["totals"]["params"] == {"old": 3882, "new": 10410, "change": 6528, "relative": 1.681607419}
    assert [layer["new"]["name"] for layer in found["layers"]] == [
        "stem.conv1",
        "body.0.conv1",
        "body.1.conv1",
        "dropout1",
    ]
    assert found["layers"][0]["did"] == ["changed"]
    assert found["layers"][0]["changes"][0] == {"what": "kernel_size", "old": [3, 3], "new": [5, 5]}
    assert found["layers"][3]["old"] is None
    assert (found["old"]["file"], found["new"]["file"]) == ("old.yaml", "new.yaml")


def test_unknown_costs_are_null_and_fail_a_condition(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    known = "input: [3, 8, 8]\nlayers:\n  - relu\n"
    old = write("old.yaml", known)
    new = write("new.yaml", known + "  - opaque: {output_shape: [3, 8, 8], params: 5, what: Attention}\n")
    assert run(["diff", old, new, "-f", "json", "--fail-if", "macs > 5%"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["totals"]["macs"] == {"old": 0, "new": None, "change": None, "relative": None}
    assert "macs > 5%: the change in macs is unknown" in printed.err
    assert run(["diff", old, new]) == 0
    table = capsys.readouterr().out
    assert re.search(r"^MACs +0 +\? +\?$", table, re.MULTILINE)
    assert re.search(r"^training +0 B +\? +\?$", table, re.MULTILINE)


# -- for a pull request


def sizes(text: str) -> int:
    assert text.count("<details>") == text.count("</details>") <= 1
    return len(text.encode("utf-8"))


def test_markdown_has_the_totals_and_collapsed_layers(both: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", *both, "-f", "markdown", "--fail-if", "params > +1K"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "### tiny",
        "",
        "**params \\> +1K: params changed by +6,528 (+168.2%), from 3,882 to 10,410**",
        "",
        "|  | old | new | change |  |",
    ]
    assert "| params | 3,882 | 10,410 | +6,528 | +168.2% |" in lines
    assert lines.index("<details>") < lines.index("</details>")
    assert (
        "| changed | \\*.conv1 | kernel\\_size 3×3 → 5×5, padding 1 → 2 | 3 | 8×16×16…16×16×16 | +6.53 K | +1.67 M |"
    ) in lines


def test_a_comment_is_never_too_long() -> None:
    largest = difference("densenet121", "resnet152")
    assert sizes(difference_markdown(largest, [])) < 65_536
    kinds = ["relu", "gelu", "silu", "tanh", "mish"]

    def long(turn: int) -> convcalc.Report:
        letters = str.maketrans("0123456789", "abcdefghij")
        names = [f"{turn} {index} ".translate(letters).replace(" ", "_") * 12 for index in range(3_000)]
        layers = [{kinds[(index * (turn + 1)) % 5]: {"name": name}} for index, name in enumerate(names)]
        return convcalc.analyse(load({"input": [3, 8, 8], "layers": layers, "outputs": names}))

    text = difference_markdown(compare_reports(long(0), long(1)), ["x" * 100_000] * 100)
    assert sizes(text) < 65_536
    assert re.search(r"[0-9,]+ more rows are not shown", text)
    assert re.search(r"[0-9,]+ more other values are not shown", text)


HOSTILE = '"evil\\e[31m | <script>alert(1)</script> \\n# `x` [a](b) \\u202e"'


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_names_and_values_cannot_inject_markup(form: str, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    old = write("old.yaml", OLD)
    # a name with a line break is refused, so the text is in a spec parameter, which may hold any string
    text = NEW.replace("classes: 10}", f"classes: 10, note: {HOSTILE}}}").replace(
        "name: tiny", 'name: "<script>|`x` @all $x$"'
    )
    new = write("new.yaml", text)
    assert run(["diff", old, new, "-f", form]) == 0
    assert run(["diff", old, new, "-f", form, "--fail-if", "macs > 1%"]) == 1
    printed = capsys.readouterr()
    assert not re.search(r"[\x1b\u202e]", printed.out + printed.err)
    if form == "markdown":
        assert "<script>" not in printed.out
        assert not re.search(r"(?<!\\)`x", printed.out)
        assert "@all" not in printed.out  # nobody is mentioned
        assert not re.search(r"(?<!\\)\$", printed.out)  # nothing is rendered as a formula
        widths = {line.count(" | ") for line in printed.out.splitlines() if line.startswith("| ")}
        assert len(widths) == 2  # two tables


# -- conditions and exit status


def test_a_condition_that_holds_exits_with_1_and_states_by_how_much(
    both: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["diff", *both, "--fail-if", "layers > 5", "--fail-if", "peak_memory < -10%"]) == 0
    assert capsys.readouterr().err == ""
    assert run(["diff", *both, "--fail-if", "layers > 5", "--fail-if", "weight_memory > +1KiB"]) == 1
    assert capsys.readouterr().err == (
        "convcalc: weight_memory > +1KiB: weight_memory changed by +26,112 B (+168.2%), from 15,528 B to 41,640 B\n"
    )


def test_exit_code_tells_whether_anything_differs(both: list[str]) -> None:
    assert run(["diff", *both]) == 0
    assert run(["diff", *both, "--exit-code"]) == 1
    assert run(["diff", both[0], both[0], "--exit-code"]) == 0
    assert run(["diff", both[0], both[0], "--exit-code", "--set-new", "width=9"]) == 1


def test_a_wrong_condition_is_shown_with_a_caret(both: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", *both, "--fail-if", "peek_memory > +5%"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "convcalc: --fail-if: no metric 'peek_memory': did you mean peak_memory?",
        "  peek_memory > +5%",
        "  ^^^^^^^^^^^",
    ]


def test_params_are_set_on_both_sides_or_one(both: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def given(*options: str) -> list[dict[str, int]]:
        assert run(["diff", *both, "-f", "json", *options]) == 0
        found = json.loads(capsys.readouterr().out)
        return [found[side]["params"] for side in ("old", "new")]

    assert given("--set", "width=4") == [{"width": 4, "classes": 10}] * 2
    assert given("--set", "width=4", "--set-old", "width=2") == [
        {"width": 2, "classes": 10},
        {"width": 4, "classes": 10},
    ]
    assert given("--set-new", "classes=3") == [{"width": 8, "classes": 10}, {"width": 8, "classes": 3}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["old.yaml"], "diff takes two networks, OLD and NEW, or one file with --git REV; got 1"),
        (["old.yaml", "new.yaml", "old.yaml"], "got 3"),
        (["-", "-"], "only one of the networks can come from standard input"),
        (["old.yaml", "ne.yaml"], "ne.yaml: no such file: did you mean new.yaml?"),
        (["old.yaml", "new.yaml", "--set-old", "widht=4"], "OLD, old.yaml: the spec has no parameter 'widht': did you"),
        (["old.yaml", "bare.yaml", "--set", "width=4"], "NEW, bare.yaml: the spec has no parameter 'width'"),
        (["old.yaml", "new.yaml", "--set-new", "width"], "--set-new must be NAME=VALUE; got 'width'"),
        (["old.yaml", "new.yaml", "-o", "new.yaml"], "is also an input file"),
        (["old.yaml", "new.yaml", "--git", "HEAD"], "--git REV takes exactly one file"),
        (["example:lenet5", "--git", "HEAD"], "--git REV takes exactly one file"),
        (["-", "--git", "HEAD"], "--git REV takes exactly one file"),
    ],
)
def test_what_cannot_be_done_is_explained_and_exits_with_2(
    arguments: list[str], said: str, both: list[str], write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("bare.yaml", "input: [3, 8, 8]\nlayers: [relu]\n")
    assert run(["diff", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err


def test_the_problems_of_both_files_are_reported(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    bad = [write(name, OLD.replace("kernel_size", "kernel_sze")) for name in ("one.yaml", "two.yaml")]
    assert run(["diff", *bad]) == 1
    printed = capsys.readouterr()
    places = re.findall(r"^(\w+\.yaml):8:", printed.err, re.MULTILINE)
    assert places == sorted(places)
    assert set(places) == {"one.yaml", "two.yaml"}
    assert run(["diff", *bad, "-f", "json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert {problem["file"] for problem in problems} == {"one.yaml", "two.yaml"}


# -- git

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(*arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(write: Write) -> Write:
    git("init", "-q")
    Path("nets").mkdir()
    write("nets/net.yaml", OLD)
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return write


@needs_git
def test_a_file_is_compared_with_its_version_at_a_revision(
    repository: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository("nets/net.yaml", NEW)
    for arguments in (["--git", "HEAD", "nets/net.yaml"], ["nets/net.yaml", "--git=HEAD"]):
        assert run(["diff", *arguments, "-f", "json", "--exit-code"]) == 1
        found = json.loads(capsys.readouterr().out)
        assert [found[side]["file"] for side in ("old", "new")] == ["HEAD:nets/net.yaml", "nets/net.yaml"]
        assert [found["totals"]["params"][side] for side in ("old", "new")] == [3882, 10410]
    git("commit", "-q", "-a", "-m", "second")
    monkeypatch.chdir("nets")
    assert run(["diff", "--git", "HEAD", "net.yaml", "--exit-code"]) == 0
    assert run(["diff", "--git", "HEAD~1", "net.yaml", "--exit-code"]) == 1


@needs_git
@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("nosuch", "git revision nosuch does not exist"),
        ("HEAD~7", "git revision HEAD~7 does not exist"),
        ("--help", "--help is not a git revision"),
        ("-C/", "-C/ is not a git revision"),
        ("", "an empty name is not a git revision"),
        ("HEAD:nets", "HEAD:nets is not a git revision"),
        ("a\x1b[31mb", "git revision a\\x1b[31mb does not exist"),
        ("HEAD", "nets/new.yaml does not exist in git revision HEAD"),
    ],
)
def test_what_git_does_not_have_is_reported(
    revision: str, said: str, repository: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    repository("nets/new.yaml", NEW)
    assert run(["diff", f"--git={revision}", "nets/new.yaml"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err


@needs_git
def test_a_missing_repository_or_git_is_reported(
    both: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    assert run(["diff", "--git", "HEAD", "old.yaml"]) == 2
    assert "old.yaml is not in a readable git repository" in capsys.readouterr().err
    assert run(["diff", "--git", "HEAD", "absent.yaml"]) == 2
    assert "absent.yaml: no such file" in capsys.readouterr().err
    monkeypatch.setenv("PATH", "")
    assert run(["diff", "--git", "HEAD", "old.yaml"]) == 2
    assert "git is not installed" in capsys.readouterr().err


@needs_git
def test_a_wrong_old_version_is_shown_at_its_revision(repository: Write, capsys: pytest.CaptureFixture[str]) -> None:
    repository("nets/net.yaml", OLD.replace("kernel_size", "kernel_sze"))
    git("commit", "-q", "-a", "-m", "wrong")
    repository("nets/net.yaml", OLD)
    assert run(["diff", "--git", "HEAD", "nets/net.yaml"]) == 1
    assert "HEAD:nets/net.yaml:8:" in capsys.readouterr().err


@needs_git
def test_an_old_version_is_subject_to_the_limits_of_any_spec(
    repository: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    repository("nets/net.yaml", OLD + "#" * (5 * 1024 * 1024))
    git("commit", "-q", "-a", "-m", "large")
    repository("nets/net.yaml", OLD)
    assert run(["diff", "--git", "HEAD", "nets/net.yaml"]) == 1
    assert "larger than 4 MiB" in capsys.readouterr().err


@needs_git
def test_nothing_is_quoted_from_an_old_version_behind_a_link(
    repository: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("nets/link.yaml").symlink_to("secret-hunter2")
    git("add", ".")
    git("commit", "-q", "-m", "link")
    repository("nets/secret-hunter2", OLD)
    assert run(["diff", "--git", "HEAD", "nets/link.yaml"]) == 1
    printed = capsys.readouterr()
    assert "hunter2" not in printed.out + printed.err


def test_json_and_table_agree_on_the_totals() -> None:
    found = difference("resnet18", "resnet34")
    totals = json.loads(difference_json(found, []))["totals"]
    lines = plain_text(difference_lines(found, None, layers=False)).splitlines()
    titles = {"params": "params", "MACs": "macs", "FLOPs": "flops", "layers": "layers"}
    for title, name in titles.items():
        [line] = [line for line in lines if line.startswith(f"{title} ")]
        old, new, change, _ = line.removeprefix(title).split()
        assert [int(text.replace(",", "")) for text in (old, new, change)] == [
            totals[name][key] for key in ("old", "new", "change")
        ]


def test_fields_of_the_whole_input_are_equal_whatever_its_size() -> None:
    small, large = (convcalc.summary({"input": [1, size], "layers": ["global_avgpool"]}) for size in (100, 200))
    found = compare_reports(small, large)
    total = json.loads(difference_json(found, []))["totals"]["receptive_field"]
    assert {name: total[name] for name in ("old", "new", "change", "relative")} == {
        "old": 100,
        "new": 200,
        "change": 0,
        "relative": 0,
    }
    assert parse_condition("receptive_field > 0%").holds(found.figures["receptive_field"]) is False
    assert parse_condition("receptive_field != 0").holds(found.figures["receptive_field"]) is False
