"""Pins whose levels and presses live in files: seen and pressed from outside the process, which they outlive.

In the folder that FILE_PINS names: `17` holds the level that a program drives, "0" or "1"; while `17.pressed` is there,
the contact between pin 17 and ground is closed. A pin that nobody drives any more keeps its last level, which a real
line need not do. gpiozero finds the factory by its entry point: this folder in PYTHONPATH, GPIOZERO_PIN_FACTORY=file.
"""

import os
import threading
from pathlib import Path

from gpiozero.pins.mock import MockFactory, MockPin

LOOK_S = 0.005


class FilePin(MockPin):
    """A mock pin with its level in a file."""

    @property
    def _path(self) -> Path:
        return self.factory.folder / self.info.name.removeprefix("GPIO")

    def _change_state(self, value):
        changed = super()._change_state(value)
        if self.function == "output":
            new = self._path.with_suffix(".new")
            new.write_text(str(int(value)))
            new.replace(self._path)
        return changed

    def _set_pull(self, value):
        super()._set_pull(value)
        self.look()

    def look(self) -> None:
        """Be as the contact is."""
        pressed = self._path.with_suffix(".pressed").exists()
        if pressed is self._state:
            (self.drive_low if pressed else self.drive_high)()


class FileFactory(MockFactory):
    """The factory; a thread of its own looks at what is an input with a pull-up."""

    def __init__(self) -> None:
        super().__init__(pin_class=FilePin)
        self.folder = Path(os.environ["FILE_PINS"])
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="file-pins", daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        super().close()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            for pin in list(self.pins.values()):
                if pin.function == "input" and pin.pull == "up":
                    pin.look()
