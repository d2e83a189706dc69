"""A broadcast in which nobody speaks: in virtual time what is said to the cloud."""

import asyncio
import json

import pytest

from service.core.commands import End, NextPair, Pause, Start, ToggleLive
from service.core.lamps import LampClass, lamp_class
from service.core.phase import Phase
from service.core.status import summary
from tests.test_conductor import stage, story

AFTER_S = 45.0  # not when the cloud is asked whether all is well
TO_PAUSED = ["create", "join", "set_task es", "pause_task"]


def said(box) -> list[str]:
    """What the cloud was told, without the questions whether all is well."""
    return [what for what in box.said if what != "get_task"]


def now_s() -> float:
    return asyncio.get_running_loop().time()


@story
async def test_silence_pauses_and_a_word_resumes_at_once():
    async with stage(idle_after_s=AFTER_S) as box:
        await box.until(Phase.LIVE)
        live_s = now_s()
        await box.until(Phase.PAUSED)
        assert now_s() - live_s == pytest.approx(AFTER_S + 0.5, abs=1.0)
        assert box.status.idle and summary(box.status).startswith("PAUSED, nobody speaks")
        assert lamp_class(box.status) is LampClass.OFF_AIR
        await asyncio.sleep(3600)
        assert said(box) == TO_PAUSED and box.line_in.told == ["go", "hold"]
        box.line_in.speak()
        await asyncio.sleep(0.001)
        assert said(box) == [*TO_PAUSED, "set_task es"] and box.line_in.told == ["go", "hold", "keep"]
        assert not box.status.idle
        await box.until(Phase.LIVE)
        assert box.line_in.told == ["go", "hold", "keep", "go"]
        assert box.outages == []


@story
async def test_who_speaks_now_and_then_is_not_paused():
    async with stage(idle_after_s=AFTER_S) as box:
        await box.until(Phase.LIVE)
        for _ in range(20):
            await asyncio.sleep(AFTER_S - 1.5)
            box.line_in.speak()
        assert said(box) == TO_PAUSED[:-1]


@story
async def test_a_word_while_the_pause_is_being_asked_for_takes_it_back_and_keeps_to_the_rates():
    async with stage(idle_after_s=AFTER_S) as box:
        pauses: list[tuple[str, float]] = []
        await box.until(Phase.LIVE)
        for _ in range(3):
            async with asyncio.timeout(100):
                while not box.status.idle:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            box.line_in.speak()
            pauses.append((said(box)[-1], now_s()))
            await asyncio.sleep(1)
            assert said(box)[-1] == "set_task es" and box.status.phase is Phase.LIVE
        assert [what for what, _ in pauses] == ["pause_task"] * 3
        assert all(later - earlier >= AFTER_S for (_, earlier), (_, later) in zip(pauses, pauses[1:], strict=False))


@pytest.mark.parametrize("command", [ToggleLive(), Start()])
@story
async def test_who_wants_to_go_on_counts_as_somebody_who_speaks(command):
    async with stage(idle_after_s=AFTER_S) as box:
        await box.until(Phase.PAUSED)
        box.conductor.ask(command)
        await box.until(Phase.LIVE)
        assert not box.status.idle and said(box) == [*TO_PAUSED, "set_task es"]
        await asyncio.sleep(AFTER_S - 1)
        assert box.status.phase is Phase.LIVE


@story
async def test_what_a_person_has_paused_no_speech_resumes():
    async with stage(idle_after_s=AFTER_S) as box:
        await box.until(Phase.PAUSED)
        box.conductor.ask(Pause())
        assert not box.status.idle
        box.line_in.speak()
        await asyncio.sleep(100)
        assert box.status.phase is Phase.PAUSED and said(box) == TO_PAUSED
        box.conductor.ask(Start())
        await box.until(Phase.LIVE)


@story
async def test_another_language_is_kept_for_the_resume():
    async with stage(idle_after_s=AFTER_S) as box:
        await box.until(Phase.PAUSED)
        box.conductor.ask(NextPair())
        await asyncio.sleep(10)
        assert said(box) == TO_PAUSED and box.status.idle
        box.line_in.speak()
        await box.until(Phase.LIVE)
        assert said(box) == [*TO_PAUSED, "set_task fr"]


@story
async def test_the_end_ends_it_and_the_next_broadcast_has_its_whole_time():
    async with stage(idle_after_s=AFTER_S) as box:
        await box.until(Phase.PAUSED)
        box.conductor.ask(End())
        await box.until(Phase.READY)
        assert not box.status.idle
        box.line_in.speak()
        await asyncio.sleep(1000)
        box.conductor.ask(Start())
        await box.until(Phase.LIVE)
        await asyncio.sleep(AFTER_S - 1)
        assert box.status.phase is Phase.LIVE
        await box.until(Phase.PAUSED)


@story
async def test_a_session_lost_meanwhile_is_made_anew_and_paused_until_somebody_speaks():
    async with stage(idle_after_s=AFTER_S) as box:
        await box.until(Phase.PAUSED)
        box.world.links[0].lose()
        await box.until(Phase.WAITING)
        await box.until(Phase.PAUSED)
        assert box.status.idle and said(box)[-2:] == ["create", "join"]  # no task costs nothing
        assert box.line_in.told == ["go", "hold"]
        box.world.links[1].lose()
        box.world.create_s = 5
        await box.until(Phase.WAITING)
        box.line_in.speak()  # without a session
        assert box.line_in.told == ["go", "hold", "keep"]
        await box.until(Phase.LIVE)
        assert said(box)[-1] == "set_task es" and box.line_in.told[-1] == "go"


@story
async def test_what_the_cloud_hears_is_speech_too():
    async with stage(idle_after_s=AFTER_S) as box:
        await box.until(Phase.LIVE)
        for number in range(10):
            await asyncio.sleep(AFTER_S - 1)
            data = {"transcription": {"transcription_id": str(number), "language": "en", "text": "hello"}}
            message = f'{{"message_type": "validated_transcription", "data": {json.dumps(data)}}}'
            box.world.links[0].incoming.put_nowait(message.encode())
        await asyncio.sleep(1)
        assert len(box.captions) == 10 and said(box) == TO_PAUSED[:-1]
