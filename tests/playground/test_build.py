"""The parts of the build that need neither npm nor a browser."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from tests.playground import build
from tests.support.places import ROOT

LOCK = json.loads((build.PAGE / "package-lock.json").read_text(encoding="utf-8"))
PINNED = json.loads((build.PAGE / "package.json").read_text(encoding="utf-8"))["dependencies"]


def test_every_package_is_pinned_and_has_a_hash() -> None:
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in PINNED.values())
    packages = {name: entry for name, entry in LOCK["packages"].items() if name}
    assert LOCK["packages"][""]["dependencies"] == PINNED
    assert [name for name, entry in packages.items() if not entry["integrity"].startswith("sha512-")] == []
    wheels = (build.HERE / "wheels.txt").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or re.fullmatch(r"\w+==[\d.]+", line) for line in wheels)


def test_everything_that_convcalc_needs_is_in_the_page() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split(r"\W", requirement)[0] for requirement in project["dependencies"]}
    wheels = (build.HERE / "wheels.txt").read_text(encoding="utf-8").lower()
    assert needed == set(re.findall(r"^(\w+)==", wheels, re.MULTILINE))


@pytest.mark.parametrize("name", ["index.html", "frame.html", "report_frame.html"])
def test_the_policy_of_each_page_allows_no_other_host(name: str) -> None:
    html = (build.PAGE / name).read_text(encoding="utf-8")
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src 'none'; ")
    sources = {source for rule in policy.split("; ") for source in rule.split()[1:]}
    assert sources <= {"'none'", "'self'", "'wasm-unsafe-eval'", "'unsafe-inline'", "blob:", "data:"}
    assert "'unsafe-eval'" not in policy
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", html)


def test_only_the_frame_of_the_report_runs_scripts_in_markup() -> None:
    policies = {path.name: path.read_text(encoding="utf-8") for path in build.PAGE.glob("*.html")}
    allowed = [name for name, html in policies.items() if re.search(r"script-src[^;]*'unsafe-inline'", html)]
    assert allowed == ["report_frame.html"]


def test_every_file_of_the_page_is_copied_or_bundled() -> None:
    sources = {path.name for path in build.PAGE.iterdir() if path.suffix in {".css", ".html", ".svg"}}
    assert sources | {"frame.js", "report_frame.js"} == set(build.COPIED)


def test_a_wheel_is_made_pure(tmp_path: Path) -> None:
    wheel = tmp_path / "thing-1.2-cp311-cp311-manylinux_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("thing/__init__.py", "")
        archive.writestr("thing/_fast.cpython-311-x86_64-linux-gnu.so", b"\x7fELF")
        archive.writestr(
            "thing-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-x\n"
        )
    target = tmp_path / "pure"
    target.mkdir()
    made = build.purify(wheel, target)
    assert made.name == "thing-1.2-py3-none-any.whl"
    with zipfile.ZipFile(made) as archive:
        assert archive.namelist() == ["thing/__init__.py", "thing-1.2.dist-info/WHEEL"]
        described = archive.read("thing-1.2.dist-info/WHEEL").decode().splitlines()
    assert described == ["Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any"]


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(build.CannotBuild, match="exists and is not a playground: give a new folder with -o"):
        build.check_target(tmp_path)
    with pytest.raises(build.CannotBuild, match="is not a playground"):
        build.check_target(tmp_path / "thesis.tex")
    build.check_target(tmp_path / "new")
    (tmp_path / build.MARK).touch()
    build.check_target(tmp_path)


def test_a_missing_program_is_named_with_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(build.Unavailable, match=r"^npm is not installed: install Node.js with npm$"):
        build.run(["npm", "ci"], tmp_path)


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(build.CannotBuild, match="failed with exit status 3:\nno such flag"):
        build.run(["sh", "-c", "echo no such flag >&2; exit 3"], tmp_path)


def test_a_failed_build_leaves_the_folder_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "site"
    old.mkdir()
    (old / build.MARK).write_text("old", encoding="utf-8")

    def fail() -> Path:
        raise build.Unavailable("npm is not installed")

    monkeypatch.setattr(build, "install_packages", fail)
    with pytest.raises(build.Unavailable):
        build.build(old)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert (old / build.MARK).read_text(encoding="utf-8") == "old"
