"""`convcalc verify`: all examples agree with PyTorch, and deliberate errors are found."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from convcalc import examples
from convcalc.analysis.cost import cost
from convcalc.cli.main import run
from convcalc.layers.conv import Conv
from convcalc.shape import Shape
from convcalc.spec.making import layer_of

SPEC = "input: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3, name: first}\n  - relu\n"


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Any], None]]:
    """Install a wrong rule in conv; cached layers and costs are cleared before and after."""

    def forget() -> None:
        layer_of.cache_clear()
        cost.cache_clear()

    forget()
    yield lambda rule, replacement: monkeypatch.setattr(Conv, rule, replacement)
    forget()


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "net.yaml").write_text(SPEC, encoding="utf-8")
    return str(tmp_path / "net.yaml")


def test_without_pytorch_the_install_command_is_shown(
    spec: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(["verify", spec]) == 2
    assert "pip install 'convcalc[torch]'" in capsys.readouterr().err


@pytest.mark.torch
def test_all_examples_agree(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="verify compares with PyTorch")
    names = examples.names()
    assert run(["verify", *(f"example:{name}" for name in names), "-f", "json"]) == 0
    networks = json.loads(capsys.readouterr().out)["networks"]
    assert [network["name"] for network in networks] == names
    assert [network["name"] for network in networks if not network["agrees"] or not network["complete"]] == []
    assert all(layer["pytorch"] == layer["ours"] for network in networks for layer in network["layers"])


@pytest.mark.torch
@pytest.mark.parametrize(
    ("rule", "replacement", "said"),
    [
        ("weight_tensors", lambda self: (100,), "params 104 here, 112 in PyTorch"),
        ("macs", lambda self: 5, "MACs 5 here, 3,888 in PyTorch"),
        ("inferred_shape", lambda self: Shape(4, (7, 6)), "output shape 4×7×6 here, 4×6×6 in PyTorch"),
    ],
)
def test_a_wrong_figure_is_shown_next_to_the_right_one(
    rule: str, replacement: Any, said: str, spec: str, wrong: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="verify compares with PyTorch")
    wrong(rule, replacement)
    assert run(["verify", spec]) == 1
    printed = capsys.readouterr().out
    assert f"net: first (conv): {said}" in printed
    assert "1 differs" in printed  # the next layer gets convcalc's shape as its input, and agrees


@pytest.mark.torch
def test_a_layer_refused_by_pytorch_is_a_difference(spec: str, wrong: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="verify compares with PyTorch")
    Path(spec).write_text("input: [6, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3, groups: 4}\n")
    wrong("check_groups", lambda self, out_channels: None)
    assert run(["verify", spec]) == 1
    assert "PyTorch refuses it: in_channels must be divisible by groups" in capsys.readouterr().out


@pytest.mark.torch
def test_an_opaque_layer_is_unknown_and_not_a_difference(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="verify compares with PyTorch")
    Path(spec).write_text(f"{SPEC}  - opaque: {{output_shape: [10]}}\n  - linear: {{out_features: 2}}\n")
    assert run(["verify", spec]) == 0
    assert "agrees, 1 unknown" in capsys.readouterr().out


@pytest.mark.torch
def test_a_batch_and_shared_weights_are_counted_the_same_way(spec: str) -> None:
    pytest.importorskip("torch", reason="verify compares with PyTorch")
    more = "  - conv: {out_channels: 3, kernel_size: 1}\n  - conv: {out_channels: 4, kernel_size: 3, share: first}\n"
    Path(spec).write_text(SPEC + more)
    assert run(["verify", spec, "--batch", "4"]) == 0


@pytest.mark.torch
@pytest.mark.parametrize("width", [30, 40, 60, 80])
def test_a_table_is_no_wider_than_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="verify compares with PyTorch")
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["verify", "example:lenet5", "example:shufflenet_v2_x1_0"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= width
