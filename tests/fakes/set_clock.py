"""The time of day of another process, set from outside by `set_clock.c`; needs gcc."""

import functools
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@functools.cache
def _library() -> str:
    library = Path(tempfile.mkdtemp(prefix="set-clock-")) / "set_clock.so"
    command = ["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
    subprocess.run(command, check=True)
    return str(library)


class SettableClock:
    """Start the process with `environ`, and `set` its clock while it runs."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "set-clock"
        self.set(0)
        self.environ = {"LD_PRELOAD": _library(), "SET_CLOCK": str(self._file)}

    def set(self, ahead_s: int) -> None:
        """From now on it is so many seconds ahead of ours."""
        file = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(file, struct.pack("=q", ahead_s), 0)
        os.close(file)
