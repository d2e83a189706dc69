"""Asyncio debug is on in every test run; pytest turns its warnings into errors."""

import os
import sys

import pytest

from tests.fakes.lgpio import Board

os.environ.setdefault("PYTHONASYNCIODEBUG", "1")


@pytest.fixture
def board(monkeypatch, tmp_path):
    """A board whose lgpio is what is imported; gpiozero's factory is imported anew with it."""
    board = Board(tmp_path)
    monkeypatch.setitem(sys.modules, "lgpio", board.module)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    yield board
    sys.modules.pop("gpiozero.pins.lgpio", None)
