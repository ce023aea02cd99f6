"""The one thread that SCIP runs in.

SCIP evaluates expressions with CppAD, which numbers the threads it meets and has room for 64 of them: a thread for
each solve is a segmentation fault some time after the sixty-fourth. So all solves of a process share one thread; called
from several threads they wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_THREADS: dict[int, ThreadPoolExecutor] = {}
"""By process: a forked child inherits the dictionary, but not the thread."""


def run_in_scip_thread(function: Callable[[], Any]) -> Future[Any]:
    """Run a function in SCIP's thread; what it raises is raised by the future's ``result``."""
    process = os.getpid()
    if process not in _THREADS:
        _THREADS.clear()
        _THREADS[process] = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scip")
    return _THREADS[process].submit(function)
