"""The GitHub action: run its scripts as GitHub does, with inputs that users might supply."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from convcalc.manual import read_page
from convcalc.version import __version__
from tests.support.places import ROOT

PAGES = {"README": (ROOT / "README.md").read_text(encoding="utf-8"), "check": read_page("check")}
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["id"]: step for step in ACTION["runs"]["steps"]}
SCRIPTS = {name: step for name, step in STEPS.items() if "run" in step}
EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")
UNREACHABLE = re.compile(r"No matching distribution found for (hatchling|click|pyyaml|rich)")
CONVCALC = f"""\
#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from convcalc.__main__ import main
main()
"""
GOOD = "input: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 8, kernel_size: 3}\n  - relu\n"
BAD = GOOD.replace("kernel_size", "kernal_size")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checked-out repository, and next to it the files that GitHub provides to a step."""
    repository = tmp_path / "repository"
    for folder in (repository / "nets", tmp_path / "temp"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(repository)
    Path("nets/good.convcalc.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "convcalc").write_text(CONVCALC, encoding="utf-8")
    (tmp_path / "convcalc").chmod(0o755)
    return tmp_path


def run_step(workspace: Path, name: str, known: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the script of a step with the flags that GitHub passes to bash, and the given values for expressions."""
    step = STEPS[name]
    script = workspace / f"{name}.sh"
    script.write_text(step["run"], encoding="utf-8")
    given = {key: EXPRESSION.sub(lambda match: known[match[1]], value) for key, value in step["env"].items()}
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_OUTPUT": str(workspace / "output"),
        "GITHUB_STEP_SUMMARY": str(workspace / "summary.md"),
        "RUNNER_TEMP": str(workspace / "temp"),
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    environment = {**os.environ, **github, **given}
    return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=300)


def check(workspace: Path, convcalc: Path | None = None, /, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the checking step with inputs."""
    written = {f"inputs.{name}": inputs.get(name, value["default"]) for name, value in ACTION["inputs"].items()}
    known = {**written, "steps.install.outputs.convcalc": str(convcalc or workspace / "convcalc")}
    return run_step(workspace, "check", known)


def files(workspace: Path) -> set[str]:
    return {str(path.relative_to(workspace)) for path in workspace.rglob("*")} - {"check.sh", "summary.md"}


def test_it_is_a_composite_action_with_described_inputs() -> None:
    assert set(ACTION) == {"name", "description", "branding", "inputs", "runs"}
    assert ACTION["runs"]["using"] == "composite"
    assert all(set(given) == {"description", "default"} for given in ACTION["inputs"].values())
    assert all(isinstance(given["default"], str) for given in ACTION["inputs"].values())


def test_no_script_contains_an_expression() -> None:
    """GitHub inserts the values of expressions before the shell parses the script, so a value could be code."""
    assert list(SCRIPTS) == ["install", "check"]
    for step in SCRIPTS.values():
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]


def test_every_input_is_used_and_declared() -> None:
    written = {name for name in EXPRESSION.findall(str(ACTION["runs"])) if name.startswith("inputs.")}
    assert written == {f"inputs.{name}" for name in ACTION["inputs"]}


def test_other_actions_are_pinned_to_a_commit() -> None:
    used = [step["uses"] for step in STEPS.values() if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_workflow_of_a_page_has_only_existing_inputs(page: str) -> None:
    texts = re.findall(r"^```yaml\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)
    (workflow,) = [block for block in map(yaml.safe_load, texts) if "jobs" in block]
    assert set(workflow) == {"name", True, "permissions", "jobs"}  # YAML 1.1 reads the key on as true
    steps = workflow["jobs"]["check"]["steps"]
    assert set(steps[1]["with"]) <= set(ACTION["inputs"])
    assert steps[1]["uses"] == f"OWNER/convcalc@v{__version__}"


def test_a_good_repository_passes(workspace: Path) -> None:
    done = check(workspace)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 file checked: no problems" in done.stdout
    assert (workspace / "summary.md").read_text(encoding="utf-8") == (
        "### convcalc: 1 file checked: no problems; no budget is set\n\n"
    )


def test_a_bad_file_is_annotated_and_fails_the_job(workspace: Path) -> None:
    Path("nets/bad.convcalc.yaml").write_text(BAD, encoding="utf-8")
    done = check(workspace)
    assert (done.returncode, done.stderr) == (1, "")
    command = "::error file=nets/bad.convcalc.yaml,line=3,endLine=3,col=29,endColumn=40,title=convcalc CV010::"
    (annotation,) = [line for line in done.stdout.splitlines() if line.startswith("::error")]
    assert annotation.startswith(command)
    assert annotation.endswith("(did you mean kernel_size?)")
    assert "1 of 2 files: 1 error" in done.stdout
    assert "nets/bad.convcalc.yaml:3:29 | error | CV010 |" in (workspace / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("paths", "checked"),
    [
        ("nets", 2),
        ("nets/good.convcalc.yaml", 1),
        ("nets/*.yaml", 2),
        ("nets/the second.convcalc.yaml\n", 1),
        ("nets/good.convcalc.yaml\r\n\n\r\nnets/the second.convcalc.yaml\r\n-odd.yaml", 3),
        ("-odd.yaml", 1),
    ],
)
def test_paths_are_one_per_line_whatever_characters_they_contain(workspace: Path, paths: str, checked: int) -> None:
    for name in ("nets/the second.convcalc.yaml", "-odd.yaml"):
        Path(name).write_text(GOOD, encoding="utf-8")
    done = check(workspace, paths=paths)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{checked} file{'s' * (checked > 1)} checked: no problems" in done.stdout


def test_options_are_passed_on(workspace: Path) -> None:
    assert check(workspace, args="--max-params 100").returncode == 1
    assert check(workspace, args="--max-params 100\n  --exit-zero ").returncode == 0


def test_reports_are_written_to_the_path_of_an_option(workspace: Path) -> None:
    done = check(workspace, format="sarif", args="-o convcalc.sarif --max-params 100")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert '"2.1.0"' in Path("convcalc.sarif").read_text(encoding="utf-8")


@pytest.mark.parametrize("paths", ["", "\n \n", "nowhere.yaml", "nets/good.convcalc.yaml\nnowhere.yaml", "-"])
def test_files_that_cannot_be_checked_never_pass(workspace: Path, paths: str) -> None:
    assert check(workspace, paths=paths).returncode != 0


def test_empty_paths_are_an_error_that_says_how_to_check_everything(workspace: Path) -> None:
    done = check(workspace, paths="\n\r\n")
    assert done.returncode == 2
    assert done.stdout == "::error::no paths to check: list one path per line, or . for the whole repository\n"


@pytest.mark.parametrize("name", ["paths", "args", "format"])
@pytest.mark.parametrize(
    "hostile",
    [
        "$(touch x)",
        "`touch x`",
        "; touch x",
        "nets | touch x",
        "nets && touch x #",
        '"; touch x; "',
        "'; touch x; '",
        "${IFS}\ntouch x\n",
        "nets\nEOF\ntouch x",
        "> x",
        "x[$(touch x)]",
        "--config=$(touch x)",
    ],
)
def test_no_input_is_executed(workspace: Path, name: str, hostile: str) -> None:
    before = files(workspace)
    done = check(workspace, **{name: hostile})
    assert done.returncode == 2
    assert done.stdout + done.stderr
    assert files(workspace) <= before | {"check.sh"}


def test_an_input_cannot_write_a_command_into_the_log(workspace: Path) -> None:
    for inputs in ({"paths": "::error::a\n::warning::b"}, {"args": "::error::a"}, {"format": "x\n::error::a"}):
        done = check(workspace, **inputs)
        assert done.returncode == 2
        heeded = re.sub(r"::stop-commands::(\w+)\n.*?\n::\1::\n", "", done.stdout, flags=re.DOTALL) + done.stderr
        # an annotation by convcalc names its file and its code
        assert not re.search(r"^::(error|warning)(?! file=\S+,title=convcalc)", heeded, re.MULTILINE)


@pytest.mark.slow
def test_it_installs_itself_and_imports_nothing_from_the_checked_repository(workspace: Path) -> None:
    for name in ("venv", "pip", "convcalc", "click", "sitecustomize"):
        Path(f"{name}.py").write_text("raise SystemExit('a module of the repository is run')\n", encoding="utf-8")
    done = run_step(workspace, "install", {"steps.python.outputs.python-path": sys.executable})
    if UNREACHABLE.search(done.stderr):
        pytest.skip("no package index can be reached")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    name, _, convcalc = (workspace / "output").read_text(encoding="utf-8").strip().partition("=")
    assert name == "convcalc"
    done = check(workspace, Path(convcalc), args="--max-params 1M")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 file checked: no problems" in done.stdout
