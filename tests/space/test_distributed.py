"""Sweeps on a real cluster of Dask over loopback, with a worker killed in the middle; on MPI and loky; by Optuna."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
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


def read_example(word: str) -> str:
    """Return the Python example with this word from the manual's page on sweeps."""
    page = (Path(convcalc.__file__).parent / "manual" / "sweep.md").read_text(encoding="utf-8")
    examples: list[str] = re.findall(r"```py\n(.*?)```", page, re.DOTALL)
    [found] = [code for code in examples if word in code]
    return found


@pytest.mark.distributed("mpi4py")
def test_the_example_for_mpi_in_the_manual_has_the_rows_of_one_process(tmp_path: Path) -> None:
    if which("mpiexec") is None:
        pytest.skip("starts processes of MPI: apt-get install openmpi-bin")
    (tmp_path / "rows.py").write_text(
        f"{read_example('MPIPoolExecutor')}    import json\n    print(json.dumps(table.rows))\n", encoding="utf-8"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(convcalc.__file__).parent.parent),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",  # there may be fewer processors than processes
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",  # the same for Open MPI 5
    }
    command = ["mpiexec", "-n", "3", sys.executable, "-m", "mpi4py.futures", "rows.py"]
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=120, check=True)
    rows = [tuple(row) for row in json.loads(found.stdout)]
    assert len(rows) > 30_000
    params = {"width": "0.25:1:0.005", "size": "32:231:1"}
    assert rows == convcalc.sweep("example:mobilenet_v1", params).rows


@pytest.mark.distributed("loky")
def test_rows_of_loky_are_those_of_one_process() -> None:
    from loky import get_reusable_executor

    params = {"width": "0.25:1:0.05", "size": "32:231:1"}
    executor = get_reusable_executor(max_workers=2)
    try:
        table = convcalc.sweep("example:mobilenet_v1", params, executor=executor, pareto="macs,-params")
    finally:
        executor.shutdown(kill_workers=True)
    assert table.rows == convcalc.sweep("example:mobilenet_v1", params, pareto="macs,-params").rows


def test_the_example_for_optuna_in_the_manual_keeps_its_limit() -> None:
    found: dict[str, Any] = {}
    exec(read_example("optuna"), found)
    trials = found["study"].best_trials
    assert len(trials) > 5
    for trial in trials:
        totals = convcalc.summary("example:mobilenet_v1", params=trial.params, dtype="int8").totals
        assert trial.values == [totals.params, totals.macs]
        assert totals.peak_memory <= 256 * 1024
