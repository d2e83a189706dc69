"""The tests' end of `tests/stalls`: whoever holds up a part of a running daemon."""

import os
from pathlib import Path

HERE = Path(__file__).parents[1] / "stalls"


class Stalls:
    """Orders in this folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def environ(self, pythonpath: str = os.environ.get("PYTHONPATH", "")) -> dict[str, str]:
        """What the program is started with."""
        return {"STALLS": str(self.folder), "PYTHONPATH": f"{HERE}{os.pathsep}{pythonpath}".rstrip(os.pathsep)}

    def order(self, *names: str) -> None:
        for name in names:
            (self.folder / name).touch()

    def holds(self, *names: str) -> bool:
        """Whether all of these are held now."""
        return all((self.folder / f"{name}.held").exists() for name in names)

    def let_go(self) -> None:
        for held in self.folder.iterdir():
            held.unlink()
