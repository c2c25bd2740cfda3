"""`convcalc init`: it writes a valid spec that is within its budget."""

from pathlib import Path

import jsonschema
import pytest
import yaml

import convcalc
from convcalc.cli.main import run
from convcalc.metrics.budgets import find_breaches
from convcalc.spec.spec_schema import make_spec_schema


def test_the_starter_is_valid(tmp_path: Path) -> None:
    target = tmp_path / "net.convcalc.yaml"
    assert run(["init", "-o", str(target)]) == 0
    report = convcalc.summary(target)
    # by hand, including batch norms: the stem, three blocks (the first two with a projection), the last layer
    stem, last = 3 * 16 * 9 + 2 * 16, 64 * 10 + 10
    projected = [16 * 32 * 9 + 32 * 32 * 9 + 16 * 32 + 6 * 32, 32 * 64 * 9 + 64 * 64 * 9 + 32 * 64 + 6 * 64]
    assert report.totals.params == stem + sum(projected) + 2 * 64 * 64 * 9 + 4 * 64 + last
    assert find_breaches(report) == []
    jsonschema.Draft7Validator(make_spec_schema()).validate(yaml.safe_load(target.read_text(encoding="utf-8")))


def test_an_existing_file_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "net.yaml"
    target.write_text("mine", encoding="utf-8")
    assert run(["init", "-o", str(target)]) == 2
    assert "already exists" in capsys.readouterr().err
    assert target.read_text(encoding="utf-8") == "mine"
