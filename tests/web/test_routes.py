"""The whole table over a real socket, in front of a box that does what it is told."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from service.board import Board
from service.core.commands import Acknowledge, Choose, Command, End, Floor, Identify, Mute, NextPair, Pause, Start
from service.core.languages import LanguagePair, Menu
from service.core.phase import Phase
from service.core.status import as_json
from service.web import answers
from service.web.client import Declined, fetch, follow, send
from service.web.orders import ToneOrder
from service.web.routes import table
from service.web.server import application, serve

ES, FR = LanguagePair("EN to ES", "en", ("es",)), LanguagePair("EN to FR", "en", ("fr",))


class Served:
    """Keeps what it is asked, and obeys the simplest."""

    def __init__(self) -> None:
        self.board, self.asked = Board(), []
        self.board.update(menu=(ES, FR), wanted=ES)

    def picture(self):
        return as_json(self.board.status)

    def levels(self):
        return {"inputs": []}

    def devices(self):
        return {"devices": []}

    def menu(self):
        return Menu(self.board.status.menu)

    def tone(self, order: ToneOrder) -> None:
        self.asked.append(order)

    def ask(self, command: Command) -> None:
        self.asked.append(command)
        match command:
            case Mute(on):
                self.board.update(muted=not self.board.status.muted if on is None else on)
            case Choose(pair):
                self.board.update(wanted=pair)


@pytest.fixture
async def box(tmp_path):
    served = Served()
    served.socket = tmp_path / "control.sock"
    async with serve(application(table(served, watch=served.board.watched)), served.socket):
        yield served


@pytest.mark.parametrize(
    ("path", "body", "command", "answer"),
    [
        ("/v1/session", {"action": "start"}, Start(), {"action": "start", "phase": "starting"}),
        ("/v1/session", {"action": "stop"}, End(), {"action": "stop", "phase": "starting"}),
        ("/v1/session", {"action": "pause"}, Pause(), {"action": "pause", "phase": "starting"}),
        ("/v1/language", {"step": "next"}, NextPair(), None),
        ("/v1/language", {"pair": "EN to FR"}, Choose(FR), None),
        ("/v1/mute", {"on": True}, Mute(True), {"on": True, "muted": True}),
        ("/v1/mute", {}, Mute(None), None),
        ("/v1/floor", {"on": False}, Floor(False), None),
        ("/v1/alert/ack", {}, Acknowledge(), {"acknowledged": False}),
        ("/v1/identify", {}, Identify(), {"on": True, "identifying": False}),
        ("/v1/tone", {"hz": 1000}, ToneOrder(hz=1000), None),
    ],
)
async def test_every_post_is_a_command_and_its_answer_says_how_things_are(box, path, body, command, answer):
    said = await send(box.socket, path, body)
    assert box.asked == [command]
    assert answer is None or said == answer


async def test_the_wanted_pair_is_read_back(box):
    assert (await send(box.socket, "/v1/language", {"source": "en", "target": "fr"}))["wanted"] == "EN to FR"


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/v1/language", {"pair": "EN to IT"}, 409, "no pair of the menu"),
        ("/v1/language", {}, 400, "give either"),
        ("/v1/session", {"action": "explode"}, 400, "action"),
        ("/v1/mute", {"on": "yes"}, 400, "on"),
        ("/v1/mute", {"of": True}, 400, "of"),
    ],
)
async def test_what_cannot_be_understood_changes_nothing(box, path, body, status, said):
    with pytest.raises(Declined, match=said) as caught:
        await send(box.socket, path, body)
    assert (caught.value.status, box.asked) == (status, [])


async def test_no_get_changes_anything_and_no_form_is_taken(box):
    connector = aiohttp.UnixConnector(str(box.socket))
    async with aiohttp.ClientSession("http://boothd", connector=connector) as http:
        for path in ("session", "language", "mute", "floor", "alert/ack", "identify", "tone"):
            async with http.get(f"/v1/{path}") as answer:
                assert answer.status == 405
            async with http.post(f"/v1/{path}", data={"on": "1"}) as answer:
                assert answer.status == 415
    for path in ("status", "devices", "lamps", "schema"):
        await fetch(box.socket, f"/v1/{path}")
    assert box.asked == []


async def test_the_schema_names_every_post_and_the_lamps_are_the_table(box):
    schema = await fetch(box.socket, "/v1/schema")
    assert set(schema) == {
        *("/v1/session", "/v1/language", "/v1/mute", "/v1/floor", "/v1/alert/ack", "/v1/identify", "/v1/tone")
    }
    assert schema["/v1/session"]["properties"]["action"]["enum"] == ["start", "stop", "pause", "resume"]
    lamps = await fetch(box.socket, "/v1/lamps")
    assert lamps["codes"]["3"] == "sound in" and lamps["patterns"]["on"]["steps_s"] == [None]


@asynccontextmanager
async def following(socket):
    heard: list[dict] = []

    async def listen() -> None:
        async for picture in follow(socket, "/v1/events"):
            heard.append(picture)

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_events_are_a_snapshot_and_then_every_change_to_everybody(box, monkeypatch):
    monkeypatch.setattr(answers, "STILL_HERE_S", 0.2)  # then it is noticed who has gone
    async with following(box.socket) as one, following(box.socket) as other:
        await until(lambda: one and other)
        assert one[0]["phase"] == "starting"
        for phase in (Phase.READY, Phase.CREATING, Phase.JOINING):
            box.board.update(phase=phase)
            await until(lambda phase=phase: one[-1]["phase"] == other[-1]["phase"] == phase.value)
    assert [picture["phase"] for picture in one] == ["starting", "ready", "creating", "joining"]
    await until(lambda: not box.board._watchers)


async def test_who_does_not_read_is_no_burden_and_gets_the_latest(box):
    reader, writer = await asyncio.open_unix_connection(str(box.socket), limit=2**16)
    writer.write(b"GET /v1/events HTTP/1.1\r\nHost: boothd\r\n\r\n")
    for number in range(200):
        box.board.update(notices=("x" * 10_000, str(number)))
        await asyncio.sleep(0.001)
    assert (await fetch(box.socket, "/v1/status"))["notices"][1] == "199"
    async with asyncio.timeout(10):
        while b'"199"' not in await reader.readline():
            pass
    writer.close()


async def test_a_quiet_stream_still_shows_that_it_lives(box, monkeypatch):
    monkeypatch.setattr(answers, "STILL_HERE_S", 0.05)
    reader, writer = await asyncio.open_unix_connection(str(box.socket))
    writer.write(b"GET /v1/events HTTP/1.1\r\nHost: boothd\r\n\r\n")
    async with asyncio.timeout(10):
        while (await reader.readline()).strip() != b":":
            pass
    writer.close()


async def test_the_picture_is_json_whatever_stands_in_it(box):
    box.board.update(refusal="\x1b[2J \u2028 ✓")
    assert json.dumps(await fetch(box.socket, "/v1/status"))
