"""A sweep by several processes, in a folder of shards: equal to the serial sweep, byte for byte, whatever happens."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.problems import Flaw
from convcalc.render import shard_files
from convcalc.space import shard_folder
from convcalc.space.evaluation import Setup
from convcalc.space.recipes import Part, Recipe, evaluate_part
from convcalc.space.shard_folder import read_folder
from convcalc.space.shard_manifest import OPTIONS, replace_file
from convcalc.space.sweeping import Numbers

REPLACE = "convcalc.space.shard_folder.replace_file"
Capture = pytest.CaptureFixture[str]
NET = """
params: {width: 4, size: 8, act: relu}
x-task: small
input: [3, $size, $size]
layers:
  - conv: {out_channels: $width, kernel_size: 5}
  - $act
  - conv: {out_channels: 3, kernel_size: 3}
"""
SWEEP = ["sweep", "net.yaml", "-p", "width=1:9:1", "-p", "size=5:30:1", "-p", "act=relu,hardswish"]  # 468 rows


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with a spec, in which shards have at most 50 rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shard_folder, "_MOST", 50)
    Path("net.yaml").write_text(NET, encoding="utf-8")


def succeed(capsys: Capture, *arguments: str) -> str:
    """Run a command, and return its standard output; nothing may be on standard error."""
    assert run(list(arguments)) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def refused(capsys: Capture, *arguments: str) -> str:
    assert run(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def serial(capsys: Capture, *options: str, format: str = "csv") -> bytes:
    """The file that one process writes."""
    succeed(capsys, *SWEEP, *options, "-o", f"serial.{format}")
    return Path(f"serial.{format}").read_bytes()


def shards(folder: str = "rows", format: str = "csv") -> list[Path]:
    return sorted(Path(folder).glob(f"0*.{format}"))


def rows_of(file: str | Path) -> list[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet", reason="reads the file that was written")
    rows: list[dict[str, Any]] = parquet.read_table(file).to_pylist()
    return rows


# -- several processes


@pytest.mark.parametrize("format", ["csv", "json", "jsonl", "table"])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--where", "macs > 20K", "--derive", "ratio=macs/params", "--drop-invalid"],
        ["--sort", "macs,-width", "--top", "30", "--max-macs", "50K"],
        ["--pareto", "params,-macs", "--sample", "200", "--seed", "3"],
        ["--shard", "2/3"],
    ],
)
def test_two_processes_write_what_one_writes(format: str, options: list[str], capsys: Capture) -> None:
    one = succeed(capsys, *SWEEP, *options, "-f", format)
    assert succeed(capsys, *SWEEP, *options, "-f", format, "-j", "2") == one
    assert one.count("\n") > 5


def test_warnings_count_the_rows_of_all_processes(capsys: Capture) -> None:
    Path("a.csv").write_text("width,top1\n1,50\n2,60\n99,1\n", encoding="utf-8")
    options = [*SWEEP, "--join", "a.csv", "--derive", "d=1/(width-1)", "--pareto", "macs,-top1", "--columns", "macs"]
    said = []
    for jobs in ("1", "2"):
        assert run([*options, "-j", jobs, "-f", "csv"]) == 0
        said.append(capsys.readouterr())
    assert said[0] == said[1]
    assert said[0].err.splitlines() == [
        "convcalc: --derive d: no result in 52 rows: division by zero",
        "convcalc: a.csv: 1 line matches no combination: 4",
        "convcalc: a.csv: 364 of 468 combinations have no line",
    ]


def test_a_wrong_request_is_reported_once_and_as_by_one_process(capsys: Capture) -> None:
    for option in (["--where", "output_shape"], ["-p", "siez=1"], ["--columns", "mac"], ["--pareto", "macs,act"]):
        one = refused(capsys, *SWEEP, *option)
        assert refused(capsys, *SWEEP, *option, "-j", "2") == one
        assert refused(capsys, *SWEEP, *option[:2], "-j", "2", "-o", "rows/") if "pareto" not in option[0] else one
        assert not Path("rows").exists()
    assert "-j cannot be combined with --dask" in refused(capsys, *SWEEP, "-j", "2", "--dask", "tcp://127.0.0.1:1")


# -- a folder of shards


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("options", [[], ["--where", "macs > 20K", "--derive", "r=macs/params"], ["--sample", "99"]])
def test_merged_shards_are_what_one_process_writes(jobs: str, options: list[str], capsys: Capture) -> None:
    expected = serial(capsys, *options)
    succeed(capsys, *SWEEP, *options, "-o", "rows/", "-j", jobs)
    assert len(shards()) == (2 if "--sample" in options else 10)
    succeed(capsys, "merge", "rows", "-o", "merged.csv")
    assert Path("merged.csv").read_bytes() == expected
    assert succeed(capsys, "merge", "rows/").encode() == expected
    assert [path.name for path in Path("rows").iterdir() if path.suffix == ".part"] == []


def test_parquet_shards_have_the_same_columns_and_rows(capsys: Capture) -> None:
    options = ["--derive", "half=width/2", "--columns", "macs,output_shape,x-task", "-f", "parquet"]
    serial(capsys, *options, format="parquet")
    succeed(capsys, *SWEEP, *options, "-o", "rows/", "-j", "2")
    succeed(capsys, "merge", "rows", "-o", "merged.parquet")
    assert rows_of("merged.parquet") == rows_of("serial.parquet")
    assert [row for shard in shards(format="parquet") for row in rows_of(shard)] == rows_of("serial.parquet")
    assert "the shards are parquet: name a file *.parquet" in refused(capsys, "merge", "rows", "-o", "a.csv")


def test_jobs_of_a_cluster_together_write_all_shards(capsys: Capture) -> None:
    expected = serial(capsys)
    for part in ("2/3", "3/3"):
        succeed(capsys, *SWEEP, "-o", "rows/", "--shard", part)
    said = refused(capsys, "merge", "rows", "-o", "merged.csv")
    assert "not all of its 10 shards are there: rows 0 to 49, 50 to 99 and 100 to 149 are missing" in said
    assert not Path("merged.csv").exists()
    succeed(capsys, *SWEEP, "-o", "rows/", "--shard", "1/3")
    succeed(capsys, "merge", "rows", "-o", "merged.csv")
    assert Path("merged.csv").read_bytes() == expected


def test_what_is_there_is_not_done_again(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    succeed(capsys, *SWEEP, "-o", "rows/")
    third = shards()[2]
    before = third.read_bytes()
    third.write_bytes(before[:-20])  # as after a crash of the system
    shards()[5].unlink()
    Path("rows/000000250.csv.abc.part").touch()
    done = []

    def note(recipe: Recipe, numbers: Numbers) -> Part | Flaw:
        done.append(numbers)
        return evaluate_part(recipe, numbers)

    monkeypatch.setattr(shard_files, "evaluate_part", note)
    succeed(capsys, *SWEEP, "-o", "rows")
    assert done == [range(100, 150), range(250, 300)]
    assert third.read_bytes() == before
    assert not Path("rows/000000250.csv.abc.part").exists()


def test_a_sweep_can_be_resumed_by_the_name_of_its_folder(capsys: Capture) -> None:
    succeed(capsys, *SWEEP, "-o", "rows/")
    before = shards()[2].read_bytes()
    shards()[2].unlink()
    succeed(capsys, *SWEEP, "--resume", "rows")
    assert shards()[2].read_bytes() == before
    assert "there is no sweep.json: start a sweep with -o FOLDER/" in refused(capsys, *SWEEP, "--resume", "row")
    assert not Path("row").exists()
    assert "--resume cannot be combined with -o" in refused(capsys, *SWEEP, "--resume", "rows", "-o", "a.csv")
    assert "--columns differs" in refused(capsys, *SWEEP, "--columns", "macs", "--resume", "rows")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--columns", "macs"], "--columns differs"),
        (["--where", "macs > 1"], "--where differs"),
        (["--batch", "2"], "--batch differs"),
        (["--sample", "20"], "--sample differs"),
        (["--dtype", "int8", "-f", "parquet"], "--dtype and -f differ"),
        (["--max-macs", "3M"], "the budget differs"),
    ],
)
def test_the_folder_of_another_sweep_is_refused(options: list[str], named: str, capsys: Capture) -> None:
    succeed(capsys, *SWEEP, "-o", "rows/")
    before = {path: path.read_bytes() for path in Path("rows").iterdir()}
    said = refused(capsys, *SWEEP, *options, "-o", "rows/")
    assert said == f"convcalc: rows/ has the shards of another sweep: {named}: name a new folder\n"
    assert {path: path.read_bytes() for path in Path("rows").iterdir()} == before


def test_a_changed_spec_is_another_sweep(capsys: Capture) -> None:
    succeed(capsys, *SWEEP, "-o", "rows/")
    Path("net.yaml").write_text(NET + "  - relu\n", encoding="utf-8")
    assert "the spec differs" in refused(capsys, *SWEEP, "-o", "rows/")


def test_a_folder_with_other_files_is_refused(capsys: Capture) -> None:
    Path("rows").mkdir()
    Path("rows/notes.txt").touch()
    assert "rows is not empty and has no sweep.json: name a new folder" in refused(capsys, *SWEEP, "-o", "rows")
    assert "rows has no sweep.json, so it is not a folder of shards" in refused(capsys, "merge", "rows")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it must be an object"),
        ("{}", "schema is missing"),
        ({"total": None}, "total must be an integer from 0 to 10^18"),
        ({"total": True}, "total must be an integer from 0 to 10^18"),
        ({"total": 10**30}, "total must be an integer from 0 to 10^18"),
        ({"size": 0}, "size must be an integer from 1 to 10^18"),
        ({"size": 50.0}, "size must be an integer from 1 to 10^18"),
        ({"format": "exe"}, "format must be csv or parquet"),
        ({"format": ["csv"]}, "format must be csv or parquet"),
        ({"kinds": {"macs": "eval"}}, "kinds must map columns to int, float, bool, str"),
        ({"kinds": {"macs": {}}}, "kinds must map columns to int, float, bool, str"),
        ({"kinds": []}, "kinds must map columns to int, float, bool, str"),
        ({"sweep": "x"}, "sweep must be an object"),
        ({"sweep": {}}, "sweep.convcalc is missing"),
        ({"\x1b[2J": 1}, r"\x1b[2J is unknown"),
    ],
)
def test_a_damaged_manifest_is_refused(change: Any, message: str, capsys: Capture) -> None:
    succeed(capsys, *SWEEP, "-o", "rows/")
    file = Path("rows/sweep.json")
    written = json.loads(file.read_text(encoding="utf-8"))
    text = json.dumps({**written, **change}) if isinstance(change, dict) else change
    file.write_text(text, encoding="utf-8")
    advice = "restore it, or remove the folder and run the sweep again"
    said = f"convcalc: {file} is damaged: {message}: {advice}\n"
    assert refused(capsys, "merge", "rows") == said
    assert refused(capsys, *SWEEP, "-o", "rows/") == said
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("change", [{"schema": "convcalc/shards/99"}, {"schema": None}, {"version": 1, "schema": ""}])
def test_the_manifest_of_another_version_is_refused(change: dict[str, Any], capsys: Capture) -> None:
    succeed(capsys, *SWEEP, "-o", "rows/")
    file = Path("rows/sweep.json")
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    assert "was written by another version of convcalc: use that version" in refused(capsys, "merge", "rows")


def test_two_processes_can_write_the_same_folder(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one completes the folder while this one writes its third shard, and removes what is left over."""
    expected = serial(capsys)
    calls: list[str] = []

    def race(target: str, data: bytes) -> None:
        calls.append(target)
        if len(calls) == 6:
            monkeypatch.setattr(REPLACE, replace_file)
            succeed(capsys, *SWEEP, "-o", "rows/")
            raise FileNotFoundError(target)  # as if the other process had removed the partial file
        replace_file(target, data)

    monkeypatch.setattr(REPLACE, race)
    succeed(capsys, *SWEEP, "-o", "rows/")
    assert len(calls) == 6
    assert succeed(capsys, "merge", "rows").encode() == expected


