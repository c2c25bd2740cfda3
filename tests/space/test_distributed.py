"""Sweeps on a real cluster of Dask over loopback, with a worker killed in the middle, and asked by Optuna."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.space import shard_folder
from convcalc.space.shard_folder import read_folder
from tests.support.places import EXAMPLES

pytestmark = [pytest.mark.distributed, pytest.mark.filterwarnings("ignore")]
MOBILENET = str(EXAMPLES / "mobilenet_v1.yaml")
SWEEP = ["sweep", MOBILENET, "-p", "width=0.25:1:0.005", "-p", "size=32:231:1", "--columns", "macs", "--no-spec-budget"]


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers, threads_per_worker=2, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as found:
        yield found


def test_rows_and_shards_of_dask_are_those_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*SWEEP, "-o", "serial.csv"]) == 0
    serial = Path("serial.csv").read_bytes()
    with cluster(2) as dask:
        address = dask.scheduler_address
        assert run([*SWEEP, "-o", "rows.csv", "--dask", address]) == 0
        assert Path("rows.csv").read_bytes() == serial
        assert run([*SWEEP, "-o", "rows/", "--dask", address]) == 0
        assert run(["merge", "rows", "-o", "merged.csv"]) == 0
        assert Path("merged.csv").read_bytes() == serial
        with dask.get_client() as client:
            table = convcalc.sweep(
                MOBILENET, {"width": "0.25:1:0.05", "size": [96, 224]}, executor=client.get_executor()
            )
        assert table.rows == convcalc.sweep(MOBILENET, {"width": "0.25:1:0.05", "size": [96, 224]}).rows


def test_a_worker_that_is_killed_costs_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shard_folder, "_MOST", 100)  # 302 shards
    assert run([*SWEEP, "-o", "serial.csv"]) == 0
    killed: list[int] = []

    def kill(dask: Any) -> None:
        while len(list(Path("rows").glob("0*.csv"))) < 10:
            time.sleep(0.01)
        pid = next(iter(dask.workers.values())).pid
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    with cluster(2) as dask:
        thread = threading.Thread(target=kill, args=[dask])
        thread.start()
        assert run([*SWEEP, "-o", "rows/", "--dask", dask.scheduler_address]) == 0
        thread.join()
    assert killed
    assert len(read_folder("rows").firsts) == 302
    assert run(["merge", "rows", "-o", "merged.csv"]) == 0
    assert Path("merged.csv").read_bytes() == Path("serial.csv").read_bytes()


def test_a_scheduler_that_does_not_answer_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from convcalc.space import dask_cluster

    monkeypatch.setattr(dask_cluster, "_SECONDS", 0.5)
    assert run([*SWEEP, "--dask", "tcp://127.0.0.1:1"]) == 2
    assert "--dask: no scheduler answers at tcp://127.0.0.1:1" in capsys.readouterr().err
    assert run([*SWEEP, "--dask", "nonsense://\x1b[2J"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("convcalc: --dask: ")
    assert "\x1b" not in said


def test_the_example_for_optuna_in_the_manual_keeps_its_limit() -> None:
    page = (Path(convcalc.__file__).parent / "manual" / "sweep.md").read_text(encoding="utf-8")
    [code] = [code for code in re.findall(r"```py\n(.*?)```", page, re.DOTALL) if "optuna" in code]
    found: dict[str, Any] = {}
    exec(code, found)
    trials = found["study"].best_trials
    assert len(trials) > 5
    for trial in trials:
        totals = convcalc.summary("example:mobilenet_v1", params=trial.params, dtype="int8").totals
        assert trial.values == [totals.params, totals.macs]
        assert totals.peak_memory <= 256 * 1024
