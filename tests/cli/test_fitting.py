"""The values within a budget, compared with every value evaluated separately."""

import csv
import io
import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.problems import Flaw
from convcalc.space.values import expand_values
from convcalc.spec.source import read_value
from tests.support.places import EXAMPLES

MOBILENET = str(EXAMPLES / "mobilenet_v1.yaml")
# 2-D, valid from size 5; params: width × (3 × 25 + 1)
NET = """
params: {width: 1, size: 8}
input: [3, $size, $size]
layers:
  - conv: {out_channels: $width, kernel_size: 5}
"""
WIDTHS = [0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75]


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(NET, encoding="utf-8")
    return "net.yaml"


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict[str, Any]:
    assert run(["fit", *arguments, "-f", "json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 2) -> str:
    assert run(["fit", *arguments]) == status
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_fit_agrees_with_every_value_evaluated_separately(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = [96, 128, 160]
    kept = []
    for width, size in itertools.product(WIDTHS, sizes):
        totals = convcalc.summary(MOBILENET, params={"width": width, "size": size}, dtype="int8").totals
        assert totals.macs is not None
        if totals.peak_memory <= 256 * 1024 and totals.macs <= 50_000_000:
            kept.append((totals.macs, {"width": width, "size": size}))
    options = ["-p", "width=0.25:0.75:0.05", "-p", "size=96,128,160", "--dtype", "int8"]
    found = answer(capsys, MOBILENET, *options, "--max-peak-memory", "256KiB", "--max-macs", "50M")
    assert found["tried"] == {"width": WIDTHS, "size": sizes}
    assert 0 < len(kept) < len(WIDTHS) * len(sizes)
    by_macs = sorted(kept, key=lambda pair: -pair[0])
    assert [fit["params"] for fit in found["fits"]] == [values for _, values in by_macs]
    assert [fit["figures"]["macs"] for fit in found["fits"]] == [macs for macs, _ in by_macs]


def test_the_best_is_listed_with_its_neighbours_that_exceed_the_budget(
    net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # width × 76 params, 152 to 380: widths 2 to 5
    found = answer(capsys, net, "-p", "width=1:9:1", "--max-params", "380", "--min-params", "152")
    assert [fit["params"]["width"] for fit in found["fits"]] == [5, 4, 3, 2]
    assert [beyond["params"]["width"] for beyond in found["exceeding"]] == [6, 1]
    assert found["exceeding"][0]["problems"] == ["456 params exceed the budget of 380 by 20.0% (--max-params)"]


@pytest.mark.parametrize(
    ("by", "widths"),
    [
        ("params", [3, 2, 1]),
        ("-params", [1, 2, 3]),
        ("layers", [3, 2, 1]),  # all networks have one layer: the largest value comes first
        ("-layers", [1, 2, 3]),
        ("weights", [3, 2, 1]),
        ("-MACs", [1, 2, 3]),
    ],
)
def test_the_best_is_the_largest_or_smallest_of_a_figure(
    net: str, by: str, widths: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, net, "-p", "width=1:9:1", "--max-params", "240", "--by", by)
    assert [fit["params"]["width"] for fit in found["fits"]] == widths


@pytest.mark.parametrize("by", ["macs", "-macs"])
@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_among_equal_figures_the_largest_or_smallest_value_is_the_best(
    net: str, by: str, order: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Brute force: floor(width) channels, so that several widths have the same figures."""
    Path(net).write_text(NET.replace("$width", "$(floor(width))"), encoding="utf-8")
    widths = [step / 4 for step in range(4, 21)]  # 1 to 5
    sizes = [7, 8, 9]
    within = [(width, size) for width in widths for size in sizes if int(width) * 76 <= 240]
    sign = 1 if by == "-macs" else -1

    def rank(pair: tuple[float, int]) -> tuple[float, ...]:
        width, size = pair
        return sign * int(width) * (size - 4) ** 2 * 75, sign * size, sign * width

    tried = widths if order == "ascending" else widths[::-1]
    asked = ["-p", f"width={','.join(map(str, tried))}", "-p", "size=7:9:1", "--max-params", "240", "--by", by]
    found = answer(capsys, net, *asked)
    assert [(fit["params"]["width"], fit["params"]["size"]) for fit in found["fits"]] == sorted(within, key=rank)
    if by == "macs":
        assert found["fits"][0]["params"] == {"width": 3.75, "size": 9}
        assert [beyond["params"] for beyond in found["exceeding"]] == [{"width": 4.0, "size": 9}]  # one step further


def test_values_other_than_numbers_do_not_decide_between_equal_figures(
    net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(net).write_text(NET.replace("size: 8", "size: 8, note: x, flag: true"), encoding="utf-8")
    asked = ["-p", "width=1,2", "-p", "note=b,c,a", "-p", "flag=true,false", "--max-params", "1M", "--by", "layers"]
    order = [
        (fit["params"]["width"], fit["params"]["note"], fit["params"]["flag"])
        for fit in answer(capsys, net, *asked)["fits"]
    ]
    assert order == [(width, note, flag) for width in (2, 1) for note in "bca" for flag in (True, False)]


def test_the_budget_of_the_spec_also_applies(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text(NET + "budget: {params: 200}\n", encoding="utf-8")
    found = answer(capsys, net, "-p", "width=1,2,3")
    assert [fit["params"]["width"] for fit in found["fits"]] == [2, 1]
    found = answer(capsys, net, "-p", "width=1,2,3", "--max-params", "100")
    assert [fit["params"]["width"] for fit in found["fits"]] == [1]


def test_values_that_make_the_spec_invalid_are_listed(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, net, "-p", "size=3:7:1", "--max-params", "1K")
    assert [fit["params"]["size"] for fit in found["fits"]] == [7, 6, 5]
    assert [invalid["params"]["size"] for invalid in found["invalid"]] == [3, 4]
    assert "kernel of 5 does not fit" in found["invalid"][0]["problem"]


def test_the_nearest_miss_is_named_if_nothing_fits(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, net, "-p", "width=3:9:1", "--max-params", "100", status=1)
    assert (found["fits"], found["nearest"]["params"]) == ([], {"width": 3})
    assert run(["fit", net, "-p", "width=3:9:1", "--max-params", "100"]) == 1
    assert "nearest miss: width 3\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("limits", "nearest"),
    [
        (["--max-macs", "1", "--min-receptive-field", "6"], 5),  # macs grow with the size, the field is always 5
        (["--min-macs", "1G", "--max-receptive-field", "4"], 9),
    ],
)
def test_the_nearest_miss_is_judged_by_its_worst_limit(
    net: str, limits: list[str], nearest: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, net, "-p", "size=5:9:1", *limits, status=1)
    assert found["nearest"]["params"]["size"] == nearest
    assert len(found["nearest"]["problems"]) == 2


def test_a_budget_of_a_layer_or_a_shape_applies(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text(NET + "budget: {per_layer: {'conv*': {params: 100}}}\n", encoding="utf-8")
    found = answer(capsys, net, "-p", "width=2,1", "-p", "size=5,8")
    assert [fit["params"] for fit in found["fits"]] == [{"width": 1, "size": 8}, {"width": 1, "size": 5}]
    Path(net).write_text(NET + "budget: {output_shape: [2, 4, 4]}\n", encoding="utf-8")
    assert [fit["params"]["width"] for fit in answer(capsys, net, "-p", "width=1,2,3")["fits"]] == [2]
    assert answer(capsys, net, "-p", "width=3,4", status=1)["nearest"]["params"] == {"width": 3}


@pytest.mark.parametrize(
    ("written", "values"),
    [
        (["0.25:1.5:0.25"], (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)),
        (["0.1:0.5:0.1"], (0.1, 0.2, 0.3, 0.4, 0.5)),
        (["1:10:4"], (1, 5, 9)),
        (["3:1:-1"], (3, 2, 1)),
        (["2:2:1"], (2,)),
        ([96, "128:160:32", 96], (96, 128, 160)),
        (["relu", True, [1, 2]], ("relu", True, [1, 2])),
        ([1, 1.0, True], (1, 1.0, True)),
    ],
)
def test_a_range_includes_both_ends_and_has_exact_steps(written: list[Any], values: tuple[Any, ...]) -> None:
    assert repr(expand_values(written)) == repr(values)


@pytest.mark.parametrize(
    "text", ["1:2", "0.1..2", "1...3", "1:2:0", "2:1:1", "1:2:3:4", ":", "0:1:0.0000000001", f"1:{'9' * 18}:1"]
)
def test_an_invalid_range_is_refused(text: str) -> None:
    with pytest.raises(Flaw):
        expand_values([text])


def test_the_number_of_values_is_limited(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, net, "-p", "width=1:101000:1", "-p", "size=1:10000:1", "--max-params", "1M")
    assert said == "convcalc: -p: 1,010,000,000 combinations exceed the limit of 1,000,000,000: use a larger step\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "width=1,2"], "no budget: set one with an option such as --max-macs or --max-peak-memory"),
        (["-p", "widht=1,2", "--max-params", "1M"], "the spec has no parameter 'widht': did you mean width?"),
        (["-p", "width", "--max-params", "1M"], "-p must be NAME=VALUES, such as width=0.25:1.5:0.05; got 'width'"),
        (["-p", "width=", "--max-params", "1M"], "-p width: no values to try"),
        *(
            (
                ["-p", f"width={text}", "--max-params", "1M"],
                f"-p width: {text!r} is not a range: use start:stop:step",
            )
            for text in ("0.25:nan:1", "0.25:inf:1", "-Infinity:1:1", "0:1e9:1", "1:2", "1:2:3:4")
        ),
        (
            ["-p", "width=0.1..2", "--max-params", "1M"],
            "convcalc: -p width: '0.1..2' is not a range: use start:stop:step, such as 0.25:1.5:0.05\n",
        ),
        (
            ["-p", "width=1]", "--max-params", "1M"],
            "-p width: '1]' is not a list of values: unmatched ]: remove it, or put the value in quotes",
        ),
        (["-p", "width=1", "-p", "width=2", "--max-params", "1M"], "-p: 'width' is given twice"),
        (["-p", "width=1", "--set", "width=2", "--max-params", "1M"], "-p: 'width' is given twice"),
        (["-p", "width={}", "--max-params", "1M"], "a spec parameter must be a number, true, false, text or a list"),
        (["-p", "width=1", "--max-params", "1M", "--by", "mac"], "--by: unknown metric 'mac': did you mean macs?"),
        (["-p", "\x1b[2J=1", "--max-params", "1M"], "\\x1b[2J"),
    ],
)
def test_an_impossible_request_is_explained_in_one_line(
    net: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, net, *arguments)
    assert message in said
    assert "\x1b" not in said


def test_a_spec_invalid_for_all_values_is_reported(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text(NET.replace("kernel_size", "kernel_sise"), encoding="utf-8")
    said = refused(capsys, net, "-p", "width=1,2", "--max-params", "1M", status=1)
    assert "net.yaml:5:34: conv has no argument 'kernel_sise'" in said


def test_a_file_that_is_not_yaml_is_reported_as_such(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text("params: {width: 1}\nlayers: [\n", encoding="utf-8")
    assert "net.yaml:2:9: [ is never closed" in refused(capsys, net, "-p", "width=1,2", "--max-params", "1M", status=1)


def test_nothing_is_quoted_from_a_file_behind_a_link(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text(NET.replace("kernel_size", "secret"), encoding="utf-8")
    Path("link.yaml").symlink_to(net)
    said = refused(capsys, "link.yaml", "-p", "width=1,2", "--max-params", "1M", status=1)
    assert "link.yaml:5:" in said
    assert "secret" not in said


def test_csv_and_quiet_are_for_scripts(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["fit", net, "-p", "width=1:3:1", "-p", "size=8,9", "--max-params", "200"]
    assert run([*arguments, "-f", "csv", "--limit", "2"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["width"], row["size"], row["params"], row["macs"]) for row in rows] == [
        ("2", "9", "152", str(2 * 25 * 75)),
        ("2", "8", "152", str(2 * 16 * 75)),
    ]
    assert run([*arguments, "-q"]) == 0
    assert capsys.readouterr().out == "--set width=2 --set size=9\n"
    assert run([*arguments[:4], "--max-params", "1", "-q"]) == 1
    assert capsys.readouterr().out == ""


TWO_INPUTS = """
params: {width: 4, size: 8, act: relu, kernel: [3, 3]}
inputs: {left: [3, $size, $size], right: [3, $size, $size]}
layers:
  - conv: {out_channels: $width, kernel_size: $kernel, from: left, name: a}
  - batchnorm
  - $act: {name: activation}
  - conv: {out_channels: $width, kernel_size: $kernel, from: right}
  - add: {from: [activation, conv2]}
"""
ASKED: list[list[str]] = [
    ["--dtype", "int8"],
    ["--dtype", "weights=int8,activations=int16,bias=int32"],
    ["--batch", "2"],
    ["--fold-batchnorm"],
    ["--no-inplace"],
    ["--input", "left=3,11,13", "--input", "right=3,11,13"],
    ["--set", "size=9"],
]


def promised_and_shown(capsys: pytest.CaptureFixture[str], net: str, asked: list[str]) -> tuple[Any, Any]:
    """The figures that fit reports for the best, and those of a summary with the options that fit prints."""
    [best, *_] = answer(capsys, net, *asked)["fits"]
    assert run(["fit", net, *asked, "-q"]) == 0
    options = capsys.readouterr().out
    assert options.count("\n") == 1
    assert run(["summary", net, *shlex.split(options), "-f", "json"]) == 0
    totals = json.loads(capsys.readouterr().out)["totals"]
    return best["figures"], {metric: totals[metric] for metric in best["figures"]}


@pytest.mark.parametrize("count", [0, 1, 2, len(ASKED) - 1, len(ASKED)])  # other numbers take long
def test_summary_confirms_the_promised_figures_with_the_printed_options(
    count: int, net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(net).write_text(TWO_INPUTS, encoding="utf-8")
    seen = set()
    for options in itertools.combinations(ASKED, count):
        chosen = [word for option in options for word in option]
        promised, shown = promised_and_shown(capsys, net, ["-p", "width=2:20:3", "--max-params", "1500", *chosen])
        assert promised == shown, chosen
        seen.add(tuple(promised.values()))
    assert len(seen) > 1 or count in (0, len(ASKED))  # otherwise no option would matter


@pytest.mark.parametrize("tried", ["act=relu,gelu", "kernel=[3, 3],[1, 5]", 'act="relu"', "act=sigmoid"])
def test_texts_and_lists_can_be_read_back(tried: str, net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text(TWO_INPUTS, encoding="utf-8")
    asked = ["-p", tried, "--max-params", "1M", "--batch", "3", "--by", "-macs"]
    promised, shown = promised_and_shown(capsys, net, asked)
    assert promised == shown


def test_a_long_list_is_complete_in_csv(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text("params: {w: [1]}\ninput: [3, 8, 8]\nlayers: [{conv: {out_channels: 1, kernel_size: 1}}]\n")
    values = list(range(1000, 1030))
    assert run(["fit", net, "-p", f"w={values}", "--max-params", "1M", "-f", "csv"]) == 0
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert json.loads(row["w"]) == values


def test_a_shell_splits_the_printed_options_correctly(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`$(…)` splits at spaces and ignores quotes; xargs respects quotes."""
    asked = ["-p", "width=1,2", "--max-params", "1K", "--set", "size=9", "--batch", "2", "--dtype", "weights=int8"]
    assert run(["fit", net, *asked, "--input", "3,9,9", "-q"]) == 0
    out = capsys.readouterr().out
    assert out.split() == shlex.split(out)
    assert out == "--set size=9 --set width=2 --input 3,9,9 --batch 2 --dtype weights=int8\n"


def test_a_shell_splits_a_printed_list_correctly(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text(TWO_INPUTS, encoding="utf-8")
    assert run(["fit", net, "-p", "kernel=[3, 3],[1, 5]", "--max-params", "1M", "--by", "-macs", "-q"]) == 0
    out = capsys.readouterr().out
    assert out.split() == shlex.split(out)
    assert out in ("--set kernel=[3,3]\n", "--set kernel=[1,5]\n")


def test_the_budget_of_the_spec_can_be_ignored(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text(NET + "budget: {params: 200}\n", encoding="utf-8")
    tried = ["-p", "width=1:4:1", "--max-params", "250"]
    assert [fit["params"]["width"] for fit in answer(capsys, net, *tried)["fits"]] == [2, 1]
    found = answer(capsys, net, *tried, "--no-spec-budget")  # width × 76
    assert [fit["params"]["width"] for fit in found["fits"]] == [3, 2, 1]
    assert found["limits"] == [{"metric": "params", "max": 250}]
    assert "no budget: set one" in refused(capsys, net, "-p", "width=1,2", "--no-spec-budget")


@pytest.mark.parametrize(
    ("own", "asked", "limits"),
    [
        ("{params: 200}", ["--max-params", "250"], [{"metric": "params", "max": 200}]),
        ("{params: 200}", ["--max-params", "150"], [{"metric": "params", "max": 150}]),
        ("{params: {min: 10}}", ["--max-params", "150"], [{"metric": "params", "min": 10, "max": 150}]),
        (
            "{params: 200, per_layer: {conv1: {params: 100}}}",
            ["--max-params", "250"],
            [{"metric": "params", "max": 200}, {"metric": "params", "max": 100, "layers": "conv1"}],
        ),
    ],
)
def test_a_figure_has_only_one_limit(
    own: str, asked: list[str], limits: list[dict[str, Any]], net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(net).write_text(f"{NET}budget: {own}\n", encoding="utf-8")
    assert answer(capsys, net, "-p", "width=1", *asked)["limits"] == limits


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_the_table_fits_the_terminal(
    net: str, columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert run(["fit", net, "-p", "width=1:30:1", "-p", "size=2:8:2", "--max-params", "1K", "--limit", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = lines[: lines.index("and 23 more: --limit 0 lists all")]
    assert all(len(line) <= int(columns) for line in table)
    assert any("params" in line for line in table)


def test_markdown_is_escaped(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text("name: a|b*\n" + NET, encoding="utf-8")
    assert run(["fit", net, "-p", "width=1,2,30", "--max-params", "200", "-f", "markdown"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("### a\\|b\\*: params ≤ 200\n")
    assert "| 2 | 152 |" in text
    assert "- exceeds the budget: **width 30**" in text


OPAQUE = """
params: {width: 1, known: true}
input: [3, 8, 8]
layers:
  - conv: {out_channels: $width, kernel_size: 5}
  - opaque: {output_shape: [1], when: $(width == 2)}
"""


@pytest.mark.parametrize("by", ["macs", "-macs"])
def test_an_unknown_figure_is_never_the_best(net: str, by: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text(OPAQUE, encoding="utf-8")
    found = answer(capsys, net, "-p", "width=1:3:1", "--max-params", "1K", "--by", by)
    assert [fit["params"]["width"] for fit in found["fits"]] == ([3, 1, 2] if by == "macs" else [1, 3, 2])
    assert found["fits"][-1]["figures"]["macs"] is None


@pytest.mark.parametrize("value", ['"3"', '"true"', "relu", "0.5", "true", "[1, 2]", '["3", a b]', f"[{'1, ' * 40}2]"])
def test_the_printed_options_are_read_as_the_values_that_were_tried(
    net: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(net).write_text(NET.replace("size: 8", "size: 8, note: x"), encoding="utf-8")
    asked = ["-p", f"note={value}", "--max-params", "1M"]
    [fit] = answer(capsys, net, *asked)["fits"]
    assert run(["fit", net, *asked, "-q"]) == 0
    [option, text] = shlex.split(capsys.readouterr().out)
    name, _, written = text.partition("=")
    assert (option, name) == ("--set", "note")
    assert repr(read_value(written)) == repr(fit["params"]["note"])


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_every_line_fits_the_terminal_without_two_empty_lines_in_a_row(
    net: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for budget, status in (("160", 0), ("1", 1), ("1K", 0)):
        asked = ["-p", "width=-1:4:1", "-p", "size=3:9:1", "--max-params", budget, "--max-peak-memory", "1KiB"]
        assert run(["fit", net, *asked]) == status
        out = capsys.readouterr().out
        assert max(map(len, out.splitlines())) <= columns
        assert "\n\n\n" not in out
        assert "--max-\n" not in out
        assert not re.search(r"[0-9]\n +%", out)
        assert "combinations with an invalid spec" in out


def test_long_parameter_names_are_spread_over_lines(
    net: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    Path(net).write_text(NET.replace("size: 8", "size: 8, learning_curriculum: 1, temperature: 2"), encoding="utf-8")
    asked = ["-p", "learning_curriculum=1", "-p", "temperature=2", "-p", "size=9", "--max-params", "1"]
    assert run(["fit", net, *asked]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    place = next(index for index, line in enumerate(lines) if line.startswith("nearest miss: learning_curriculum 1"))
    assert lines[place + 1] == "  temperature 2, size 9"


@pytest.mark.parametrize("values", ["1]", "1 : 5 : 2", "3,,5", "[1", "'1", "1e0:3e0:1e0", "1:2e0:1"])
def test_values_that_cannot_be_read_are_shown(net: str, values: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, net, "-p", f"width={values}", "--max-params", "1M")
    assert said.startswith("convcalc: -p width: '"), said
    assert values in said


def test_a_single_result_is_worded_in_the_singular(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", net, "-p", "width=1:3:1", "--max-params", "80"]) == 0
    assert "1 of 3 combinations fits the budget" in capsys.readouterr().out
