"""A verb of `boothd` in the test's own process, where it needs none of its own: that takes a quarter of a second."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.cli import main


@dataclass
class Told:
    """How it ended and what it said, by lines."""

    code: int
    out: list[str]
    err: list[str]


class Verb:
    """One verb with its settings file; call it, or `beside` a server that runs on this event loop."""

    def __init__(self, name: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._name, self._config, self._capsys = name, config, capsys

    def __call__(self, *options: str) -> Told:
        with pytest.raises(SystemExit) as caught:
            main([self._name, "--config", str(self._config), *options])
        out, err = self._capsys.readouterr()
        return Told(caught.value.code, out.splitlines(), err.splitlines())

    async def beside(self, *options: str) -> Told:
        return await asyncio.to_thread(self, *options)
