"""A PulseAudio server of our own with two null sinks, as ALSA devices `linein` and `lineout` (audio-path 2.2).

Needs the Debian packages pulseaudio, pulseaudio-utils and libasound2-plugins; no D-Bus, no session, root or not.
Blocks and paces like a card, and both have one mixer, with "Master" and "Capture". Hides xruns: those it cannot show.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = [tool for tool in ("pulseaudio", "pactl", "paplay", "parec") if shutil.which(tool) is None]
SINK = "load-module module-null-sink sink_name={} rate=48000 channels=2 format=s16le\n"
ASOUNDRC = """</usr/share/alsa/alsa.conf>
pcm.linein {{ type pulse; server "unix:{0}/native"; device "linein.monitor" }}
pcm.lineout {{ type pulse; server "unix:{0}/native"; device "lineout" }}
ctl.linein {{ type pulse; server "unix:{0}/native"; device "lineout"; source "linein.monitor" }}
ctl.lineout {{ type pulse; server "unix:{0}/native"; device "lineout"; source "linein.monitor" }}
"""
FORMAT = ["--rate=48000", "--channels=2", "--format=s16le", "--raw"]


class Pulse:
    """One server. `environment` is what a process needs to find it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server: subprocess.Popen[bytes] | None = None
        (directory / "asoundrc").write_text(ASOUNDRC.format(directory))
        (directory / "default.pa").write_text(
            f"load-module module-native-protocol-unix auth-anonymous=1 socket={directory}/native\n"
            + SINK.format("linein")
            + SINK.format("lineout")
        )
        self.environment = {
            "ALSA_CONFIG_PATH": f"{directory}/asoundrc",
            "PULSE_SERVER": f"unix:{directory}/native",
            **dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH"), str(directory)),
        }

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = "-n --daemonize=no --exit-idle-time=-1 --use-pid-file=no --realtime=no --high-priority=no"
        command = ["pulseaudio", *options.split(), "-F", f"{self._directory}/default.pa"]
        self._server = self._run(command, stderr=subprocess.DEVNULL)
        for _ in range(100):
            if self._run(["pactl", "info"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait() == 0:
                return
            time.sleep(0.1)
        raise TimeoutError("the PulseAudio server does not answer")

    def send_signal(self, number: int) -> None:
        """SIGSTOP lets it stand still, SIGCONT go on."""
        assert self._server is not None
        self._server.send_signal(number)

    def kill(self) -> None:
        """Unplug both cards."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    @contextmanager
    def speaking(self, stereo: bytes) -> Iterator[None]:
        """Play this into line-in, s16 at 48 kHz."""
        file = self._directory / "speaker.raw"
        file.write_bytes(stereo)
        with ended(self._run(["paplay", *FORMAT, "--device=linein", str(file)])):
            yield

    @contextmanager
    def listening(self) -> Iterator[Path]:
        """Record line-out into this file, s16 stereo at 48 kHz."""
        path = self._directory / "listener.raw"
        with path.open("wb") as file:
            with ended(self._run(["parec", *FORMAT, "--latency-msec=20", "--device=lineout.monitor"], stdout=file)):
                yield path

    def _run(self, command: list[str], **options: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=os.environ | self.environment, **options)  # type: ignore[call-overload,no-any-return]


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait()
