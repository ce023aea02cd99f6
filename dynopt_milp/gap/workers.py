"""The cells of a study on several processes, or on a cluster."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Event, Thread

from dynopt_milp.backtests.journal import JOURNAL
from dynopt_milp.errors import InputError, WorkerError
from dynopt_milp.gap.cells import StudySettings, run_cell, summary_path
from dynopt_milp.gap.grid import Cell
from dynopt_milp.io.progress import Progress

POLL_SECONDS = 0.5
CONNECT_SECONDS = 10


def in_parallel(study: StudySettings, cells: list[Cell], workers: int, cluster: str | None) -> Iterator[None]:
    """The cells as they end, in any order."""
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool  # TerminatedWorkerError is one

    if cluster is None:
        if workers == 1 or len(cells) <= 1:
            for cell in cells:
                run_cell(study, cell)
                yield
            return
        try:
            yield from Parallel(n_jobs=workers, return_as="generator_unordered")(
                delayed(_run_cell_for)(os.getpid(), study, cell) for cell in cells
            )
        except BrokenProcessPool:
            raise WorkerError(
                f"a worker has ended, killed or out of memory; what is done is kept in {study.folder.parent}: run the "
                "same again to go on, with fewer workers if memory is short"
            ) from None
        return
    from distributed import Client

    with Client(cluster), parallel_config(backend="dask"):
        yield from Parallel()(delayed(run_cell)(study, cell) for cell in cells)


def _run_cell_for(parent: int, study: StudySettings, cell: Cell) -> None:
    """Run a cell, but do not outlive the process that asked for it: the next one would find the record in use."""
    _end_with(parent)
    run_cell(study, cell)


@cache
def _end_with(parent: int) -> None:
    """End this process when its parent is gone; one watcher, however many cells it runs."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def check_cluster(address: str) -> None:
    """Refuse an address at which no scheduler answers.

    Raises
    ------
    InputError
    """
    from distributed import Client

    logging.getLogger("distributed.comm").setLevel(logging.CRITICAL)
    try:
        with Client(address, timeout=CONNECT_SECONDS):
            pass
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {address}: {error}", field="cluster") from None


@contextmanager
def polled(
    progress: Progress, study: StudySettings, missing: list[Cell], finished: int, counts: dict[Cell, int]
) -> Iterator[None]:
    """Show how many rebalances the records hold, wherever they are written."""
    ended = Event()

    def look() -> None:
        while not ended.wait(POLL_SECONDS):
            done = finished
            for cell in missing:
                record = study.folder / cell.key / JOURNAL
                if summary_path(study, cell).exists():
                    done += counts[cell]
                elif record.exists():
                    with record.open("rb") as file:
                        done += sum(1 for _ in file)
            progress.reach(done)

    thread = Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
