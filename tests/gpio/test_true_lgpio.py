"""The true lgpio over a simulated chip, so that `tests/fakes/lgpio` cannot be wrong in what matters."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1] / "sim_gpio"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lines", "header"])
def test_lamps_and_buttons_by_the_true_lgpio(tmp_path, kind):
    if importlib.util.find_spec("lgpio") is None or shutil.which("cc") is None:
        pytest.skip("the true lgpio was not tried: pip install --target DIR lgpio==0.2.2.0, and DIR in PYTHONPATH; cc")
    chip, dev, home = tmp_path / "chip.so", tmp_path / "dev", tmp_path / "home"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(chip), str(HERE / "chip.c"), "-ldl"], check=True)
    dev.mkdir(), home.mkdir(), (dev / "gpiochip0").touch()
    environ = {**os.environ, "LD_PRELOAD": str(chip), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(HERE / "story.py"), kind, str(dev)]
    done = subprocess.run(command, env=environ, cwd=home, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen.pop("refused").startswith(
        "line red-led cannot be used: heartbeat has it" if kind == "lines" else "GPIO 5 cannot be used: 'GPIO busy'"
    )
    assert seen == {"levels": [1, 0], "asked": ["ToggleLive()"] * 10, "used": [], "left": []}
