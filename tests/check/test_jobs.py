"""Many files: the result is the same for any number of processes, and no process is left behind."""

import io
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from convcalc.check import many
from convcalc.check.many import How, NoProcesses, Task, check_all, check_file, is_long
from convcalc.check.rules import RULES
from convcalc.check.runner import Checked
from convcalc.check.settings import Settings
from convcalc.render.progress import ERASE, PATIENCE, draw_progress, show_progress
from tests.support.places import BAD, EXAMPLES
from tests.support.terminal import on_terminal

SLOW = """\
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1, repeat: 8000}
"""
on_posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")


def convcalc(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "convcalc", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, encoding="utf-8", check=False, timeout=120)


@pytest.fixture
def slow(tmp_path: Path) -> list[str]:
    """Files that take several seconds to check."""
    files = [tmp_path / f"net{number:02}.yaml" for number in range(24)]
    for file in files:
        file.write_text(SLOW, encoding="utf-8")
    return [str(file) for file in files]


@pytest.mark.parametrize(("format", "numbers"), [("text", (1, 5)), ("sarif", (2,))])
def test_the_output_is_the_same_for_any_number_of_processes(format: str, numbers: tuple[int, ...]) -> None:
    common = ("check", str(BAD), str(EXAMPLES), "nowhere.yaml", "-", "-f", format, "--select", "CV3")
    choices = [(), *(("-j", str(number)) for number in numbers)]
    results = [convcalc(*common, *jobs, stdin="input: [3]\n") for jobs in choices]
    first = results[0]
    assert (first.returncode, first.stderr) == (2, "")
    assert "nowhere.yaml" in first.stdout
    assert ("%3Cstdin%3E" if format == "sarif" else "<stdin>") in first.stdout
    assert [(each.returncode, each.stdout, each.stderr) for each in results[1:]] == [
        (2, first.stdout, "") for _ in results[1:]
    ]


def tasks(files: list[Path]) -> list[Task]:
    return [Task(str(file), Settings()) for file in files]


@pytest.mark.parametrize("jobs", [1, 3])
def test_results_come_in_the_order_of_the_files(jobs: int) -> None:
    files = sorted(EXAMPLES.glob("*.yaml"), reverse=True)
    assert [found.file for found in check_all(tasks(files), How(RULES), jobs)] == [str(file) for file in files]


def test_findings_in_any_invalid_spec_survive_the_transfer_between_processes() -> None:
    for task in tasks(sorted(BAD.glob("*.yaml"))):
        found = check_file(task, How(RULES))
        assert pickle.loads(pickle.dumps(found)) == found


def test_the_text_of_a_file_without_findings_is_not_transferred() -> None:
    assert check_file(Task(str(EXAMPLES / "lenet5.yaml"), Settings()), How(RULES)).text is None


def test_few_files_start_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*given: object) -> Iterator[Checked]:
        raise AssertionError("processes are started")

    monkeypatch.setattr(many, "check_in_processes", none)
    few = tasks(sorted(EXAMPLES.glob("*.yaml"))[:3])
    assert len(list(check_all(few, How(RULES), 1))) == 3
    assert list(check_all([], How(RULES))) == []
    monkeypatch.setattr(many, "PATIENCE", 1000)
    assert len(list(check_all(few, How(RULES)))) == 3
    with pytest.raises(AssertionError, match="processes are started"):
        list(check_all(few, How(RULES), 2))


@pytest.mark.parametrize(
    ("seconds", "done", "total", "expected"),
    [(0.0, 0, 1000, False), (0.09, 20, 1000, False), (0.11, 20, 1000, True), (0.11, 20, 30, False), (5.0, 1, 2, True)],
)
def test_processes_are_used_only_for_long_remaining_work(seconds: float, done: int, total: int, expected: bool) -> None:
    assert is_long(seconds, done, total) is expected


