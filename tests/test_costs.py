"""What the box says that it has paid, beside what the sandbox has charged (appliance B15)."""

import json
import subprocess
import time

import pytest

from tests.fakes.processes import BOOTHD, box, credentials, recording, sandbox, settings_for, until

pytestmark = pytest.mark.slow


def test_what_is_paid_is_what_the_cloud_charges(tmp_path):
    line_in = recording(tmp_path / "line-in.wav", bytes(48000))
    with sandbox(tmp_path) as cloud:
        settings = settings_for(tmp_path, cloud.url, line_in=str(line_in))
        with box(tmp_path, settings, environ=credentials(cloud)) as one:

            def say(verb: str) -> None:
                command = [*BOOTHD, verb, "--config", str(one.config), "--wait", "--timeout", "20"]
                subprocess.run(command, env=one.environ, check=True, timeout=40)

            one.until("ready")
            for verb, lasts_s in (("start", 10), ("pause", 5), ("resume", 10)):
                say(verb)
                time.sleep(lasts_s)
            say("stop")
            one.until("ready")
            until(lambda: cloud.get("/sandbox/sessions")[0]["ended"], "the end of the session")
            (charged,) = cloud.get("/sandbox/sessions")
            paid_s = one.status()["paid_s"]
            print(f"paid {paid_s['session']} s, charged {charged['paid_s']:.1f} s")
            assert charged["paid_s"] > 20
            assert paid_s["session"] == pytest.approx(charged["paid_s"], rel=0.02)
            assert paid_s["total"] == paid_s["session"]
            one.stop()
            kept = json.loads((tmp_path / "paid.json").read_text())["paid_s"]
            assert kept == pytest.approx(paid_s["total"], abs=0.1)
