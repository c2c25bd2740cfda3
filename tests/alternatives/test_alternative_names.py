"""The name in a row of `alternatives` selects exactly what the row counts, and --apply delivers what it promised."""

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.alternatives.subjects import (
    list_convolutions,
    make_patterns,
    names_of,
    pattern_of,
    select_by_all_uses,
    select_by_any_use,
)
from convcalc.cli.main import run
from convcalc.examples import list_names, resolve_net
from convcalc.network import matches_pattern
from convcalc.spec.files import read_file
from convcalc.spec.inputs import Overrides
from convcalc.spec.reader import read_network

SCOPES = ("b", "b1", "c")
LAYERS = ("conv9", "x", "y", None)
Entry = dict[str, Any]


def random_spec(seed: int) -> Entry:
    """A network of size-preserving convolutions in sequences and in blocks that are used more than once."""
    draw = random.Random(seed)

    def conv(taken: set[str]) -> Entry:
        arguments: Entry = {"out_channels": 8, "kernel_size": draw.choice([3, 5]), "padding": "same"}
        name = draw.choice(LAYERS)
        if name is not None and name not in taken:
            taken.add(name)
            arguments["name"] = name
        return {"conv": arguments}

    def entries(depth: int, blocks: tuple[str, ...]) -> list[Entry]:
        found: list[Entry] = []
        taken: set[str] = set()
        for _ in range(draw.randint(1, 3)):
            kind = draw.choice(["conv", "sequence", "block", "block"]) if depth else "conv"
            if kind == "sequence":
                found.append({"sequence": entries(depth - 1, blocks)})
            elif kind == "block" and blocks:
                found.append({draw.choice(blocks): {"repeat": draw.randint(1, 2)} if draw.random() < 0.3 else {}})
            else:
                found.append(conv(taken))
        return found

    made = {scope: {"layers": entries(1, SCOPES[:index])} for index, scope in enumerate(SCOPES)}
    return {"input": [8, 9, 9], "blocks": made, "layers": [*entries(2, SCOPES), {"b": {}}, {"c": {}}]}


@pytest.mark.parametrize("seed", range(40))
def test_applying_a_row_by_its_name_delivers_the_promised_figures(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(json.dumps(random_spec(seed), indent=1), encoding="utf-8")
    assert run(["alternatives", "net.yaml", "-f", "json", "--limit", "0"]) == 0
    rows = json.loads(capsys.readouterr().out)["alternatives"]
    by_pattern: dict[str, list[str]] = {}
    for row in rows:
        assert by_pattern.setdefault(row["pattern"], row["layers"]) == row["layers"]
    assert len(set(map(tuple, by_pattern.values()))) == len(by_pattern)
    for row in random.Random(seed).sample(rows, min(4, len(rows))):
        apply = f"{row['alternative']}:{row['pattern']}"
        assert run(["alternatives", "net.yaml", "--apply", apply]) == 0, apply
        totals = convcalc.summary(io.StringIO(capsys.readouterr().out)).totals
        promised = row["network"]
        assert (totals.params, totals.macs, totals.flops) == (promised["params"], promised["macs"], promised["flops"])
        assert (totals.weight_memory, totals.peak_memory) == (promised["weight_memory"], promised["peak_memory"])


@pytest.mark.parametrize("name", list_names())
def test_a_name_selects_a_single_entry_of_an_example(name: str) -> None:
    document = read_file(resolve_net(f"example:{name}"))
    network = read_network(document, Overrides())
    convs = list_convolutions(document, network)
    assert {len(select_by_all_uses(convs, network, pattern_of(conv, network))) for conv in convs} <= {1}


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        (["a.conv1"], ["b.conv1"], ["a.conv1"]),
        (["a.conv1", "b.conv1"], ["a.conv2"], ["*.conv1"]),
        (["b1.conv1", "b2.conv1"], ["sequence1.conv1"], ["b*.conv1"]),
        (["b1.conv1", "b2.conv1"], ["b3.conv1"], ["b1.conv1", "b2.conv1"]),
        (["s.a.conv1", "s.b.conv1"], ["s.c.conv1"], ["s.a.conv1", "s.b.conv1"]),
        (["s.0.conv1", "s.1.conv1", "t.conv1"], ["u.conv1"], ["s.*.conv1", "t.conv1"]),
        (["a.conv1", "a.0.conv1"], ["b.conv1"], ["a.*conv1"]),
    ],
)
def test_patterns_match_exactly_the_intended_layers(own: list[str], others: list[str], expected: list[str]) -> None:
    assert make_patterns(own, others) == expected
    for name in [*own, *others]:
        assert any(matches_pattern(name, pattern) for pattern in expected) == (name in own)


# one entry in a block used twice and one in a sequence, both called conv1
TWICE = """\
input: [16, 16, 16]
blocks:
  b: {layers: [conv: {out_channels: 16, kernel_size: 3, padding: 1}]}
layers:
  - sequence: [conv: {out_channels: 16, kernel_size: 3, padding: 1}]
  - b
  - b
"""


def test_selecting_some_uses_of_an_entry_lists_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(TWICE, encoding="utf-8")
    assert run(["alternatives", "net.yaml", "b1.*", "-f", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["alternatives"]
    assert {row["pattern"]: row["layers"] for row in rows} == {"b*.conv1": ["b1.conv1", "b2.conv1"]}
    assert run(["alternatives", "net.yaml", "--apply", "bottleneck:b1.*"]) == 2
    assert "also b2.conv1: select them with 'b*.conv1'" in capsys.readouterr().err


def test_several_names_may_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = tmp_path / "net.yaml"
    net.write_text(TWICE, encoding="utf-8")
    document = read_file(str(net))
    network = read_network(document, Overrides())
    convs = list_convolutions(document, network)
    assert [names_of(conv, network) for conv in select_by_all_uses(convs, network, "b1.conv1,b2.conv1")] == [
        ["b1.conv1", "b2.conv1"]
    ]
    assert select_by_any_use(convs, network, "sequence1,b1") == convs
    assert run(["alternatives", str(net), "b1,no"]) == 2
    assert "no convolution 'no'" in capsys.readouterr().err
