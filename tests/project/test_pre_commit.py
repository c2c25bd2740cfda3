"""The pre-commit hook: the contents of its file, and how the real pre-commit runs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from convcalc.manual import read_page
from convcalc.version import __version__
from tests.support.places import ROOT

HOOKS_FILE = ROOT / ".pre-commit-hooks.yaml"
(HOOK,) = yaml.safe_load(HOOKS_FILE.read_text(encoding="utf-8"))
PARTS = ("convcalc", "examples", ".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE")
UNREACHABLE = re.compile(r"No matching distribution found for (hatchling|click|pyyaml|rich)")
GOOD = "input: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 8, kernel_size: 3}\n  - relu\n"
BAD = GOOD.replace("kernel_size", "kernal_size")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return its output."""
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.strip()


def committed(folder: Path) -> str:
    """Make a folder with all its files a repository and return the commit."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--no-verify", "--message", "all")
    return git(folder, "rev-parse", "HEAD")


def test_the_hook_runs_check() -> None:
    assert set(HOOK) == {"id", "name", "description", "entry", "language", "files"}
    assert (HOOK["id"], HOOK["language"], HOOK["entry"]) == ("convcalc", "python", "convcalc check")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"convcalc": "convcalc.__main__:main"}


def test_the_manual_shows_the_hook() -> None:
    shown = re.search(r"^```yaml\n(repos:.*?)^```", read_page("check"), re.MULTILINE | re.DOTALL)
    assert shown
    (repository,) = yaml.safe_load(shown[1])["repos"]
    assert repository["rev"] == f"v{__version__}"
    assert [hook["id"] for hook in repository["hooks"]] == [HOOK["id"]]


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("net.convcalc.yaml", True),
        ("models/tiny net.convcalc.yml", True),
        ("net.yaml", False),
        ("net.convcalc.yaml.orig", False),
        ("netconvcalc.yaml", False),
        ("convcalc.toml", False),
        ("convcalc.yaml/readme.md", False),
    ],
)
def test_the_hook_selects_specs_by_name(name: str, taken: bool) -> None:
    assert (re.search(HOOK["files"], name) is not None) == taken


@pytest.mark.slow
@pytest.mark.skipif(find_spec("pre_commit") is None, reason="pre-commit is not installed")
def test_pre_commit_rejects_an_invalid_spec(tmp_path: Path) -> None:
    hooks, nets = tmp_path / "hooks", tmp_path / "nets"
    nets.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, hooks / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, hooks / part)
    configuration = {"repos": [{"repo": str(hooks), "rev": committed(hooks), "hooks": [{"id": "convcalc"}]}]}
    (nets / ".pre-commit-config.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    for name, text in (("good.convcalc.yaml", GOOD), ("a bad.convcalc.yml", BAD), ("other.yaml", BAD)):
        (nets / name).write_text(text, encoding="utf-8")
    committed(nets)

    def answer(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "pre_commit", "run", "--color", "never", *arguments]
        environment = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "home")}
        options: dict[str, Any] = {"cwd": nets, "env": environment, "capture_output": True, "encoding": "utf-8"}
        done = subprocess.run(command, timeout=300, check=False, **options)
        return done.returncode, done.stdout + done.stderr

    status, said = answer("--all-files")
    if UNREACHABLE.search(said):
        pytest.skip("no package index can be reached")
    assert status == 1
    assert "a bad.convcalc.yml:3:29: error: conv has no argument 'kernal_size' [CV010]" in said
    assert "1 of 2 files: 1 error" in said
    status, said = answer("--files", "good.convcalc.yaml", "other.yaml")
    assert (status, re.sub(r"\.+", " ", said)) == (0, "convcalc check Passed\n")
