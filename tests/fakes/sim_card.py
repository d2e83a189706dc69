"""Simulated sound cards: ALSA devices with clocks of their own, built from `tests/sim_card/pcm_sim.c` (audio-path 2.3).

They block, drift, run dry, hang and are unplugged as cards are. They have no mixer, and nothing of the delays of a
kernel or a USB bus. Need gcc and Debian's libasound2-dev.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

SOURCE = Path(__file__).parents[1] / "sim_card" / "pcm_sim.c"
HEADER = Path("/usr/include/alsa/pcm_ioplug.h")
MISSING = [name for name, there in (("gcc", shutil.which("gcc")), ("libasound2-dev", HEADER.exists())) if not there]

# `hw:CARD=x` and `plughw:CARD=x` mean the simulated card x, and no card of this machine.
ASOUNDRC = """</usr/share/alsa/alsa.conf>
pcm_type.sim {{ lib "{library}" }}
pcm.!hw {{
    @args [ CARD DEV SUBDEV ]
    @args.CARD {{ type string }}
    @args.DEV {{ type integer default 0 }}
    @args.SUBDEV {{ type integer default -1 }}
    @func refer
    name {{ @func concat strings [ "pcm." $CARD ] }}
}}
pcm.!plughw {{
    @args [ CARD DEV SUBDEV ]
    @args.CARD {{ type string }}
    @args.DEV {{ type integer default 0 }}
    @args.SUBDEV {{ type integer default -1 }}
    type plug
    slave.pcm {{ @func refer name {{ @func concat strings [ "pcm." $CARD ] }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a card's log: start, xrun or stop, when by CLOCK_MONOTONIC_RAW, where in the file."""

    what: str
    at_s: float
    frame: int


class Card:
    """One direction of one card. `file` is what goes through its jack, as raw samples."""

    def __init__(self, folder: Path, name: str, options: dict[str, object]) -> None:
        self.name = name
        self.file = folder / f"{name}.raw"
        self._ppm, self._unplugged, self._stalled = (
            folder / f"{name}.{what}" for what in ("ppm", "unplugged", "stalled")
        )
        self.drift(options.pop("ppm", 0))
        paths = {"file": self.file, "ppm": self._ppm, "fault": self._unplugged, "stall": self._stalled}
        body = " ".join(f'{key} "{value}"' for key, value in {**paths, **options}.items())
        self.definition = f"pcm.{name} {{ type sim {body} }}\n"

    def drift(self, ppm: object) -> None:
        """Let the clock run faster by this; a running one notices within a second."""
        fresh = self._ppm.with_suffix(".new")
        fresh.write_text(f"{ppm}\n")
        fresh.rename(self._ppm)

    def unplug(self) -> None:
        """Take it away."""
        self._unplugged.touch()

    def plug(self) -> None:
        """Bring it back."""
        self._unplugged.unlink()

    def stall(self) -> None:
        """Let it hang."""
        self._stalled.touch()

    def go_on(self) -> None:
        """Let it hang no more."""
        self._stalled.unlink()

    @property
    def events(self) -> list[Event]:
        """What happened so far."""
        log = Path(f"{self.file}.log")
        lines = log.read_text().splitlines() if log.exists() else []
        return [Event(what, float(at_s), int(frame)) for what, at_s, frame in map(str.split, lines)]

    def samples(self, channels: int = 1) -> np.ndarray:
        """What went through the jack so far, s16."""
        samples = np.fromfile(self.file, "<i2")
        return samples if channels == 1 else samples.reshape(-1, channels)


class SimCards:
    """Cards by name, each with the options of `pcm_sim.c`; `environment` is what a process needs to have them.

    A process reads it when it opens its first device.
    """

    def __init__(self, folder: Path, **cards: dict[str, object]) -> None:
        self.cards = {name: Card(folder, name, dict(options)) for name, options in cards.items()}
        path = folder / "asoundrc"
        definitions = "".join(card.definition for card in self.cards.values())
        path.write_text(ASOUNDRC.format(library=library()) + definitions)
        self.environment = {"ALSA_CONFIG_PATH": str(path)}

    def __getitem__(self, name: str) -> Card:
        return self.cards[name]


@functools.cache
def library() -> Path:
    """The plugin, built once in the life of this process."""
    folder = tempfile.mkdtemp(prefix="sim-card-")
    weakref.finalize(library, shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "libasound_module_pcm_sim.so"
    command = ["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-DPIC"]
    subprocess.run([*command, "-o", str(path), str(SOURCE), "-lasound"], check=True)
    return path


def needed() -> None:
    """Skip the test by name where the cards cannot be built; in CI that is a failure."""
    if MISSING and "REQUIRE_LIVEKIT_SERVERS" in os.environ:
        pytest.fail(f"not installed: {', '.join(MISSING)}")
    if MISSING:
        pytest.skip(f"no simulated cards, not installed: {', '.join(MISSING)}")
