"""In a process of its own: where it fails, that process hangs for ever."""

import os
import subprocess
import sys

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
