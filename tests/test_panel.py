"""What is switched on the box itself; told with the conductor in test_conductor.py, and here without one."""

import asyncio

from service.board import Board
from service.core.commands import End, Floor, Identify, Mute, NextPair, Stuck
from service.panel import IDENTIFY_S, Panel
from tests.fakes.parts import FakeLineOut
from tests.fakes.virtual_time import run


def test_each_switch_does_its_own_and_knows_what_is_none_of_its():
    board, line_out = Board(), FakeLineOut()
    panel = Panel(board=board, line_out=line_out)
    for command, shown in (
        (Mute(), ("muted", True)),
        (Mute(True), ("muted", True)),
        (Mute(), ("muted", False)),
        (Floor(True), ("floor_chosen", True)),
        (Floor(), ("floor_chosen", False)),
        (Stuck("lang", True), ("stuck_buttons", ("lang",))),
        (Stuck("lang", True), ("stuck_buttons", ("lang",))),
        (Stuck("live", True), ("stuck_buttons", ("lang", "live"))),
        (Stuck("lang", False), ("stuck_buttons", ("live",))),
    ):
        assert panel.obey(command)
        name, value = shown
        assert getattr(board.status, name) == value
    assert line_out.muted is False
    before = board.status
    assert not panel.obey(NextPair()) and not panel.obey(End()) and board.status is before


def test_who_asks_again_which_box_it_is_has_ten_seconds_from_then():
    async def story():
        board = Board()
        panel = Panel(board=board, line_out=FakeLineOut())
        panel.obey(Identify())
        await asyncio.sleep(IDENTIFY_S - 1)
        panel.obey(Identify())
        await asyncio.sleep(IDENTIFY_S - 1)
        assert board.status.identifying
        await asyncio.sleep(1.1)
        assert not board.status.identifying

    run(story())


def test_a_stuck_button_is_named_in_the_log_once_and_once_when_it_is_free(caplog):
    panel = Panel(board=Board(), line_out=FakeLineOut())
    for on in (True, True, False, False):
        panel.obey(Stuck("lang", on))
    assert caplog.messages == [
        "the LANG button is stuck: take away what holds it down, or mend it",
        "the LANG button is free again",
    ]
