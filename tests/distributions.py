"""Source distribution and wheel of the tree as it is here, made in a clean copy of it without a network.

``python -m tests.distributions FOLDER`` puts both into a folder.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]


def tree() -> list[str]:
    """The files of the tree, ``/`` between folders: what git has, and what it would be given."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(name for name in set(done.stdout.split("\0")) if (ROOT / name).is_file())


def build(folder: Path) -> tuple[Path, Path]:
    """The source distribution of the tree, and the wheel that is built from that and from nothing else."""
    with TemporaryDirectory() as made:
        copy = Path(made) / "copy"
        for name in tree():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
        source = _call("build_sdist", copy, folder)
        with tarfile.open(source) as archive:
            archive.extractall(made, filter="data")
        return source, _call("build_wheel", Path(made) / source.name.removesuffix(".tar.gz"), folder)


def _call(hook: str, source: Path, folder: Path) -> Path:
    """What the build backend makes of a source tree; the last line it prints is the name of the file."""
    code = f"import sys; from setuptools import build_meta; print(build_meta.{hook}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder.resolve())], cwd=source, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{hook} failed:\n{done.stdout}{done.stderr}")
    return folder / done.stdout.splitlines()[-1]


if __name__ == "__main__":
    build(Path(sys.argv[1]))
