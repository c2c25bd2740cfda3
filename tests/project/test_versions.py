"""The versions of dependencies: `.ci/run` tests the lowest versions that pyproject.toml promises."""

from __future__ import annotations

import re
import tomllib

from tests.support.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pinned(requirements: list[str]) -> set[str]:
    """Requirements with a lower bound, pinned to it."""
    bounds = [re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement) for requirement in requirements]
    assert all(bounds), requirements
    return {f"{bound[1]}=={bound[2]}" for bound in bounds if bound}


def test_the_suite_runs_with_the_lowest_versions() -> None:
    lines = (ROOT / ".ci" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    constraints = [line for line in lines if not line.startswith("#")]
    assert constraints == sorted(constraints, key=str.lower)
    assert set(constraints) == pinned(PROJECT["dependencies"]) | pinned(EXTRAS["test"])
    assert "-c .ci/lowest.txt" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_tests_use_the_onnx_of_the_extra() -> None:
    assert set(EXTRAS["onnx"]) <= set(EXTRAS["test"])
