"""Rows that show at the management WebSocket: the box at the scripted vendor."""

from __future__ import annotations

import itertools
import json

from tests.quirks.running import Stage
from tests.quirks.scripts import (
    ECHO,
    END_OF_STREAM,
    NOT_FOUND,
    RELAYED,
    STARTED,
    at_vendor,
    enveloped,
    pair,
    told,
)

# All that a task without options says.
PLAIN_TASK = {
    "input_stream": {"content_type": "audio", "source": {"type": "webrtc"}},
    "output_stream": {"content_type": "audio", "target": {"type": "webrtc"}},
    "pipeline": {
        "preprocessing": {},
        "transcription": {"source_language": "en"},
        "translations": [{"target_language": "es"}],
    },
}


async def a_task_nobody_heard_is_set_again(stage: Stage) -> None:
    replies = {"set_task": [[]], "get_task": [[NOT_FOUND]]}
    async with at_vendor(stage, replies=replies, session='control = "websocket"') as (box, vendor):
        await box.until(phase="preparing")
        await vendor.until_seen("get_task", 3)
        assert len(await vendor.seen("set_task")) == 1
        await vendor.until_seen("set_task", 2)
        assert len(await vendor.seen("get_task")) >= 4
        await vendor.script(replies={"get_task": [[ECHO]]})
        await box.until(phase="live")
        assert len(await vendor.seen("create")) == 1 and len(await vendor.seen("set_task")) == 2


async def eos_and_end_of_stream_end_a_session(stage: Stage) -> None:
    async with at_vendor(stage) as (box, vendor):
        for count, name in enumerate(("eos", "end_of_stream"), 1):
            await box.said("-> LIVE", count)
            await vendor.say(told(name), close=1000)
            await box.said("LIVE -> WAITING; ES wanted; SessionLost (code 5): the cloud ended the translation", count)
        await box.said("-> LIVE", 3)
        assert len(await vendor.seen("create")) == 3


async def set_and_get_share_one_gate(stage: Stage) -> None:
    pairs = "".join(pair(code.upper(), [code]) for code in ("es", "fr", "de"))
    replies = {"set_task": [[]], "get_task": [[ECHO]]}
    async with at_vendor(stage, replies=replies, pairs=pairs, buttons=True) as (box, vendor):
        await box.until(phase="live", confirmed="ES")
        await box.process.type("lang")
        await box.process.type("lang")
        await box.until(phase="live", wanted="DE", confirmed="DE")
        events = await vendor.seen("set_task", "get_task")
        times_s = [event["at_s"] for event in events]
        # 2.1 s as they are sent; the margin is for a busy machine, and a gate of each kind's own would let 0 through.
        assert min(after_s - before_s for before_s, after_s in itertools.pairwise(times_s)) > 1.5
        targets = [event["data"]["pipeline"]["translations"] for event in events if event["what"] == "set_task"]
        assert targets[0] == [{"target_language": "es"}] and targets[-1] == [{"target_language": "de"}]


async def an_unknown_error_is_logged_and_survived(stage: Stage) -> None:
    async with at_vendor(stage) as (box, vendor):
        await box.until(phase="live")
        await vendor.say(told("error", code="BRAND_NEW", desc="nobody has told us of this"))
        await vendor.say(
            told("warning", code="VOICE_NOT_FOUND", message="the default one speaks"), told("something_else")
        )
        await vendor.until_seen("get_task", 1)  # it asks whether the task still runs
        await box.said("BRAND_NEW: nobody has told us of this")
        await box.said("VOICE_NOT_FOUND: the default one speaks")
        assert (await box.picture())["phase"] == "live"
        assert len(await vendor.seen("create")) == len(await vendor.seen("set_task")) == 1


async def numeral_tokens_are_not_mentioned(stage: Stage) -> None:
    options = 'voice_id = "default_high"\nhotwords_glossaries = ["g1"]\nverification_glossaries = ["g2"]\n'
    async with at_vendor(stage, pairs=pair("ES", ["es"], options)) as (box, vendor):
        await box.until(phase="live")
        (task,) = await vendor.seen("set_task")
        assert "numeral" not in json.dumps(task["data"]) and "g1" in json.dumps(task["data"])


