"""Rows that show at the session API: the box at the scripted vendor."""

from __future__ import annotations

import itertools
import re

from service.core.errors import FaultCode
from service.core.lamps import CODES
from tests.quirks.running import Box, Stage, Vendor
from tests.quirks.scripts import (
    END_OF_STREAM,
    RELAYED,
    SESSION,
    at_sandbox,
    at_vendor,
    created,
    enveloped,
    refused,
)


async def _live_once_more(box: Box, vendor: Vendor, times: int) -> None:
    """End the session that stands; the box has to be LIVE again so many times."""
    for count in range(2, times + 1):
        await vendor.say(END_OF_STREAM)
        await box.said("-> LIVE", count)


async def publisher_string_or_list(stage: Stage) -> None:
    listed = enveloped(SESSION | {"publisher": ["$publisher", "no-token-at-all"]})
    async with at_vendor(stage, enveloped(SESSION), listed) as (box, vendor):
        await box.said("-> LIVE")
        await _live_once_more(box, vendor, 2)
        assert len(await vendor.seen("create")) == 2


async def enveloped_or_flat_200_or_201(stage: Stage) -> None:
    oldest = {
        "publisher": ["$publisher"],
        "room_name": "$room_name",
        "stream_url": "$webrtc_url",
        "control_url": "$ws_url",
        "id": "$id",
    }
    whole = {"ok": True, "data": SESSION | {"ws_tts_url": "wss://elsewhere.example/tts", "organization": "x"}}
    answers = [created(whole, 200), created(SESSION, 201), created(SESSION, 200), created({"data": oldest}, 201)]
    async with at_vendor(stage, *answers, session='control = "websocket"') as (box, vendor):
        await box.said("-> LIVE")
        await _live_once_more(box, vendor, len(answers))
        assert len(await vendor.seen("create")) == len(answers)


async def the_kind_of_credentials_is_configured(stage: Stage) -> None:
    pair, key = ["ClientId", "ClientSecret"], ["Authorization"]
    async with at_vendor(stage) as (box, vendor):
        await box.until(phase="live")
        assert [event["credentials"] for event in await vendor.seen("create")] == [pair]
    async with at_vendor(stage, key=True) as (box, vendor):
        await box.until(phase="live")
        assert [event["credentials"] for event in await vendor.seen("create")] == [key]
    no = refused(401, "Unauthorized access is denied due to invalid credentials.")
    for is_key, kind in ((False, pair), (True, key)):
        async with at_vendor(stage, no, key=is_key) as (box, vendor):
            picture = await box.until(phase="fault")
            assert picture["fault"]["code"] == 2 and "Unauthorized access is denied" in picture["fault"]["detail"]
            await box.said("again in 180.0 s")
            assert [event["credentials"] for event in await vendor.seen("create")] == [kind]  # and never the other


async def publisher_can_subscribe_is_left_out_unless_needed(stage: Stage) -> None:
    async with at_vendor(stage) as (box, vendor):
        await box.until(phase="live")
        assert [event["body"] for event in await vendor.seen("create")] == [
            {"data": {"subscriber_count": 0, "intent": "api"}}
        ]
    async with at_vendor(stage, session="publisher_can_subscribe = true") as (box, vendor):
        await box.until(phase="live")
        (event,) = await vendor.seen("create")
        assert event["body"]["data"]["publisher_can_subscribe"] is True
    async with at_sandbox(stage, "subscribe-on-request") as (box, _):
        await box.until(phase="live")
        assert box.log.count("asking once more with publisher_can_subscribe") == 1
        assert box.log.count("session created") == 2
    async with at_sandbox(stage, "no-interpreter", "no-subscribe") as (box, _):
        picture = await box.until(phase="fault")
        assert picture["fault"]["name"] == "PermissionMissing" and "subscribe" in picture["fault"]["detail"]
        await box.said("again in 300.0 s")
        assert box.log.count("session created") == 2