def test_every_setting_of_a_sweep_is_in_the_manifest(capsys: Capture) -> None:
    succeed(capsys, *SWEEP, "-o", "rows/")
    sweep = json.loads(Path("rows/sweep.json").read_text(encoding="utf-8"))["sweep"]
    assert set(sweep) == set(OPTIONS)
    assert {*Setup._fields} - {"overrides"} <= set(sweep)
    assert {"set", "input", "batch", "dtype"} <= set(sweep)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sort", "macs"], "--sort cannot be combined with a folder of shards"),
        (["--pareto", "macs"], "--pareto cannot be combined with a folder of shards"),
        (["--limit", "3"], "--limit cannot be combined with a folder of shards"),
        (["--plot", "macs,params", "a.svg"], "--plot cannot be combined with a folder of shards"),
        (["-f", "json"], "-f json cannot be combined with a folder: use -f csv or parquet"),
        (["-p", "width=1:1000000:1", "-p", "size=1:1000000:1"], "-p: 'width' is given twice"),
    ],
)
def test_what_needs_all_rows_is_refused(options: list[str], message: str, capsys: Capture) -> None:
    assert message in refused(capsys, *SWEEP, *options, "-o", "rows/")
    assert not Path("rows").exists()


def test_too_many_rows_are_refused_unless_they_are_divided(capsys: Capture) -> None:
    huge = ["sweep", "net.yaml", "-p", "width=1:1000000:1", "-p", "size=6:1000000:1", "--columns", "params"]
    said = refused(capsys, *huge, "-o", "rows/")
    assert "999,995,000,000 combinations exceed the limit of 1,000,000,000" in said
    assert not Path("rows").exists()
    succeed(capsys, *huge, "-o", "rows/", "--shard", "7/999999999")
    assert [path.name for path in shards()] == [f"{first:012}.csv" for first in range(5950, 6950, 50)]
    assert "not all of its 19,999,900,000 shards are there" in refused(capsys, "merge", "rows")


