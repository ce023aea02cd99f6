"""A study on a real Dask cluster of two worker processes, one of which is killed on the way."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest

from dynopt_milp import simulated_market
from dynopt_milp.gap import GapGrid, run_gap_study

distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'dynopt-milp[cluster]'")

NAMES = ["US10", "BUND", "ES_micro", "NQ_micro", "EUR_micro", "GOLD_micro", "CORN", "CRUDE_mini"]
GRID = GapGrid(capitals=(100_000, 1_000_000), cost_multipliers=(10, 50), start="2016-01-01", end="2016-06-30")


@pytest.mark.filterwarnings("ignore")  # of the cluster, about the worker that is killed
def test_a_worker_is_killed_and_nothing_is_lost(tmp_path: Path) -> None:
    market = simulated_market(3, instruments=NAMES)
    alone, together = tmp_path / "alone", tmp_path / "together"
    run_gap_study(market, GRID, alone)
    killed: list[int] = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        first = [worker.pid for worker in cluster.workers.values()]

        def kill_one() -> None:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                if list(together.glob("cells/*.json")) and len(list(together.glob("cells/*/journal.jsonl"))) == 2:
                    os.kill(first[0], signal.SIGKILL)
                    killed.append(first[0])
                    return
                time.sleep(0.005)

        killer = Thread(target=kill_one)
        killer.start()
        run_gap_study(market, GRID, together, cluster=cluster.scheduler_address)
        killer.join()
    assert killed, "no worker was killed: the test tests nothing"
    frames = [
        pd.read_parquet(folder / "rebalances.parquet").drop(columns=["greedy_seconds", "exact_seconds"])
        for folder in (alone, together)
    ]
    assert len(frames[0]) == 8 * 25
    pd.testing.assert_frame_equal(*frames, check_exact=True)