async def a_token_is_opaque_and_each_start_has_its_own(stage: Stage) -> None:
    opaque = enveloped(RELAYED | {"publisher": "$opaque"})
    async with at_vendor(stage, opaque) as (box, vendor):
        await box.until(phase="live")
        assert "its token says nothing readable" in box.log
        assert await box.process.stop() == 0
        async with box.again() as box_again:
            await box_again.until(phase="live")
            first, second = await vendor.seen("join")
            assert first["token"] != second["token"]
            assert len(await vendor.seen("create")) == 2


async def a_session_is_joined_at_once_else_made_anew(stage: Stage) -> None:
    async with at_vendor(stage, enveloped(RELAYED), room={"refuse": 1}) as (box, vendor):
        await box.until(phase="live")
        steps = [event["what"] for event in await vendor.seen("create", "join", "delete")]
        # The token is tried in the header, then in the query.
        assert steps == ["create", "join", "join", "delete", "create", "join"]
        assert "-> WAITING" not in box.log
    async with at_vendor(stage, enveloped(RELAYED), room={"refuse": 99}) as (box, vendor):
        picture = await box.until(phase="fault")
        assert picture["fault"]["name"] == "TokenRefused"
        await box.said("again in 60.0 s")
        assert len(await vendor.seen("create")) == 2


async def a_room_url_keeps_its_path(stage: Stage) -> None:
    urls = ["http:$relay/a/deep/path/livekit", "ws:$relay/a/deep/path/livekit/"]
    answers = [enveloped(SESSION | {"webrtc_url": url}) for url in urls]
    async with at_vendor(stage, *answers) as (box, vendor):
        await box.said("-> LIVE")
        await _live_once_more(box, vendor, 2)
        assert {event["path"] for event in await vendor.seen("join")} == {"/a/deep/path/livekit/rtc"}


async def a_balance_that_ends_in_mid_session_is_shown(stage: Stage) -> None:
    no_balance = refused(403, "Insufficient balance", 100050)
    for last_words, close in (([END_OF_STREAM], 1000), ([], 1001)):
        async with at_vendor(stage, enveloped(SESSION), no_balance) as (box, vendor):
            await box.until(phase="live")
            await vendor.say(*last_words, close=close)
            picture = await box.until(lambda picture: picture["lamps"]["live"] == "off", phase="fault")
            assert picture["fault"]["code"] == 2 and "Insufficient balance [100050]" in picture["fault"]["detail"]
            assert picture["lamps"]["alert"] == CODES[FaultCode.CREDENTIALS].name
            await box.said("again in 60.0 s")
            assert len(await vendor.seen("create")) == 2


async def a_session_is_deleted_after_end_task(stage: Stage) -> None:
    async with at_vendor(stage, enveloped(RELAYED | {"id": "a/b?c"}), delete=404) as (box, vendor):
        await box.until(phase="live")
        assert await box.process.stop() == 0
        steps = [event["what"] for event in await vendor.seen("end_task", "socket closed", "left", "delete")]
        assert steps == ["end_task", "socket closed", "left", "delete"]
        assert [event["id"] for event in await vendor.seen("delete")] == ["a/b?c"]
        assert "could not be deleted" not in box.log


async def creation_backs_off(stage: Stage) -> None:
    troubles = [refused(500, f"Something broke, number {number}.") for number in range(4)]  # each is logged
    busy = refused(429, "Create sessions more slowly.", **{"Retry-After": "45"})
    async with at_vendor(stage, *troubles, busy) as (box, vendor):
        await box.until(phase="waiting")
        await box.said("again in 45.0 s")
        waits_s = [float(wait) for wait in re.findall(r"again in ([\d.]+) s", box.log)]
        assert len(await vendor.seen("create")) == len(waits_s) == 5
        for full_s, wait_s in zip((0.5, 1, 2, 4), waits_s, strict=False):
            assert full_s / 2 <= wait_s <= full_s
        times_s = [event["at_s"] for event in await vendor.seen("create")]
        # What is announced is waited for; the margin is for a busy machine.
        for wait_s, (before_s, after_s) in zip(waits_s, itertools.pairwise(times_s), strict=False):
            assert after_s - before_s > wait_s / 2