def test_processes_that_cannot_be_started_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(*given: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor.submit", submit)
    files = tasks(sorted(EXAMPLES.glob("*.yaml")))
    with pytest.raises(NoProcesses, match="Resource temporarily unavailable"):
        list(check_all(files, How(RULES), 2))


# -- termination


def started(files: list[str]) -> tuple[subprocess.Popen[str], list[int]]:
    """The command in its own process group with its workers running, and their process ids."""
    command = [sys.executable, "-m", "convcalc", "check", "--isolated", "-j", "2", *files]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True
    )
    until = time.monotonic() + 60
    while len(children(process.pid)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.2)  # they are running
    return process, children(process.pid)


def children(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, encoding="utf-8", check=True)
    pairs = (map(int, line.split()) for line in listed.stdout.splitlines())
    return [pid for pid, parent_of_it in pairs if parent_of_it == parent and is_python(pid)]


def is_python(pid: int) -> bool:
    try:
        return b"convcalc" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def are_gone(pids: list[int]) -> bool:
    """Whether the processes end within some time."""
    until = time.monotonic() + 30
    while any(is_python(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(is_python(pid) for pid in pids)


on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


@on_linux
@pytest.mark.parametrize("whole_group", [True, False], ids=["as a terminal does", "to the command alone"])
def test_ctrl_c_ends_all_processes_quietly(whole_group: bool, slow: list[str]) -> None:
    process, pids = started(slow)
    if whole_group:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (130, "", "")
    assert len(pids) == 2
    assert are_gone(pids)


@on_linux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_the_command_that_started_them(number: signal.Signals, slow: list[str]) -> None:
    process, pids = started(slow)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number
    assert len(pids) == 2
    assert are_gone(pids)


@on_linux
def test_a_worker_that_dies_is_reported_and_exits_with_2(slow: list[str]) -> None:
    process, pids = started(slow)
    os.kill(pids[0], signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err == "convcalc: a worker process died, possibly out of memory: try -j 1\n"
    assert are_gone(pids)


# -- the progress bar


class Clock:
    """A clock that advances by a fixed number of seconds each time it is read."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def drawn(step: float, monkeypatch: pytest.MonkeyPatch, most: int = 10) -> str:
    """The terminal output while ten items arrive at fixed intervals, of which some are consumed."""
    stream = io.StringIO()
    monkeypatch.setattr("convcalc.render.progress.monotonic", Clock(step))
    monkeypatch.setattr("convcalc.render.progress.terminal_width", lambda stream: 80)
    items = show_progress(range(10), 10, stream)
    assert [item for item, _ in zip(items, range(most), strict=False)] == list(range(most))
    items.close()  # type: ignore[attr-defined]
    return stream.getvalue()


def test_the_bar_appears_only_for_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(PATIENCE / 20, monkeypatch) == ""
    assert "5 of 10 files ━" in drawn(PATIENCE / 3, monkeypatch)


def test_a_single_item_shows_no_bar_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("convcalc.render.progress.monotonic", Clock(PATIENCE * 3))
    assert list(show_progress(["item"], 1, stream)) == ["item"]
    assert stream.getvalue() == ""


@pytest.mark.parametrize("most", [7, 10])
def test_the_bar_leaves_an_empty_line_even_if_interrupted(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(PATIENCE / 3, monkeypatch, most)
    assert text.endswith(ERASE)
    assert "\n" not in text


@pytest.mark.parametrize("width", [0, 1, 10, 20, 40, 80, 200])
def test_the_bar_fits_the_terminal(width: int) -> None:
    assert len(draw_progress(123, 1000, width)) <= max(width - 1, 0)
    assert len(draw_progress(1000, 1000, width)) <= max(width - 1, 0)


def checked(*arguments: str) -> tuple[int, str]:
    """The exit status and the output of the check on a terminal as standard error."""
    return on_terminal("-m", "convcalc", "check", "--isolated", *arguments)


@on_posix
def test_a_terminal_shows_the_bar_unless_quiet(slow: list[str]) -> None:
    slow = slow[:5]
    status, written = checked("-j", "1", *slow)
    assert status == 0
    pictures = re.findall(r"(\d+) of 5 files ━", written)
    assert pictures
    assert pictures == sorted(pictures, key=int)
    assert written.endswith(ERASE)
    assert checked("-j", "1", "-q", *slow) == (0, "")
    assert checked(slow[0]) == (0, "")