async def queue_levels_stand_inside_the_pipeline(stage: Stage) -> None:
    options = 'desired_queue_level = "5s"\nmax_queue_level = "20s"\n'
    async with at_vendor(stage, pairs=pair("ES", ["es"], options)) as (box, vendor):
        await box.until(phase="live")
        (task,) = await vendor.seen("set_task")
        levels = {"desired_queue_level_ms": 5000, "max_queue_level_ms": 20000}
        assert task["data"]["pipeline"].pop("translation_queue_configs") == {"global": levels}
        assert task["data"] == PLAIN_TASK


async def a_refused_option_is_left_out_once(stage: Stage) -> None:
    place = "('data', 'pipeline', 'translations', 0, 'speech_generation', 'voice_id')"
    text = f"ValidationError(model='SetTaskRequestMessage', errors=[{{'loc': {place}, 'msg': 'Unknown voice'}}])"
    refusal = told("error", code="VALIDATION_ERROR", desc=text, param=None)
    pairs = pair("ES", ["es"], 'voice_id = "nobody"')
    replies = {"set_task": [[refusal], [STARTED]], "get_task": [[NOT_FOUND]]}
    async with at_vendor(stage, replies=replies, pairs=pairs) as (box, vendor):
        picture = await box.until(phase="live")
        assert any("left out" in notice and "Unknown voice" in notice for notice in picture["notices"])
        first, second = await vendor.seen("set_task")
        assert first["data"]["pipeline"]["translations"][0]["speech_generation"] == {"voice_id": "nobody"}
        assert second["data"] == PLAIN_TASK
    replies = {"set_task": [[refusal]], "get_task": [[NOT_FOUND]]}
    async with at_vendor(stage, replies=replies, pairs=pairs) as (box, vendor):
        picture = await box.until(phase="fault")
        assert picture["fault"]["name"] == "TaskRefused" and "Unknown voice" in picture["fault"]["detail"]
        await box.said("again in 60.0 s")
        assert len(await vendor.seen("set_task")) == 2 and len(await vendor.seen("create")) == 1


async def the_control_url_is_tried_then_the_data_channel(stage: Stage) -> None:
    relayed = enveloped(RELAYED)
    async with at_vendor(stage, relayed, socket=403, interpreter=True) as (box, vendor):
        await box.until(phase="live", control="datachannel")
        await vendor.hang_up()
        await box.said("-> LIVE", 2)
        assert len(await vendor.seen("create")) == 2
        assert len(await vendor.seen("socket")) == 1  # remembered
        assert box.log.count("control goes over the room's data channel") == 1  # said once
    async with at_vendor(stage, relayed, replies={}, interpreter=True) as (box, vendor):
        await box.until(phase="live", control="datachannel")  # nothing was answered for 10 s
        steps = [event["what"] for event in await vendor.seen()]
        # Nothing is said here any more, the end of the task included.
        assert steps[-1] == "socket closed" and "set_task" in steps and len(await vendor.seen("create")) == 1
    async with at_vendor(stage, relayed, session='control = "datachannel"', interpreter=True) as (box, vendor):
        await box.until(phase="live", control="datachannel")
        assert await vendor.seen("socket") == []
    async with at_vendor(stage, relayed, socket=403, session='control = "websocket"') as (box, vendor):
        await box.said("-> WAITING; ES wanted; SessionLost (code 5): the cloud refused the session's token")
        assert (await box.picture())["control"] != "datachannel"


async def output_stream_is_never_null(stage: Stage) -> None:
    async with at_vendor(stage) as (box, vendor):
        await box.until(phase="live")
        (task,) = await vendor.seen("set_task")
        assert task["data"] == PLAIN_TASK


async def data_may_be_text_once_more(stage: Stage) -> None:
    caption = {"transcription_id": "1", "language": "en", "text": "Good morning.", "segments": []}
    twice = told("validated_transcription", transcription=caption)
    double = [{**message, "data": json.dumps(message["data"])} for message in (STARTED, twice, END_OF_STREAM)]
    async with at_vendor(stage, replies={"set_task": [[double[0]]]}) as (box, vendor):
        await box.until(phase="live")
        assert await vendor.seen("get_task") == []
        await vendor.say(double[1], {})
        await box.said("caption validated_transcription en: Good morning.")
        await vendor.say(double[2])
        await box.said("the cloud ended the translation")
