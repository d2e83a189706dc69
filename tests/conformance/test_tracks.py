"""Rows 11 to 13, 19 and 20: whose sound it is, and what becomes of a track of ours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from contextlib import AsyncExitStack

import pytest
from aiortc.sdp import SessionDescription as Sdp
from livekit.protocol.rtc import MuteTrackRequest, SignalResponse, TrackUnpublishedResponse

from service.core.errors import LinkLost, ServiceError
from service.room import link
from tests.conformance.people import ACTIVE, Ears, joined, speaker, speaking, until
from tests.conformance.servers import EMBEDDED
from tests.conformance.slow_path import SlowPath
from tests.conformance.wire import Wire


@pytest.mark.slow
@pytest.mark.parametrize("round_trip_ms", [160, 400, 700])
async def test_row_11_tracks_offered_while_a_slow_connection_comes_up_are_heard(server, wire, round_trip_ms):
    if server.name == EMBEDDED:
        server.faults.add("early-offer")  # the real ones always do
    path, ears = SlowPath(wire, round_trip_ms / 1000), Ears()
    try:
        async with (
            speaker(server, "cloud", "translation_es", "hola") as cloud,
            speaking(cloud, "translation_fr", "salut"),
            joined(server, "box", ears=ears, url=wire.url) as box,
            speaking(box, "microphone", "hello"),
        ):
            await box.wait_connected()
            await ears.hears("cloud", "translation_es", "hola")
            await ears.hears("cloud", "translation_fr", "salut")
            assert path.carried > 100, "the media did not take the slow path"
    finally:
        await path.close()


def _audio_directions(wire: Wire) -> list[str]:
    """Of each audio m-line in the latest offer, once it is answered; nothing before."""
    offers, answers = wire.sent("offer"), wire.heard("answer")
    if len(offers) != len(answers):
        return []
    return [media.direction for media in Sdp.parse(offers[-1].offer.sdp).media if media.kind == "audio"]


def _all_free(wire: Wire) -> bool:
    directions = _audio_directions(wire)
    return bool(directions) and not {"sendrecv", "sendonly"} & set(directions)


def _decoders() -> int:
    return sum(thread.name == "audio-decoder" for thread in threading.enumerate())


@pytest.mark.slow
async def test_row_12_tracks_that_come_and_go_three_times_are_heard_each_time(server, wire):
    ears = Ears()
    async with joined(server, "box", ears=ears, url=wire.url) as box:
        await box.wait_connected()
        for round_ in range(3):
            async with AsyncExitStack() as there:
                names = ("es", "fr") if round_ % 2 else ("fr", "es")
                for name in names:
                    await there.enter_async_context(speaker(server, f"cloud-{name}", name, f"{name} {round_}"))
                for name in names:
                    await ears.hears(f"cloud-{name}", name, f"{name} {round_}")
                await _settled(box)
                await until(lambda: _decoders() == 0, "nothing is decoded, so no thread is kept for it")
            # What comes while the end of the old tracks is still being negotiated gets m-lines of its own.
            await until(lambda: len(box.participants) == 1 and _all_free(wire), "everybody has left")
        assert ears.heard == {(f"cloud-{name}", name): {f"{name} {n}" for n in range(3)} for name in ("es", "fr")}
        assert len(_audio_directions(wire)) == 2


async def test_row_12_m_lines_without_a_track_do_not_pile_up_for_ever(server, monkeypatch):
    """One is too many here; `tests/cluster` shows how many there come to be in a session of many changes."""
    monkeypatch.setattr("service.room.link.SPARE_M_LINES", 0)
    async with joined(server, "box", ears=Ears()) as box, speaker(server, "cloud", "translation_es", "hola") as cloud:
        async with speaking(cloud, "translation_fr", "salut") as publication:
            await box.wait_connected()
            losing = asyncio.ensure_future(box.pump())
            await asyncio.sleep(0.5)
            assert not losing.done()
            await cloud.unpublish(publication)
            with pytest.raises(LinkLost, match="m-lines"):
                async with asyncio.timeout(10):
                    await losing


class Swapped:
    """From `begin` on, the two tracks' m-lines have changed places in every offer."""

    def __init__(self) -> None:
        self.begun, self.told = False, 0

    def __call__(self, message: SignalResponse) -> Iterable[SignalResponse]:
        if self.begun and message.WhichOneof("message") == "offer":
            offer = message.offer
            head, *sections = offer.sdp.split("\r\nm=")
            first, second = [n for n, text in enumerate(sections) if "a=msid:" in text][:2]
            named = {n: [line for line in sections[n].split("\r\n") if _names_track(line)] for n in (first, second)}
            for n, other in ((first, second), (second, first)):
                kept = [line for line in sections[n].removesuffix("\r\n").split("\r\n") if not _names_track(line)]
                sections[n] = "\r\n".join(kept + named[other]) + ("\r\n" if n == len(sections) - 1 else "")
            offer.sdp = "\r\nm=".join([head, *sections])
            mids = [media.rtp.muxId for media in Sdp.parse(offer.sdp).media]
            one, two = mids[first], mids[second]
            if offer.mid_to_track_id:
                by_mid = dict(offer.mid_to_track_id)
                offer.mid_to_track_id[one], offer.mid_to_track_id[two] = by_mid[two], by_mid[one]
            self.told += 1
        return [message]