def test_a_sweep_of_invalid_networks_is_reported(capsys: Capture) -> None:
    assert run(["sweep", "net.yaml", "-p", "size=1,2,3", "-o", "rows/"]) == 1
    assert "the spec is invalid for every combination; the first error:\nnet.yaml:6:" in capsys.readouterr().err


# -- merging what is not as it was written


def test_a_shard_that_is_truncated_changed_or_copied_is_found(capsys: Capture) -> None:
    succeed(capsys, *SWEEP, "-o", "rows/")
    third, fourth = shards()[2:4]
    data, facts = third.read_bytes(), third.with_suffix(".json").read_bytes()
    changed = f"convcalc: {third} is incomplete or was changed: remove it, and run the sweep with the same -o again\n"
    for wrong in (data[:-1], data + b"\n", data.replace(b"1", b"2"), fourth.read_bytes(), b""):
        third.write_bytes(wrong)
        assert refused(capsys, "merge", "rows", "-o", "merged.csv") == changed
    third.write_bytes(data)
    for text in (fourth.with_suffix(".json").read_bytes(), b"{", b"[]", facts.replace(b'"tried": 50', b'"tried": "x"')):
        third.with_suffix(".json").write_bytes(text)
        assert refused(capsys, "merge", "rows", "-o", "merged.csv") == changed
    third.with_suffix(".json").write_bytes(facts)
    copy = third.with_name("000000101.csv")
    copy.write_bytes(data)
    assert f"{copy} is not one of the 10 shards: its rows would be there twice" in refused(capsys, "merge", "rows")
    assert not Path("merged.csv").exists()
    copy.unlink()
    succeed(capsys, "merge", "rows", "-o", "merged.csv")


