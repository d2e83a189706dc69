"""The vendor's SDKs in environments of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.servers import required

HERE = Path(__file__).parent


def python(version: str) -> str:
    """The interpreter that has this SDK, built when it is not in the cache. Skips the test where it cannot be had."""
    environ = {**os.environ, "PYTHON": sys.executable}
    built = subprocess.run([str(HERE / "build"), version], env=environ, capture_output=True, text=True)
    if built.returncode == 0:
        return built.stdout.strip()
    if required() or "HASHES" in built.stderr:
        pytest.fail(f"palabra-ai {version} cannot be installed:\n{built.stderr}", pytrace=False)
    pytest.skip(f"palabra-ai {version} is not tried: it is not in the cache, and no package index has it")