def _names_track(line: str) -> bool:
    return line.startswith(("a=msid:", "a=ssrc:"))


async def test_row_13_attribution_follows_tracks_that_change_places(server, wire):
    ears, wire.down = Ears(), (swapped := Swapped())
    async with (
        joined(server, "box", ears=ears, url=wire.url) as box,
        speaker(server, "cloud-es", "es", "hola"),
        speaker(server, "cloud-fr", "fr", "salut"),
    ):
        await ears.hears("cloud-es", "es", "hola")
        await ears.hears("cloud-fr", "fr", "salut")
        swapped.begun = True
        async with speaker(server, "cloud-de", "de", "hallo"):
            await ears.hears("cloud-de", "de", "hallo")
            assert swapped.told
            for texts in ears.heard.values():
                texts.clear()
            for name, text in (("es", "hola"), ("fr", "salut"), ("de", "hallo")):
                await ears.hears(f"cloud-{name}", name, text)
            await asyncio.sleep(0.1)
        assert ears.heard == {
            ("cloud-es", "es"): {"hola"},
            ("cloud-fr", "fr"): {"salut"},
            ("cloud-de", "de"): {"hallo"},
        }
        assert box.identity == "box"


async def _settled(box: link.RoomLink) -> None:
    """Wait until the others are ACTIVE: of one who leaves in that very moment, 1.8.4 never tells that it has left."""

    def active() -> bool:
        return all(one.state == ACTIVE for one in box.participants if one.identity != box.identity)

    await until(active, "the others are active")


async def test_row_13_attribution_follows_tracks_that_come_back_in_the_other_order(server):
    ears = Ears()
    async with joined(server, "box", ears=ears) as box:
        for names in (("es", "fr"), ("fr", "es")):
            async with AsyncExitStack() as there:
                for name in names:
                    await there.enter_async_context(speaker(server, f"cloud-{name}", name, name))
                for name in names:
                    await ears.hears(f"cloud-{name}", name, name)
                await _settled(box)
            await until(lambda: len(box.participants) == 1, "everybody has left")
            assert ears.heard == {("cloud-es", "es"): {"es"}, ("cloud-fr", "fr"): {"fr"}}
            ears.heard.clear()


def _own_tracks(box: link.RoomLink):
    return [track for info in box.participants if info.identity == box.identity for track in info.tracks]


async def _is_quiet(box: link.RoomLink) -> bool:
    before = box.packets_sent
    await asyncio.sleep(0.3)
    return box.packets_sent - before <= 1


@pytest.mark.slow
async def test_row_19_muted_by_the_server_it_stops_sending(server, wire):
    async with speaker(server, "box", "microphone", "hello", url=wire.url) as box:
        await until(lambda: _own_tracks(box), "our own track")
        sid = _own_tracks(box)[0].sid
        if server.is_real:
            await server.api("MutePublishedTrack", identity="box", trackSid=sid, muted=True)
            await until(lambda: _own_tracks(box)[0].muted, "that we are muted")
        else:
            await wire.tell(SignalResponse(mute=MuteTrackRequest(sid=sid, muted=True)))
        await asyncio.sleep(0.1)
        assert await _is_quiet(box), "still sending"


async def test_row_20_a_track_of_ours_that_the_server_removes_is_reported(server, wire):
    async with speaker(server, "box", "microphone", "hello", url=wire.url) as box:
        await until(lambda: _own_tracks(box), "our own track")
        if server.is_real:
            permission = {"canPublish": False, "canSubscribe": True, "canPublishData": True}
            await server.api("UpdateParticipant", identity="box", permission=permission)
        else:
            sid = _own_tracks(box)[0].sid
            await wire.tell(SignalResponse(track_unpublished=TrackUnpublishedResponse(track_sid=sid)))
        with pytest.raises(ServiceError):
            async with asyncio.timeout(10):
                await box.pump()
