"""`check --fix`: exact rewrites of fixable problems; the rest is reported."""

import os
import subprocess
import sys
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from convcalc.check.fixing import fix
from convcalc.check.rules import RULES
from convcalc.check.runner import Checked, check
from convcalc.check.settings import Settings
from convcalc.cli.main import run
from convcalc.examples import resolve_net
from convcalc.problems import find_close
from convcalc.spec.inputs import Overrides
from convcalc.spec.source import read_text

HEAD = "input: [3, 32, 32]\nlayers:\n"
NORMED = HEAD + "  - conv: {out_channels: 8, kernel_size: 3}  # stem\n  - batchnorm\n"
UNBIASED = NORMED.replace("3}", "3, bias: false}")


def fixed(text: str) -> Checked:
    return fix(read_text(text, "net.yaml"), partial(check, overrides=Overrides(), settings=Settings(), rules=RULES))


def after(text: str) -> str:
    rewritten = fixed(text).rewritten
    assert rewritten is not None
    return rewritten.after


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (NORMED, UNBIASED),
        (NORMED.replace("3}", "3, bias: true}"), UNBIASED),
        (NORMED.replace("kernel_size", "kernel_siez").replace("3}", "3, bias: false}"), UNBIASED),
        (NORMED.replace("kernel_size", "kernel_siez"), UNBIASED),  # the bias is only found in the second round
        (UNBIASED.replace("kernel_size", '"kernelSize"'), UNBIASED),
        (UNBIASED.replace("layers:", "layer:"), UNBIASED),
        (UNBIASED.replace("- batchnorm", "- BatchNorm2d"), UNBIASED),
        (UNBIASED.replace("conv:", "convv:"), UNBIASED),
        (UNBIASED.replace("8", "$(min(8, 16))"), UNBIASED.replace("8", '"$(min(8, 16))"')),
        (UNBIASED.replace("8", "$(8 if 'a' == 'a' and min(1, 2) else 3)"), None),
        (
            "params: {p: 'a  b'}\n" + UNBIASED.replace("8", "$(4 if p == 'a  b' else min(1, 2))"),
            "params: {p: 'a  b'}\n" + UNBIASED.replace("8", "\"$(4 if p == 'a  b' else min(1, 2))\""),
        ),
        (UNBIASED.replace("8", "$(min(8,\n    16))"), UNBIASED.replace("8", '"$(min(8, 16))"')),
        ("description: a   b: c\n" + UNBIASED, 'description: "a   b: c"\n' + UNBIASED),
        ("name: 2024\n" + UNBIASED, 'name: "2024"\n' + UNBIASED),
        (
            "description: He et al.: ResNet  # 2015\n" + UNBIASED,
            'description: "He et al.: ResNet"  # 2015\n' + UNBIASED,
        ),
        ("description: @home\n" + UNBIASED, 'description: "@home"\n' + UNBIASED),
        ('description: a "b": c\n' + UNBIASED, "description: 'a \"b\": c'\n" + UNBIASED),
        (
            "params: {widths: [8, 16]}\n" + UNBIASED.replace("8", "$(widths[0])"),
            "params: {widths: [8, 16]}\n" + UNBIASED.replace("8", '"$(widths[0])"'),
        ),
        (
            "params: {widths: [8, 16]}\n" + UNBIASED.replace("8", "$(max(widths[0], widths[1]))"),
            "params: {widths: [8, 16]}\n" + UNBIASED.replace("8", '"$(max(widths[0], widths[1]))"'),
        ),
        (UNBIASED + "budget: {paramz: 5M}\n", UNBIASED + "budget: {params: 5M}\n"),
        (
            UNBIASED + "budget: {per_layer: {conv1: {macz: 5M}}}\n",
            UNBIASED + "budget: {per_layer: {conv1: {macs: 5M}}}\n",
        ),
    ],
)
def test_exactly_fixable_problems_are_fixed(wrong: str, right: str | None) -> None:
    found = fixed(wrong)
    assert found.rewritten is not None
    if right is None:  # the quotes inside the expression are preserved
        assert "\"$(8 if 'a' == 'a' and min(1, 2) else 3)\"" in found.rewritten.after
    else:
        assert found.rewritten.after == right
    assert found.rewritten.before == wrong
    assert found.problems == ()