def test_a_missing_folder_is_reported(capsys: Capture) -> None:
    assert "nowhere has no sweep.json" in refused(capsys, "merge", "nowhere")
    assert "'net.yaml' is a file" in refused(capsys, "merge", "net.yaml")
    assert "net.yaml" in refused(capsys, *SWEEP, "-o", "net.yaml/")


def test_a_full_disk_keeps_the_shards_that_are_complete(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = serial(capsys)

    def fail(target: str, data: bytes) -> None:
        if target.endswith("150.csv"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace_file(target, data)

    with monkeypatch.context() as patch:
        patch.setattr(REPLACE, fail)
        said = refused(capsys, *SWEEP, "-o", "rows/")
    assert said == (
        "convcalc: -o rows/: no space left on device; the complete shards are kept: run the same command to resume\n"
    )
    assert [path.name for path in shards()] == ["000000000.csv", "000000050.csv", "000000100.csv"]
    succeed(capsys, *SWEEP, "-o", "rows/")
    assert succeed(capsys, "merge", "rows").encode() == expected


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        replace_file(str(tmp_path / "folder" / "a.csv"), b"x")
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(str(tmp_path / "taken"), b"x")
    assert not list(tmp_path.glob("*.part"))


# -- Ctrl-C

PATCHED = "import sys; from convcalc.space import shard_folder as s; s._MOST = 20; from convcalc.cli.main import run"
LONG = ["sweep", "net.yaml", "-p", "width=1:100:1", "-p", "size=6:105:1", "--columns", "macs"]  # 10,000 rows


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_keeps_the_shards_that_are_complete(jobs: str, capsys: Capture) -> None:
    succeed(capsys, *LONG, "-o", "serial.csv")
    command = [sys.executable, "-c", f"{PATCHED}; sys.exit(run(sys.argv[1:]))", *LONG, "-o", "rows/", "-j", jobs]
    environment = {**os.environ, "PYTHONPATH": str(Path(convcalc.__file__).parent.parent)}
    process = subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 60
    while not shards() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    folder = read_folder("rows")
    done = [first for first in folder.firsts if folder.read_facts(first)]
    assert 0 < len(done) < 500
    assert (
        err
        == f"convcalc: interrupted: {len(done)} of 500 shards are complete in rows/; run the same command to resume\n"
    )
    before = {first: os.stat(folder.name_file(first)).st_mtime_ns for first in done}
    succeed(capsys, *LONG, "-o", "rows/")
    assert {first: os.stat(folder.name_file(first)).st_mtime_ns for first in done} == before
    assert succeed(capsys, "merge", "rows") == Path("serial.csv").read_text(encoding="utf-8")
    assert json.loads(Path("rows/sweep.json").read_text(encoding="utf-8"))["size"] == 20
