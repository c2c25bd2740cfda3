"""`NET@width=0.5` sets spec parameters of one network, wherever a network is given."""

import json
from pathlib import Path
from typing import Any

import pytest

from convcalc.cli.main import run
from convcalc.problems import Flaw
from convcalc.spec.net_argument import join_net, read_net_params, split_net

NET = """\
params: {width: 1, kernels: [3, 3], act: relu}
input: [3, 8, 8]
layers:
  - conv: {out_channels: $(4 * width), kernel_size: $kernels}
  - $act
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(NET, encoding="utf-8")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert run(list(arguments)) == status
    found = capsys.readouterr()
    return found.out if status == 0 else found.out + found.err


def params(width: int, kernels: tuple[int, int] = (3, 3)) -> int:
    """The weights and biases of the convolution."""
    return 4 * width * (3 * kernels[0] * kernels[1] + 1)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("net.yaml@width=2", {"width": 2}),
        ("net.yaml@width=0.5,size=160", {"width": 0.5, "size": 160}),
        ("net.yaml@kernels=[3,5],width=2", {"kernels": [3, 5], "width": 2}),
        ("net.yaml@kernels=[[1, 2], [3]],act=tanh", {"kernels": [[1, 2], [3]], "act": "tanh"}),
        ("net.yaml@act='a,b',on=true", {"act": "a,b", "on": True}),
        ('net.yaml@act="a@b=1"', {"act": "a@b=1"}),
        ("example:unet@width=2", {"width": 2}),
        ("-@width=2", {"width": 2}),
        ("net.yaml", {}),
        ("missing@home", {}),
    ],
)
def test_values_are_read_as_in_a_spec(argument: str, expected: dict[str, Any]) -> None:
    assert read_net_params(argument) == expected
    assert join_net(*split_net(argument)) == argument


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("net.yaml@width", "must be NAME=VALUE, such as net.yaml@width=0.5,kernels=[3,5]; got 'width'"),
        ("net.yaml@", "must be NAME=VALUE"),
        ("net.yaml@kernels=3,5", "got '5'"),
        ("net.yaml@width=1,width=2", "@width is given twice"),
        ("net.yaml@kernels=[3,5", "@kernels: "),
    ],
)
def test_what_is_not_a_value_is_an_error(argument: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Flaw, match="@"):
        read_net_params(argument)
    for command in (["summary"], ["compare"], ["rf"], ["check"], ["diff", "net.yaml"]):
        assert said in printed(capsys, *command, argument, status=2)


@pytest.mark.parametrize("command", ["compare", "diff"])
def test_a_space_before_the_sign_is_pointed_out(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys, command, "net.yaml", "@width=2", status=2)
    assert said == "convcalc: @width=2: no network before the @; write NET@width=2, without a space in between\n"


@pytest.mark.parametrize("command", ["compare", "summary"])
def test_several_values_for_set_are_answered_with_the_commands_that_take_them(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(capsys, command, "net.yaml", "--set", "width=0.5,1", status=2)
    assert "--set width=0.5,1: " in said
    assert (
        ": --set takes one value; use convcalc compare NET@width=0.5 NET@width=1, or convcalc fit -p width=0.5,1"
        in said
    )
    assert "takes one value" not in printed(capsys, command, "net.yaml", "--set", "width=abc", status=2)


@pytest.mark.parametrize("name", ["a@width=2", "a@b.yaml", "@width=2"])
def test_a_file_whose_name_contains_the_sign_still_opens(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(name).write_text(NET, encoding="utf-8")
    assert json.loads(printed(capsys, "summary", name, "-f", "json"))["totals"]["params"] == params(1)
    again = f"{name}@width=3"
    assert json.loads(printed(capsys, "summary", again, "-f", "json"))["totals"]["params"] == params(3)


def test_a_folder_can_have_the_sign_in_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    Path("v@b=1").mkdir()
    Path("v@b=1", "net.yaml").write_text(NET, encoding="utf-8")
    report = json.loads(printed(capsys, "v@b=1/net.yaml@width=2", "-f", "json"))
    assert report["totals"]["params"] == params(2)


def test_it_sets_the_parameters_of_a_single_network(capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(printed(capsys, "net.yaml@width=2,kernels=[3,5]", "--set", "act=tanh", "-f", "json"))
    assert report["params"] == {"width": 2, "kernels": [3, 5], "act": "tanh"}
    assert report["file"] == "net.yaml"
    assert report["totals"]["params"] == params(2, (3, 5))
    for command in ("rf", "memory", "explain", "alternatives"):
        printed(capsys, command, "net.yaml@width=2")
    assert "Conv2d(3, 8, 3)" in printed(capsys, "export", "net.yaml@width=2", "--to", "torch")
    fit = printed(capsys, "fit", "net.yaml@kernels=[1,3]", "-p", "width=1,2", "--max-params", "1M", "-q")
    assert "width=2" in fit
    assert "kernels=[1,3]" in fit


def test_compare_shows_one_row_for_each_value(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", "net.yaml", "net.yaml@width=2", "net.yaml@width=3,kernels=[3,5]", "--set", "act=tanh"]
    networks = json.loads(printed(capsys, *arguments, "-f", "json"))["networks"]
    assert [network["totals"]["params"] for network in networks] == [params(1), params(2), params(3, (3, 5))]
    assert [network["params"]["act"] for network in networks] == ["tanh"] * 3
    rows = printed(capsys, *arguments, "--columns", "name").splitlines()
    assert rows[1:4] == ["net", "net@width=2", "net@width=3,kernels=[3,5]"]
    pattern = printed(capsys, "compare", "*.yaml@width=2", "example:mobilenet_v[1]@width=0.5", "--columns", "name")
    assert pattern.splitlines()[1:] == ["net@width=2", "mobilenet_v1@width=0.5"]


def test_diff_names_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "diff", "net.yaml@width=2", "net.yaml@width=3")
    assert text.splitlines()[:2] == ["old  net  net.yaml@width=2", "new  net  net.yaml@width=3"]
    assert f"{params(2)}" in text
    assert f"{params(3)}" in text
    both = printed(capsys, "diff", "net.yaml", "net.yaml@width=3", "--set", "width=2")
    assert "width 2 → 3" in both


def test_check_names_the_values_in_its_messages(capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "check", "net.yaml@width=1", "--max-params", str(params(1)))
    text = printed(capsys, "check", "net.yaml", "net.yaml@width=2", "--max-params", str(params(1)), status=1)
    assert f"net.yaml:1:1: error: {params(2)} params exceed the budget" in text
    assert "(with width=2)" in text
    assert "1 of 2 files" in text
    assert "without @NAME=VALUE" in printed(capsys, "check", "net.yaml@width=2", "--fix", status=2)


@pytest.mark.parametrize("command", ["summary", "compare", "check"])
@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("net.yaml@width=abc", "@width=abc: arithmetic needs numbers; got 'abc' (first used at net.yaml:4:"),
        ("net.yaml@wdth=2", "the spec has no parameter 'wdth': did you mean width?"),
        ("ne.yaml@width=2", "no such file: did you mean net.yaml?"),
    ],
)
def test_a_wrong_value_or_file_is_reported_once(
    command: str, argument: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, command, argument, status=2).replace("\n   = ", ": ").replace(" [CV000]", "")
    assert said in text
    assert text.count(said) == 1


def test_a_wrong_value_of_set_is_reported_once_at_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    spec = NET + "  - conv: {out_channels: $(8 * width), kernel_size: 3}\n" * 2
    Path("net.yaml").write_text(spec, encoding="utf-8")
    text = printed(capsys, "summary", "net.yaml", "--set", "width=abc", status=2)
    assert text.startswith("convcalc: --set width=abc: arithmetic needs numbers; got 'abc'")
    assert text.count("\n") == 1
    text = printed(capsys, "summary", "net.yaml", "--set", "width=1", "--set", "width=2", status=2)
    assert "--set is given twice for 'width': to compare two values, use convcalc compare NET@" in text


def test_an_output_never_replaces_an_input(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["summary"], ["compare"], ["check"], ["diff", "example:lenet5"]):
        text = printed(capsys, *command, "net.yaml@width=2", "-o", "net.yaml", status=2)
        assert "is also an input file" in text
    assert Path("net.yaml").read_text(encoding="utf-8") == NET
