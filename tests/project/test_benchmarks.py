"""The benchmarks run and print their table. No test asserts how fast anything is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import convcalc
from tests.benchmarks.many import written
from tests.support.places import ROOT

HEADINGS = ["benchmark", "ratio", "goal", "medians"]


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, encoding="utf-8")


def test_the_command_prints_a_table_of_ratios_and_goals() -> None:
    result = benchmarks("--runs", "1", "table", "json")
    assert (result.returncode, result.stderr) == (0, "")
    headings, *rows = [line.split() for line in result.stdout.splitlines()]
    assert headings == HEADINGS
    assert [row[0] for row in rows] == ["table", "table", "json", "json"]
    assert all("met" in row or "missed" in row for row in rows)
    # the only goal that does not depend on the machine: JSON output imports nothing of rich
    assert rows[-1][:6] == ["json", "imports", "0.00", "≤", "0", "met"]


def test_an_unknown_benchmark_is_refused_with_the_available_ones() -> None:
    result = benchmarks("tabel")
    assert result.returncode == 2
    assert "no benchmark tabel: there are table, json" in result.stderr


def test_the_files_of_the_many_benchmark_differ_in_their_classes(tmp_path: Path) -> None:
    network = convcalc.load(written(tmp_path / "net.yaml", 7))
    assert network.nodes[-1].layer.output.sizes == (7,)
