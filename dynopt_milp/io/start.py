"""Ctrl-C while the command still imports the package, which takes a second: it ends there, without a traceback."""

from __future__ import annotations

import os
import signal
import sys
import threading
from itertools import pairwise
from pathlib import Path
from types import FrameType

COMMAND, MODULE = "dynopt-milp", ("-m", "dynopt_milp")
INTERRUPTED = 130


def is_command() -> bool:
    """Whether it is our command that this process was started for, and not a program that imports the package, nor a
    worker of the command: that has its arguments and was started by others.
    """
    script = Path(sys.argv[0]).stem == COMMAND and sys.argv[0] in sys.orig_argv
    return script or (sys.argv[0] == "-m" and MODULE in pairwise(sys.orig_argv))


def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # what a handler is given
    """What an interrupt does until the command runs. An exception would pass through what is half imported."""
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def started() -> None:
    """From here on an interrupt is an exception again."""
    if signal.getsignal(signal.SIGINT) is end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if (
    threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    and is_command()
):
    signal.signal(signal.SIGINT, end)