@pytest.mark.parametrize(
    "text",
    [
        UNBIASED,
        UNBIASED.replace("8", "0"),
        NORMED.replace("8", "0"),  # whether the bias may be removed is known only once the network is valid
        UNBIASED.replace("kernel_size: 3", "kernel_size: 3, kernel_siez: 3"),  # the right key already exists
        UNBIASED.replace("out_channels: 8", "channels: 8"),  # in_channels and out_channels are both similar
        UNBIASED.replace("out_channels", "filters"),  # a term of another framework is not a typo
        UNBIASED.replace("8", "$(min(8, 16)"),  # its end is unknown
    ],
)
def test_no_fix_is_applied_unless_the_result_is_valid(text: str) -> None:
    assert fixed(text) == check(read_text(text, "net.yaml"), Overrides(), Settings(), RULES)


BLOCK = """\
input: [3, 32, 32]
blocks:
  unit:
    layers:
      - conv: {out_channels: 8, kernel_size: 3}
layers:
  - unit
  - batchnorm
  - unit
  - AFTER
"""


def test_a_bias_that_another_use_of_the_block_needs_is_kept() -> None:
    assert "bias: false" in after(BLOCK.replace("AFTER", "batchnorm"))
    found = fixed(BLOCK.replace("AFTER", "relu"))
    assert found.rewritten is None
    assert [problem.code for problem in found.problems] == ["CV206"]


@pytest.mark.parametrize(
    "entries",
    [
        "  - batchnorm: {when: $on}\n",
        "  - $norm\n",
        "  - relu: {when: $(not on)}\n  - batchnorm\n",
        "  - sequence: [batchnorm]\n    when: $on\n",
    ],
)
def test_a_bias_is_kept_if_other_params_would_disable_its_norm(entries: str) -> None:
    head = "params: {on: true, norm: batchnorm}\n" + NORMED.removesuffix("  - batchnorm\n")
    found = fixed(head + entries)
    assert [problem.code for problem in found.problems] == ["CV206"]
    assert found.rewritten is None
    assert "bias: false" in after(head + "  - batchnorm\n" + entries)


def test_a_bias_behind_an_alias_is_kept() -> None:
    text = "input: [3, 9, 9]\nlayers:\n  - conv: &a {out_channels: 3, kernel_size: 1}\n  - batchnorm\n  - conv: *a\n"
    assert fixed(text).rewritten is None


MERGED = """\
blocks:
  plain: &a
    layers:
      - conv: {out_channels: 8, kernel_size: 1}
  normed:
    <<: *a
layers:
  - plain
  - relu
  - normed
  - batchnorm
input: [3, 9, 9]
"""


def test_a_bias_merged_from_another_block_is_kept() -> None:
    found = fixed(MERGED)
    assert found.rewritten is None
    assert [problem.code for problem in found.problems] == ["CV206"]


@pytest.mark.parametrize(
    "text",
    [
        "x-a: &a {kernel_siez: 3}\n" + UNBIASED.replace("kernel_size: 3", "<<: *a"),
        UNBIASED.replace("kernel_size: 3", "x: &a {kernel_siez: 3}, <<: *a"),
    ],
)
def test_a_key_merged_from_elsewhere_is_not_renamed(text: str) -> None:
    assert fixed(text).rewritten is None


@pytest.mark.parametrize("key", ["&k kernel_siez", "*k "])
def test_a_key_with_an_anchor_or_an_alias_is_not_renamed(key: str) -> None:
    assert fixed("x-a: &k kernel_siez\n" + UNBIASED.replace("kernel_size", key)).rewritten is None


@pytest.mark.parametrize("style", ["|-", ">-"])
def test_an_argument_may_be_added_directly_below_a_block_scalar(style: str) -> None:
    conv = f"  - conv:\n      out_channels: 8\n      kernel_size: 3\n      name: {style}\n        stem\n"
    rest = "\n  # normed\n  - batchnorm\n  - relu\n"
    assert after(HEAD + conv + rest) == HEAD + conv + "      bias: false\n" + rest
    assert after(HEAD + conv + rest[-23:]) == HEAD + conv + "      bias: false\n" + rest[-23:]


