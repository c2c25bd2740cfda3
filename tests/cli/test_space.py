"""`convcalc space`: its table, the networks it lists, the options and specs it writes, and its errors."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.render.space import count_text

UNIT = """\
# a comment that is kept
params: {depth: 2}  # another one
space:
  depth: [1, 2, 3]
  kernel: {choices: [1, 3], per: copy}
  act: {choices: [relu, "on"], per: copy}
input: [4, 8, 8]
blocks:
  "on": {layers: [gelu]}
layers:
  - sequence:
      - conv: {out_channels: 4, kernel_size: $kernel, padding: same}
      - $act
    repeat: $depth
"""
# with one copy 2 × 2 networks, with two 16, with three 64
NETWORKS = 84


@pytest.fixture
def net(tmp_path: Path) -> str:
    file = tmp_path / "unit.yaml"
    file.write_text(UNIT.replace('"on"', "other"), encoding="utf-8")
    return str(file)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = run(["space", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def read_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    status, out, err = answer(capsys, *arguments, "-f", "json")
    assert (status, err) == (0, "")
    document: dict[str, Any] = json.loads(out)
    return document


def test_the_table_has_the_number_of_networks_and_their_figures(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = answer(capsys, net, "--max-params", "200")
    assert status == 0
    assert out.startswith(
        f"unit\n{NETWORKS} networks · depth ×3 · kernel ×2 per copy · act ×2 per copy\nparams ≤ 200\n"
    )
    # 4 × 4 + 4 and 3 × 3 × 16 + 4 params: at most one kernel of 3 fits
    within = 2 * 2 + 3 * 2**2 + 4 * 2**3
    assert f"{within} networks ({100 * within / NETWORKS:.3g}%) are within the budget\n" in out


def test_a_choice_that_no_network_uses_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "n.yaml"
    file.write_text(
        "space: {k: [1, 3], z: [1, 2]}\ninput: [3, 9]\nlayers: [{conv: {out_channels: 2, kernel_size: $k}}]"
    )
    assert answer(capsys, str(file))[1].splitlines()[1] == "2 networks · k ×2 · z ×2 unused"


def test_the_histogram_is_left_out_if_it_would_take_too_long(
    net: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_FEW_SUMS", 0), ("_MUCH_ADDED_BYTES", 0), ("_ROUGH_BYTES", 1), ("_MOST_ADDED_BYTES", 0)):
        monkeypatch.setattr(f"convcalc.space.counting.{name}", value)
    out = answer(capsys, net)[1]
    assert "the networks have too many different values of MACs for quantiles and a histogram" in out
    assert "MACs from" not in out
    found = read_json(capsys, net)["figures"]["macs"]
    assert (found["min"], found["quantiles"], found["histogram"]) == (4 * 4 * 64, {}, [])


def test_a_number_that_is_too_much_work_is_estimated(
    net: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("counting._MOST_JOINT_SUMS", "counting._MOST_SLOT_BYTES", "sampling._FEW_SUMS"):
        monkeypatch.setattr(f"convcalc.space.{name}", 0)
    limits = ["--max-params", "200", "--max-macs", "12K"]
    out = answer(capsys, net, *limits)[1]
    assert re.search(
        r"^about \d+ networks \(\S+%\) are within the budget · \S+% to \S+% with 95% confidence$", out, re.M
    )
    document = read_json(capsys, net, *limits)
    estimate = document["within_budget_estimate"]
    assert document["within_budget"] is None
    assert estimate["low"] <= estimate["networks"] <= estimate["high"]
    assert estimate["low"] - 2 <= 48 <= estimate["high"] + 2  # 2 × 2 + 3 × 2² + 4 × 2³, as all have at most 12 K MACs


def test_numbers_beyond_floats_are_written() -> None:
    assert count_text(123_456 * 10**400) == "1.235e+405"
    assert count_text(99_996 * 10**40) == "1.000e+45"
    assert count_text(10**20) == "100,000,000,000,000,000,000"


def test_set_fixes_a_choice(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_json(capsys, net, "--set", "depth=3")["networks"] == 64
    assert read_json(capsys, f"{net}@depth=3,kernel=[1,3,3]")["networks"] == 8


def test_the_exit_status_is_1_if_no_network_is_within_the_budget(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, net, "--max-params", "1")[0] == 1
    status, out, _ = answer(capsys, net, "--max-params", "1", "--best", "params")
    assert (status, out.splitlines()[-1]) == (1, "no network is within the budget")
    assert answer(capsys, net, "--max-params", "1", "--sample", "3")[0] == 1


@pytest.mark.parametrize("options", [["--best", "params"], ["--best", "-macs"], ["--sample", "3", "--seed", "2"]])
def test_the_options_of_a_network_give_its_figures(
    net: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    limit = ["--max-params", "400", "--batch", "2", "--dtype", "weights=int8", "--input", "4,6,6"]
    found = read_json(capsys, net, *options, *limit)["found"]
    _, out, _ = answer(capsys, net, *options, *limit, "-q")
    lines = out.splitlines()
    assert len(lines) == len(found)
    for line, one in zip(lines, found, strict=True):
        assert "'" not in line  # a shell does not remove quotes that come out of $(…)
        capsys.readouterr()
        assert run(["summary", net, "-f", "json", *shlex.split(line)]) == 0
        totals = json.loads(capsys.readouterr().out)["totals"]
        assert {name: totals[name] for name in one["figures"]} == one["figures"]


def test_written_specs_have_the_figures_and_keep_the_comments(
    net: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "drawn"
    found = read_json(capsys, net, "--sample", "3", "--emit", str(folder))["found"]
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["unit-1.yaml", "unit-2.yaml", "unit-3.yaml"]
    for file, one in zip(files, found, strict=True):
        text = file.read_text(encoding="utf-8")
        assert text.startswith("# a comment that is kept\n")
        assert "}  # another one\n" in text
        totals = convcalc.analyse(convcalc.load(str(file))).totals
        assert {name: getattr(totals, name) for name in one["figures"]} == one["figures"]
        assert read_json(capsys, str(file))["networks"] == NETWORKS


@pytest.mark.parametrize(
    "text",
    [
        "space: {n: [1, 2], k: {choices: [1, 3], per: copy}}\ninput: [3, 9]\n",
        "params:\n  w: 3\nspace: {n: [1, 2], k: {choices: [1, 3], per: copy}, w: [3, 4]}\ninput: [3, 9]\n",
        "params: {w: 3}\nspace: {n: [1, 2], k: {choices: [1, 3], per: copy}, w: [3, 4]}\ninput: [3, 9]\n",
    ],
)
def test_specs_are_written_wherever_their_parameters_are(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "n.yaml"
    file.write_text(text + "layers: [{conv: {out_channels: 3, kernel_size: $k, repeat: $n}}]\n", encoding="utf-8")
    [found] = read_json(capsys, str(file), "--best", "params", "--emit", str(tmp_path / "out"))["found"]
    totals = convcalc.analyse(convcalc.load(str(tmp_path / "out" / "n-1.yaml"))).totals
    assert totals.params == found["figures"]["params"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("{n: &n 2, k: 3, m: *n}", "params cannot be rewritten: a value has an anchor, an alias or comes through <<"),
        ("{n: &n 2, k: *n, m: 4}", "params cannot be rewritten: a value has an anchor, an alias or comes through <<"),
        ("{}", "the values cannot be written into params: params is empty: remove it"),
    ],
)
def test_a_spec_that_cannot_be_rewritten_is_not_written(
    params: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "n.yaml", tmp_path / "out"
    layers = "layers: [{linear: $n}, {linear: $k}, {linear: $m}]\n"
    text = f"params: {params}\nspace: {{n: [1, 2], k: [2, 3], m: [2, 4]}}\ninput: [3]\n{layers}"
    file.write_text(text, encoding="utf-8")
    assert answer(capsys, str(file), "--best", "-params", "--emit", str(folder))[::2] == (
        2,
        f"convcalc: --emit: {message}\n",
    )
    assert not folder.exists()


def test_a_spec_behind_a_symbolic_link_is_not_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "space: {n: [1, 2]}\ninput: [3]\nlayers: [{linear: $n}]\n"
    (tmp_path / "secret").write_text(text, encoding="utf-8")
    (tmp_path / "net.yaml").symlink_to("secret")
    found = answer(capsys, str(tmp_path / "net.yaml"), "--best", "params", "--emit", str(tmp_path / "out"))
    assert found[::2] == (2, "convcalc: --emit: the contents of a file behind a symbolic link are not copied\n")


def test_no_spec_is_written_over_another_one(net: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "unit-2.yaml").write_text("mine", encoding="utf-8")
    status, _, err = answer(capsys, net, "--sample", "2", "--emit", str(tmp_path))
    assert status == 2
    assert "unit-2.yaml already exists: nothing was written" in err
    assert not (tmp_path / "unit-1.yaml").exists()


def test_the_stricter_of_two_limits_is_shown_once(tmp_path: Path, net: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "limited.yaml"
    file.write_text(f"{Path(net).read_text(encoding='utf-8')}budget: {{params: 300}}\n", encoding="utf-8")
    limits = ["--max-params", "200", "--max-params", "250"]
    assert read_json(capsys, str(file), *limits)["limits"] == [{"metric": "params", "max": 250}]
    status, out, _ = answer(capsys, str(file), "--max-params", "200", "--best", "params")
    assert (status, out.count("params ≤"), out.count("params ≤ 200")) == (0, 1, 1)


def test_a_name_and_its_value_are_on_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "three.yaml"
    names = ("alpha", "beta", "gamma")
    space = ", ".join(f"{name}: [1, 2]" for name in names)
    file.write_text(f"space: {{{space}}}\ninput: [3]\nlayers: [{{linear: $({' + '.join(names)})}}]\n")
    for width in range(50, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        _, out, _ = answer(capsys, str(file), "--sample", "10")
        assert [len(re.findall(rf"\b{name} [12]\b", out)) for name in names] == [10, 10, 10]


def test_csv_has_lists_as_json(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = read_json(capsys, net, "--sample", "5")["found"]
    _, out, _ = answer(capsys, net, "--sample", "5", "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [json.loads(row["act"]) for row in rows] == [one["params"]["act"] for one in found]


def test_csv_has_a_row_per_network_with_exact_figures(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = read_json(capsys, net, "--sample", "5")["found"]
    _, out, _ = answer(capsys, net, "--sample", "5", "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [int(row["macs"]) for row in rows] == [one["figures"]["macs"] for one in found]
    assert [row["depth"] for row in rows] == [str(one["params"]["depth"]) for one in found]


def test_csv_of_the_space_has_its_histograms(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = answer(capsys, net, "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    for figure in ("params", "macs"):
        assert sum(int(row["networks"]) for row in rows if row["figure"] == figure) == NETWORKS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--best", "param"], "--best: unknown metric 'param': did you mean params?"),
        (["--best", "receptive_field"], "--best: receptive_field is not a sum over the layers: available: layers"),
        (["--pareto", "macs"], "--pareto: expected two different metrics"),
        (["--pareto", "macs,-macs"], "--pareto: expected two different metrics"),
        (["--best", "macs", "--sample", "2"], "--sample cannot be combined with --best"),
        (["-q"], "-q needs --sample, --best or --pareto"),
        (["--emit", "x"], "--emit needs --sample, --best or --pareto"),
        (["--limit", "3"], "--limit needs --sample, --best or --pareto"),
        (["--best", "macs", "--seed", "3"], "--seed needs --sample N"),
        (["--max-arena", "1MiB"], "a limit on arena cannot be checked for a space"),
        (["--best", "macs", "-q", "-f", "csv"], "-q cannot be combined with -f csv"),
        (["--best", "macs", "--emit", "x", "--batch", "2"], "--emit writes spec parameters only"),
        (["--min-receptive-field", "3"], "a limit on receptive_field cannot be checked for a space"),
        (["--min-peak-memory", "3B"], "a minimum of peak_memory cannot be checked"),
        (["--set", "depht=3"], "did you mean depth?"),
        (["--sample", "0"], "0 is not in the range"),
    ],
)
def test_mistakes_in_options_have_clear_messages(
    net: str, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = answer(capsys, net, *options)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input: [3]\nlayers: [relu]\n", "the spec has no choices: add them, such as space: {depth: [2, 3, 4]}"),
        (
            "space: {n: [1, 2]}\ninput: [3]\nlayers: [{linear: $n}]\nbudget: {params: $(10 * n)}\n",
            "the spec's budget depends on n, which has choices: fix it with --set, or ignore the budget with --no-",
        ),
        (
            'space: {n: [1, 2]}\ninput: [3]\nlayers: [{linear: $n}]\nbudget: {per_layer: {"*": {params: 3}}}\n',
            "limits per layer (*) cannot be checked for a space",
        ),
        (
            "space: {n: [1, 2]}\ninput: [3]\nlayers: [{linear: $n}]\nbudget: {flash: {device: nucleo-l4r5zi}}\n",
            "flops, weight_memory, activation_memory, peak_memory: ignore the spec's budget with --no-spec-budget",
        ),
        (
            "space: {n: [1, 2]}\ninput: [3]\nlayers: [{opaque: {output_shape: [$n]}}]\nbudget: {macs: 3}\n",
            "macs is unknown for layer opaque1, so its limit cannot be checked",
        ),
    ],
)
def test_spaces_that_cannot_be_counted_have_clear_messages(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "n.yaml"
    file.write_text(text, encoding="utf-8")
    status, out, err = answer(capsys, str(file))
    assert (status, out) == (2, "")
    assert message in err
    if "budget" in text:
        assert answer(capsys, str(file), "--no-spec-budget")[0] == 0


def test_an_invalid_spec_is_reported_as_by_other_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "n.yaml"
    file.write_text("space: [2]\ninput: [3]\nlayers: [relu]\n", encoding="utf-8")
    status, out, err = answer(capsys, str(file))
    assert (status, out) == (1, "")
    assert ":1:8: space must be a mapping" in err


def test_a_space_with_too_many_states_is_refused_at_the_place_that_couples_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convcalc.space.exploring.MOST_STATES_OF_A_PLACE", 30)
    file = tmp_path / "n.yaml"
    file.write_text(
        "space: {w: {choices: [1, 2, 4, 8], per: copy}}\ninput: [3, 9]\nlayers:\n"
        "- conv: {out_channels: $w, kernel_size: 1, repeat: 8, name: body}\n- concat: [body.*]\n",
        encoding="utf-8",
    )
    status, out, err = answer(capsys, str(file))
    assert (status, out) == (2, "")
    place, excerpt, caret, hint = err.splitlines()
    assert "n.yaml:5:3: the space has too many states: networks reach this entry in 31 ways" in place
    assert "depend on the output shape of 'body'" in place
    assert excerpt.endswith("- concat: [body.*]")
    assert caret.index("^") == excerpt.index("concat")
    assert hint.endswith("= fix some of the choices with --set")


def test_the_names_of_choices_are_completed(net: str) -> None:
    from convcalc.cli.completing import _list_param_names

    assert _list_param_names(net) == ["depth", "kernel", "act"]
