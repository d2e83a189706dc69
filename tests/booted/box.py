"""The box on a booted machine, as a technician sets it up: settings, credentials, cards, pins."""

import shutil
from pathlib import Path

import numpy as np

from tests.booted.machine import INSIDE, Machine
from tests.fakes.file_pins import FilePins
from tests.fakes.processes import Sandbox
from tests.fakes.sim_card import SimCards, library
from tests.fakes.speech import recorded
from tests.fakes.stalls import Stalls

LINK, LIVE, ALERT, L1, L2 = 5, 6, 13, 19, 26
LANG, BUTTON, MUTE = 17, 27, 22
CONFIG = "/etc/boothd/boothd.toml"
CREDENTIALS = Path("/etc/credstore")
SETTINGS = f"""
[box]
name = "Booted"
autostart = "always"
[palabra]
base_url = "{{url}}"
[[pair]]
name = "EN to ES"
source = "en"
target = "es"
[[pair]]
name = "EN to FR"
source = "en"
target = "fr"
[audio.input]
device = "alsa:card=linein"
[audio.output]
device = "alsa:card=lineout"
[lamps]
link = {{{{ pin = {LINK} }}}}
live = {{{{ pin = {LIVE} }}}}
alert = {{{{ pin = {ALERT} }}}}
languages = [{{{{ pin = {L1} }}}}, {{{{ pin = {L2} }}}}]
[buttons]
lang = {{{{ pin = {LANG} }}}}
live = {{{{ pin = {BUTTON} }}}}
mute = {{{{ pin = {MUTE} }}}}
"""


class BootedBox:
    """Everything but the unit's start. Line-in says the sandbox's recording once, from its first opening on."""

    def __init__(self, machine: Machine, cloud: Sandbox) -> None:
        self.machine, self.cloud = machine, cloud
        desk = machine.desk
        self.pins = FilePins(desk / "pins")
        self.cards = SimCards(desk, linein={"channels": "1"}, lineout={"channels": "1"})
        (desk / "linein.raw").write_bytes(recorded())
        plugin = desk / "libasound_module_pcm_sim.so"
        shutil.copy(library(), plugin)  # where the unit sees it
        (desk / "asoundrc").write_text((desk / "asoundrc").read_text().replace(str(library()), str(plugin)))
        self.stalls = Stalls(desk / "stalls")
        for path in desk.iterdir():
            path.chmod(0o777)
        tests = INSIDE / "src/tests"
        environ = {
            "GPIOZERO_PIN_FACTORY": "file",
            "FILE_PINS": self.pins.folder,
            "STALLS": self.stalls.folder,
            "PYTHONPATH": f"{tests}/file_pins:{tests}/stalls",
            **self.cards.environment,
        }
        lines = "".join(f"Environment={name}={value}\n" for name, value in environ.items())
        drop_in = f"[Service]\n{lines}ReadWritePaths={desk}\n"
        machine.write("/etc/systemd/system/boothd.service.d/tests.conf", drop_in)
        self.settings = SETTINGS.format(url=cloud.url)
        self.set_up()

    def set_up(self) -> None:
        """As it should be."""
        self.machine.write(CONFIG, self.settings)
        self.credentials()
        self.machine.run("systemctl", "daemon-reload")

    def credentials(self) -> None:
        """Both of them."""
        for name in ("client-id", "client-secret"):
            secret = self.cloud.said[name.replace("-", "_")]
            self.machine.write(f"{CREDENTIALS}/palabra-{name}", secret, mode=0o600)

    def start(self, *, check: bool = True) -> None:
        """Begin."""
        self.machine.run("systemctl", "start", "boothd", check=check)

    def stop(self) -> None:
        """End, and begin the next story with nothing kept and nothing held."""
        self.stalls.let_go()
        self.machine.run("systemctl", "stop", "boothd")
        self.machine.run("systemctl", "reset-failed", "boothd", check=False)
        self.machine.run("sh", "-c", "rm -rf /var/lib/private/boothd/* /run/boothd-kept/*")

    @property
    def lamps(self) -> tuple[int | None, ...]:
        """Whether LINK, LIVE and ALERT are lit."""
        return self.pins.levels(LINK, LIVE, ALERT)

    @property
    def pid(self) -> int:
        """The daemon's, as its machine numbers it; 0: none."""
        return int(self.machine.shown("MainPID"))

    def heard(self) -> np.ndarray:
        """What line-out has played so far."""
        return self.cards["lineout"].samples()
