"""The tests' end of `tests/file_pins`: eyes and fingers of whoever stands before the box."""

import os
import time
from pathlib import Path

HERE = Path(__file__).parents[1] / "file_pins"


class FilePins:
    """Pins in this folder, by their BCM numbers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def environ(self) -> dict[str, str]:
        """What the program is started with."""
        path = f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep)
        return {"GPIOZERO_PIN_FACTORY": "file", "FILE_PINS": str(self.folder), "PYTHONPATH": path}

    def level(self, pin: int) -> int | None:
        """What is driven, or was driven last; None: never."""
        try:
            return int((self.folder / str(pin)).read_text())
        except FileNotFoundError:
            return None

    def levels(self, *pins: int) -> tuple[int | None, ...]:
        return tuple(self.level(pin) for pin in pins)

    def hold(self, pin: int) -> None:
        (self.folder / f"{pin}.pressed").touch()

    def release(self, pin: int) -> None:
        (self.folder / f"{pin}.pressed").unlink()

    def press(self, pin: int, seconds: float = 0.15) -> None:
        """Press and let go, and leave it alone for as long as a finger would."""
        self.hold(pin)
        time.sleep(seconds)
        self.release(pin)
        time.sleep(0.1)
