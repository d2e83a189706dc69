"""Rows that show in the room: the box at a sandbox that misbehaves, or at a vendor that relays one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.quirks.running import REPOSITORY, Box, Picture, Stage
from tests.quirks.scripts import RELAYED, at_sandbox, at_vendor, enveloped, pair, told

AUDIBLE_DBFS = -40.0
SPEECH = REPOSITORY / "service/sandbox/speech.flac"
ES_FR = pair("ES", ["es"]) + pair("FR", ["fr"])


def _frames(name: str, least: int) -> Callable[[Picture], bool]:
    return lambda picture: picture["frames"][name] >= least


def _audible(picture: Picture) -> bool:
    return picture["levels"]["output"]["peak_dbfs"] > AUDIBLE_DBFS


async def _more(box: Box, name: str, count: int, **wanted: object) -> None:
    """So many more frames, and this picture all along."""
    so_far = (await box.until(**wanted))["frames"][name]
    picture = await box.until(_frames(name, so_far + count))
    assert wanted.items() <= picture.items()


# Protobuf by hand, for what is appended to a message is merged into it: SignalResponse.join (1) with server_info (12)
# of version (2) "1.99.0" and protocol (3) 99, and with a field 999 that nobody knows yet; then a message of kind 500.
NEWER_JOIN = bytes.fromhex("0a10 620a 1206") + b"1.99.0" + bytes.fromhex("1863 ba3e0178")
NEWER_MESSAGE = bytes.fromhex("a21f020801")


async def a_newer_livekit_is_spoken_to_the_old_way(stage: Stage) -> None:
    room = {"join": NEWER_JOIN.hex(), "after": NEWER_MESSAGE.hex()}
    async with at_vendor(stage, enveloped(RELAYED), room=room) as (box, vendor):
        await box.until(phase="live")
        assert "joined a room on LiveKit 1.99.0, protocol 99" in box.log
        (join,) = await vendor.seen("join")
        assert join["path"] == "/livekit/rtc" and "protocol=15" in join["query"].split("&")
        assert len(await vendor.seen("create")) == 1


async def a_late_translator_is_told_again(stage: Stage) -> None:
    # It joins after the first set_task, which it cannot have heard.
    async with at_sandbox(stage, "late-interpreter=12", session='control = "datachannel"') as (box, url):
        await box.said("no translator in the room after 10 s; going on all the same")
        assert await _joined(stage, url) == ["publisher"]
        await box.until(phase="live", control="datachannel")
        assert await _joined(stage, url) == ["publisher", "palabra"]
        assert box.log.count("session created") == 1


async def _joined(stage: Stage, url: str) -> list[str]:
    async with stage.http.get(f"{url}/sandbox/events") as answer:
        return [event["who"].split("_")[0] for event in await answer.json() if event["what"] == "joined"]


async def tracks_with_regions_are_matched(stage: Stage) -> None:
    # Two tracks, so that neither is heard for being the only one: translation_zh-hans and translation_en-us.
    pairs = pair("both", ["zh", "en"])
    async with at_sandbox(stage, pairs=pairs, line_in=SPEECH) as (box, _):
        await box.until(phase="live", confirmed="both")
        await box.until(_audible, phase="live")
        await box.said("caption translated_transcription zh-hans")
        await box.said("caption translated_transcription en-us")


async def a_changed_target_is_heard(stage: Stage) -> None:
    async with at_sandbox(stage, pairs=ES_FR, line_in=SPEECH, buttons=True) as (box, _):
        await box.until(_audible, phase="live", confirmed="ES")
        await box.process.type("lang")
        await box.until(phase="live", confirmed="FR")
        await _more(box, "received", 50)
        await box.until(_audible, phase="live", confirmed="FR")
        assert box.log.count("session created") == 1


async def task_status_is_taken_but_not_needed(stage: Stage) -> None:
    over_data = 'control = "datachannel"'
    # The echo names another language, so nothing but task_status confirms.
    async with at_sandbox(stage, "generation=D", "wrong-echo", session=over_data) as (box, _):
        await box.until(phase="live", control="datachannel", confirmed="ES")
    async with at_sandbox(stage, "generation=B", session=over_data) as (box, _):
        await box.until(phase="live", control="datachannel", confirmed="ES")


async def frames_never_stop(stage: Stage) -> None:
    # Line-in is silent; the sandbox gives up after 10 s without packets.
    async with at_sandbox(stage) as (box, _):
        await box.until(phase="live")
        await _more(box, "sent", 600, phase="live")
        assert box.log.count("session created") == 1
    async with at_vendor(stage) as (box, vendor):
        await box.until(phase="live")
        text = "No input audio for 10 s; use pause_task for intended pauses"
        await vendor.say(told("error", code="SERVICE_TIMEOUT", desc=text), close=1008)
        await box.said("the cloud heard no sound and gave up: No input audio for 10 s")
        await box.said("-> LIVE", 2)


async def silence_flows_while_paused(stage: Stage) -> None:
    async with at_sandbox(stage, pairs=ES_FR, buttons=True) as (box, _):
        await box.until(phase="live")
        await box.process.type("live")
        await _more(box, "sent", 100, phase="paused")
        await box.process.type("live")
        await box.until(phase="live")
        assert box.log.count("session created") == 1


async def tracks_may_vanish_while_paused(stage: Stage) -> None:
    async with at_sandbox(stage, "pause-drops-tracks", pairs=ES_FR, buttons=True) as (box, _):
        await box.until(_frames("received", 1), phase="live")
        await box.process.type("live")
        await box.until(phase="paused")
        await _silent(box)
        await _more(box, "sent", 50, phase="paused")
        await box.process.type("live")
        await _more(box, "received", 50, phase="live")
        assert box.log.count("session created") == 1


async def _silent(box: Box) -> None:
    """Wait until no packets come any more; a track that is there sends fifty a second."""
    before, now = -1, (await box.picture())["frames"]["received"]
    while now != before:
        await asyncio.sleep(0.5)
        before, now = now, (await box.picture())["frames"]["received"]


async def replies_are_heard_on_both_channels(stage: Stage) -> None:
    for channel in ((), ("lossy-replies",)):
        async with at_sandbox(stage, *channel, session='control = "datachannel"') as (box, _):
            await box.until(phase="live", control="datachannel", confirmed="ES")
