"""The command line as a test calls it: in this process, or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest.mock import patch

import pytest

from dynopt_milp.commands.cli import main

COMMAND = [sys.executable, "-m", "dynopt_milp"]


def run(*arguments: object, cwd: Path | None = None) -> CompletedProcess[str]:
    """What a command says and its exit code, in this process: starting one and importing the package takes seconds."""
    words = ["dynopt-milp", *(str(argument) for argument in arguments)]
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(cwd or "."),
        patch.object(sys, "argv", words), pytest.raises(SystemExit) as left,
    ):  # fmt: skip
        main()
    assert isinstance(left.value.code, int)
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return CompletedProcess(words, left.value.code, *said)


def run_process(*arguments: object, **options: Any) -> CompletedProcess[str]:
    """The same in a process of its own, as a user has it."""
    words = [*COMMAND, *(str(argument) for argument in arguments)]
    return subprocess.run(words, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False, **options)


def read_json(text: str) -> dict[str, Any]:
    """The one JSON object that was printed; without NaN or infinity, which JSON does not have."""
    found = json.loads(text, parse_constant=pytest.fail)
    assert isinstance(found, dict)
    return found
