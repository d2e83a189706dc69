"""What becomes of the wish for another pair when the way to the cloud, or the cloud, fails it: in virtual time."""

import asyncio
import json

import pytest

from service.core.commands import NextPair
from service.core.errors import LinkLost
from service.core.phase import Phase
from tests.test_conductor import ES, FR, Stage, stage, story


async def changing(box: Stage) -> None:
    """Spanish is live, and somebody taps LANG."""
    await box.until(Phase.LIVE)
    await asyncio.sleep(5)
    box.conductor.ask(NextPair())


async def taken_back_in_time(box: Stage) -> None:
    await asyncio.sleep(9.9)
    assert (box.status.wanted, box.status.refusal) == (FR, None)
    await asyncio.sleep(0.7)
    assert box.status.wanted == ES and "in time" in box.status.refusal
    assert box.alert == "slow"
    assert box.line_out.heard == ["es"]


@story
@pytest.mark.parametrize("control", ["websocket", "datachannel"])
async def test_a_cloud_that_is_silent_has_ten_seconds(control):
    async with stage(control=control) as box:
        await box.until(Phase.LIVE)
        box.world.silent.add(control)
        await changing(box)
        await taken_back_in_time(box)


@story
async def test_a_command_that_is_stuck_has_ten_seconds_from_the_tap():
    async def never(message: bytes) -> None:
        await asyncio.Event().wait()

    async with stage() as box:
        await box.until(Phase.LIVE)
        box.world.links[-1].send = never
        await changing(box)
        await taken_back_in_time(box)


@story
@pytest.mark.parametrize("control", ["websocket", "datachannel"])
@pytest.mark.parametrize("answers", [True, False])
async def test_while_the_link_is_lost_the_wish_stands_and_then_has_its_time(control, answers):
    async with stage(control=control) as box:
        await box.until(Phase.LIVE)
        box.world.silent.add(control)
        await changing(box)
        await asyncio.sleep(3)
        box.world.links[-1].alive = False
        await asyncio.sleep(15)
        assert (box.status.wanted, box.status.refusal, box.status.phase) == (FR, None, Phase.WAITING)
        if answers:
            box.world.silent.clear()
        box.world.links[-1].alive = True
        await asyncio.sleep(9.4)
        assert (box.status.wanted, box.status.refusal) == (FR, None)
        await asyncio.sleep(10)
        assert box.status.wanted == (FR if answers else ES)
        assert (box.status.confirmed == FR) == answers == (box.status.refusal is None)


@story
@pytest.mark.parametrize("late_s", [0.0, 1.0])
async def test_a_wish_outlives_the_session(late_s):
    """Made just before it was lost, or while the next one is made."""
    async with stage() as box:
        await box.until(Phase.LIVE)
        box.world.create_s = 2.0
        if not late_s:
            box.conductor.ask(NextPair())
        box.world.links[-1].lose(LinkLost("gone"))
        await asyncio.sleep(late_s)
        if late_s:
            box.conductor.ask(NextPair())
        await asyncio.sleep(15)
        assert (box.status.phase, box.status.wanted, box.status.confirmed) == (Phase.LIVE, FR, FR)
        assert box.said[-1] == "set_task fr" and box.line_out.heard[-1] == "fr"


@story
async def test_a_pair_that_a_new_session_refuses_gives_way_to_the_one_that_ran():
    async with stage() as box:
        await box.until(Phase.LIVE)
        accepted = box.world.command

        def command(way, payload, answer) -> None:
            if b'"fr"' not in payload:
                return accepted(way, payload, answer)
            answer(json.dumps({"message_type": "error", "data": {"code": "VALIDATION_ERROR", "desc": "no"}}).encode())

        box.world.command = command
        box.world.links[-1].lose(LinkLost("gone"))
        box.conductor.ask(NextPair())
        await asyncio.sleep(10)
        assert (box.status.phase, box.status.wanted, box.status.confirmed) == (Phase.LIVE, ES, ES)
        assert '"EN to FR"' in box.status.refusal and box.alert == "slow"
        assert box.said.count("create") == box.said.count("delete") + 1 == 3
        box.world.command = accepted
        box.conductor.ask(NextPair())
        await asyncio.sleep(3)
        assert (box.status.confirmed, box.status.refusal, box.alert) == (FR, None, "off")
