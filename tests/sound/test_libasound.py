"""In a process of its own: where it fails, that process hangs for ever."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.fakes import pulse
from tests.fakes.processes import box, credentials, sandbox, settings_for

PROGRAM = """
import os, sys, threading, time
from service.core.devices import parse_device
from service.sound.alsa import AlsaOutput

opened = []
def open_device():
    opened.append(AlsaOutput(parse_device("alsa:pcm=hangs")))

opening = threading.Thread(target=open_device)
opening.start()
while not os.path.exists(sys.argv[2]):  # so long as nobody reads from the pipe
    time.sleep(0.02)
    open(sys.argv[2], "w").close()
print("alive", opening.is_alive(), opened, flush=True)
reader = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
opening.join()
opened[0].close()
print("opened", flush=True)
"""


@pytest.mark.slow
def test_a_device_that_hangs_while_it_is_opened_holds_nobody_else(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "asoundrc").write_text(
        f'</usr/share/alsa/alsa.conf>\npcm.hangs {{ type file slave.pcm null file "{pipe}" format raw }}\n'
    )
    environ = {**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "asoundrc")}
    command = [sys.executable, "-c", PROGRAM, str(pipe), str(tmp_path / "moved")]
    told = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=20)
    assert (told.returncode, told.stderr, told.stdout.splitlines()) == (0, "", ["alive True []", "opened"])


@pytest.mark.slow
def test_a_sound_server_that_stands_still_is_a_fault_of_a_daemon_that_lives(tmp_path):
    if pulse.MISSING and "REQUIRE_LIVEKIT_SERVERS" not in os.environ:
        pytest.skip(f"not tried on PulseAudio, not installed: {', '.join(pulse.MISSING)}")
    server = pulse.Pulse(tmp_path)
    server.start()
    try:
        with sandbox(tmp_path) as world:
            settings = settings_for(tmp_path, world.url, line_in="")
            devices = {"wav:": "alsa:pcm=linein", f"wav:{tmp_path}/line-out.wav": "alsa:pcm=lineout"}
            for old, new in devices.items():
                settings = settings.replace(f'device = "{old}"', f'device = "{new}"')
            with box(tmp_path, settings, environ={**credentials(world), **server.environment}) as one:
                one.until("ready")
                server.send_signal(signal.SIGSTOP)
                assert "does not answer" in one.until("fault")["fault"]["detail"]
                # Long enough for both directions to have tried to open their devices anew.
                assert all(one.status() is not None for _ in range(60) if time.sleep(0.1) is None)
                server.send_signal(signal.SIGCONT)
                one.until("ready")
                assert one.stop()[0] == 0
    finally:
        server.kill()