def test_a_suppressed_finding_is_not_fixed() -> None:
    assert fixed(NORMED.replace("# stem", "# convcalc: ignore[CV206]")).rewritten is None


# -- on the command line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    Path("biased.yaml").write_text(NORMED, encoding="utf-8")
    Path("clean.yaml").write_text(UNBIASED, encoding="utf-8")
    Path("wrong.yaml").write_text(NORMED.replace("8", "0").replace("kernel_size", "kernel_siez"), encoding="utf-8")
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_bytes().decode() for file in folder.iterdir()}


def test_fix_writes_a_valid_spec_and_checks_it_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = texts(folder)
    assert run(["check", "biased.yaml", "clean.yaml", "--fix"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("2 files checked: no problems; no budget is set\n", "1 fix in biased.yaml\n")
    assert texts(folder) == {**before, "biased.yaml": UNBIASED}


def test_unfixable_problems_are_reported_and_the_others_fixed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = texts(folder)
    assert run(["check", "wrong.yaml"]) == 1
    assert "1 file: 2 errors; --fix can fix 1 of them\n" in capsys.readouterr().out
    assert run(["check", "wrong.yaml", "--fix"]) == 1
    out, err = capsys.readouterr()
    assert "wrong.yaml:3:26: error: out_channels must be a positive integer; got 0 [CV013]\n" in out
    assert out.endswith("1 file: 1 error\n")
    assert err == "1 fix in wrong.yaml\n"
    assert texts(folder) == {**before, "wrong.yaml": NORMED.replace("8", "0")}


def test_the_diff_is_shown_with_the_remaining_problems(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = texts(folder)
    assert run(["check", "wrong.yaml", "--diff"]) == 1
    out, err = capsys.readouterr()
    assert [line for line in out.splitlines() if line[0] in "+-"] == [
        "--- wrong.yaml",
        "+++ wrong.yaml",
        "-  - conv: {out_channels: 0, kernel_siez: 3}  # stem",
        "+  - conv: {out_channels: 0, kernel_size: 3}  # stem",
    ]
    assert err.startswith("problems remaining after these fixes:\nwrong.yaml:3:26: error: out_channels must be")
    assert err.endswith("1 file: 1 error\n")
    subprocess.run(["git", "apply", "-p0", "-"], input=out, text=True, check=True, cwd=folder)
    assert texts(folder) == {**before, "wrong.yaml": NORMED.replace("8", "0")}


@pytest.mark.parametrize(
    ("wrong", "right", "remaining"),
    [
        # a shape that does not fit, a missing argument, an unknown reference
        ("convv: {out_channels: 8, kernel_size: 40}", "conv: {out_channels: 8, kernel_size: 40}", ["CV016"]),
        ("conv: {out_channels: 8, kernel_siez: 40}", "conv: {out_channels: 8, kernel_size: 40}", ["CV016"]),
        ("conv: {out_chanels: 8}", "conv: {out_channels: 8}", ["CV012"]),
        (
            "conv: {out_chanels: 8, kernel_size: 3, from: nothing}",
            "conv: {out_channels: 8, kernel_size: 3, from: nothing}",
            ["CV015"],
        ),
        # conv also needs arguments that are missing here: perhaps another kind was intended
        (
            "convv: {rate: 3}\n  - conv: {out_chanels: 8, kernel_size: 3}",
            "convv: {rate: 3}\n  - conv: {out_channels: 8, kernel_size: 3}",
            ["CV011"],
        ),
    ],
)
def test_each_fix_is_applied_regardless_of_other_problems(wrong: str, right: str, remaining: list[str]) -> None:
    found = fixed(f"{HEAD}  - {wrong}\n")
    assert found.rewritten is not None
    assert found.rewritten.after == f"{HEAD}  - {right}\n"
    assert [problem.code for problem in found.problems] == remaining


def test_a_misspelt_word_is_compared_once_however_often_the_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Together, these fixes cause errors, so each is tried alone: the file is read once per misspelt word."""
    compared = []

    def compare(word: str, *rest: Any, **options: Any) -> list[str]:
        compared.append(word)
        return get_close_matches(word, *rest, **options)

    monkeypatch.setattr("difflib.get_close_matches", compare)
    find_close.cache_clear()
    text = HEAD + "".join(f"  - convv{number}\n" for number in range(30))
    assert fixed(text).rewritten is None
    known = 2  # the hint compares with the words branches and sequence too, the fix does not
    assert len(compared) <= known * 30


def test_diff_shows_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = texts(folder)
    assert run(["check", "biased.yaml", "clean.yaml", "--diff"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "--- biased.yaml",
        "+++ biased.yaml",
        "@@ -1,4 +1,4 @@",
        " input: [3, 32, 32]",
        " layers:",
        "-  - conv: {out_channels: 8, kernel_size: 3}  # stem",
        "+  - conv: {out_channels: 8, kernel_size: 3, bias: false}  # stem",
        "   - batchnorm",
    ]
    assert texts(folder) == before
    assert run(["check", "clean.yaml", "--diff"]) == 0
    assert capsys.readouterr().out == ""


def test_the_diff_can_be_applied_by_patch(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["check", "biased.yaml", "--diff"])
    patch = capsys.readouterr().out
    subprocess.run(["git", "apply", "-p0", "-"], input=patch, text=True, check=True, cwd=folder)
    assert texts(folder)["biased.yaml"] == UNBIASED


@pytest.mark.parametrize(
    "text",
    [
        NORMED.replace("\n", "\r\n"),
        NORMED.rstrip(),
        NORMED.replace("batchnorm", "batchnorm # a\tb"),
        NORMED.replace("batchnorm", "batchnorm  "),
    ],
    ids=["cr", "end", "tab", "blanks"],
)
def test_the_diff_preserves_tabs_and_line_ends(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.yaml").write_bytes(text.encode())
    run(["check", "net.yaml", "--diff"])
    patch = capsys.readouterr().out
    subprocess.run(["git", "apply", "-p0", "-"], input=patch.encode(), check=True, cwd=folder)
    assert Path("net.yaml").read_bytes().decode() == text.replace("3}", "3, bias: false}")


def test_the_diff_cannot_control_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.yaml").write_text(NORMED.replace("stem", "st\x9bem"), encoding="utf-8")
    run(["check", "net.yaml", "--diff"])
    assert "\x9b" not in capsys.readouterr().out


def test_a_byte_order_mark_line_ends_and_permissions_are_preserved(folder: Path) -> None:
    file = Path("biased.yaml")
    file.write_bytes(b"\xef\xbb\xbf" + NORMED.replace("\n", "\r\n").encode())
    file.chmod(0o640)
    assert run(["check", str(file), "--fix"]) == 0
    assert file.read_bytes() == b"\xef\xbb\xbf" + UNBIASED.replace("\n", "\r\n").encode()
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_file_behind_a_link_is_not_written(folder: Path) -> None:
    before = texts(folder)
    Path("link.yaml").symlink_to("biased.yaml")
    assert run(["check", "link.yaml", "--fix", "--fail-on", "note"]) == 1
    assert texts(folder) == {**before, "link.yaml": NORMED}


def test_standard_input_is_shown_but_not_written(folder: Path) -> None:
    for option, status, said in (("--fix", 2, "is not a file that can be rewritten"), ("--diff", 1, "+  - conv:")):
        done = subprocess.run(
            [sys.executable, "-m", "convcalc", "check", "-", option],
            input=NORMED,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert done.returncode == status
        assert said in done.stdout + done.stderr


def test_an_example_of_the_package_is_not_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(resolve_net("example:m5")).read_bytes()
    assert run(["check", "example:m5", "--no-ignores", "--fix"]) == 2
    assert "example:m5 is not a file that can be rewritten" in capsys.readouterr().err
    assert Path(resolve_net("example:m5")).read_bytes() == before


def test_the_summary_counts_fixable_problems(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["check", "biased.yaml"])
    assert capsys.readouterr().out.endswith("1 file: 1 note; --fix can fix 1 of them\n")
