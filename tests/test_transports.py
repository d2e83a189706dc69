"""Which way a session's sound goes; and a box and a sandbox as processes, with the sound over the WebSocket."""

import time
from pathlib import Path

import pytest

from service.demo.desk import bundled_recording
from service.sandbox.phrases import load_phrases
from service.transports import Transport, Transports
from tests.fakes import listening
from tests.fakes.processes import box, credentials, sandbox, settings_for, until

BOOK = load_phrases()
PHRASES = ("Welcome to the conference.", "Please take your seats.", "Let us begin with the first item on the agenda.")
ROOM, SOCKET = (Transport(name, None, None) for name in ("webrtc", "websocket"))  # type: ignore[arg-type]


def transports(setting: str) -> Transports:
    return Transports(setting=setting, webrtc=ROOM, websocket=SOCKET, fallback_after_s=20.0)  # type: ignore[arg-type]


def test_auto_goes_over_the_websocket_for_one_session_after_the_set_time():
    ways = transports("auto")
    assert ways.next() is ROOM
    assert not ways.unreachable(ROOM, 19.9) and ways.next() is ROOM
    assert ways.unreachable(ROOM, 20.0)
    assert [ways.next(), ways.next()] == [SOCKET, ROOM]
    assert not ways.unreachable(SOCKET, 100.0) and ways.next() is ROOM


@pytest.mark.parametrize(("setting", "way"), [("webrtc", ROOM), ("websocket", SOCKET)])
def test_a_fixed_way_stays(setting, way):
    ways = transports(setting)
    assert not ways.unreachable(way, 100.0) and ways.next() is way


@pytest.mark.slow
def test_speech_is_translated_over_the_websocket(tmp_path: Path):
    line_in = bundled_recording().removeprefix("wav:")
    extra = '[box]\nautostart = "always"\n[log]\ncaptions = true\n[session]\ntransport = "websocket"'
    with sandbox(tmp_path) as cloud:
        settings = settings_for(tmp_path, cloud.url, line_in=line_in, extra=extra)
        with box(tmp_path, settings, environ=credentials(cloud)) as one:
            live = one.until("live")
            assert (live["transport"], live["control"]) == ("websocket", "websocket")
            until(lambda: len(one.captions("es")) >= len(PHRASES), "the captions", 60)
            time.sleep(5)  # the last one is spoken after its caption
            frames = one.status()["frames"]
            assert one.stop()[0] == 0
        assert not any("microphone" in str(inside) for inside in cloud.get("/sandbox/status")["rooms"].values())
    heard = listening.load(tmp_path / "line-out.wav")
    scores = {phrase: listening.likeness(heard, BOOK.translate(phrase, "es"), "es")[0] for phrase in PHRASES}
    assert min(scores.values()) > 0.62, scores
    assert frames["sent"] > 500 and frames["received"] > 100 and frames["dropped"] < 100
