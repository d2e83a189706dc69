import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from service.core import task_settings
from service.core.languages import LanguagePair
from service.sandbox import hub as module
from service.sandbox import pipe
from service.sandbox.hub import Hub
from service.sandbox.management import ManagementTask
from service.sandbox.orders import Heard, Pause, Run, Said, Sound, Spoken, Stop
from service.sandbox.tokens import Grant, TokenRefused
from tests.fakes.servers import serving

ES, FR = (task_settings.set_task(LanguagePair("", "en", (target,))).decode() for target in ("es", "fr"))
BOX = "publisher_r"
CHEERS = Said("1", "es", "Salud.")


class Desk:
    """A hub with one session in room r, a clock turned by hand, and all orders that the interpreter gets."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.orders: list[pipe.Order] = []
        self.noted: list[tuple[str, str]] = []
        self.faults: set[str] = set()
        self.url = ""
        self.charged_s = 0.0
        self.hub = Hub(
            order=lambda room, order: self.orders.append(order),
            join=lambda room, publisher: pipe.Join("url", room, publisher),
            verify=verify,
            note=lambda what, room, who: self.noted.append((what, who)),
            charge=self.charge,
            fault=lambda name: name in self.faults,
            clock=lambda: self.now_s,
        )
        self.hub.opened("r", publisher=BOX, task=ManagementTask(input_timeout_s=None))

    def charge(self, room: str, seconds: float) -> None:
        assert room == "r"
        self.charged_s += seconds

    def new(self) -> list[pipe.Order]:
        """The orders since the last call, without the queue maps."""
        orders, self.orders = self.orders, []
        return [order for order in orders if order != pipe.Send("{}")]

    def say(self, message: str, sender: str = BOX) -> None:
        self.hub.event("r", pipe.Data(message, sender))

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.hub.pass_time()

    def running(self) -> None:
        """Bring a task to Spanish up."""
        self.say(ES)
        self.wait(1)
        self.new()

    def manage(self, token: str):
        return self.http.ws_connect(f"{self.url}/stream?token={token}", timeout=aiohttp.ClientWSTimeout(ws_close=2))


def verify(token: str) -> Grant:
    """Tokens are the room and the identity."""
    if not token:
        raise TokenRefused("none")
    room, _, identity = token.partition("/")
    return Grant(identity, room)


@pytest.fixture
def desk():
    return Desk()


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[None]:
    app = web.Application()
    app.add_routes([web.get("/stream", desk.hub.serve)])
    async with serving(app) as desk.url, aiohttp.ClientSession() as desk.http:
        yield


def error(payload: str) -> str:
    return json.loads(payload)["data"]["code"]


# -- the interpreter


def test_it_joins_a_new_session_and_leaves_an_ended_one(desk):
    assert desk.new() == [pipe.Join("url", "r", BOX)]
    desk.hub.ended("r")
    assert desk.new() == [pipe.Leave()]
    desk.hub.ended("r")
    desk.say(ES)
    desk.hub.event("r", pipe.Gone("late news"))
    desk.wait(10)
    assert desk.new() == []


def test_a_new_process_takes_up_what_ran(desk):
    desk.hub.worker_started()
    desk.new()
    desk.running()
    desk.hub.worker_started()
    join, run = desk.new()
    assert join == pipe.Join("url", "r", BOX) and isinstance(run, Run) and run.targets == ("es",)
    desk.say(task_settings.pause_task().decode())
    desk.new()
    desk.hub.worker_started()
    assert [type(order) for order in desk.new()] == [pipe.Join, Run, Pause], "and keeps to a pause"


def test_a_lost_room_is_joined_again_after_a_while(desk):
    desk.running()
    desk.hub.event("r", pipe.Gone("the media is lost"))
    desk.wait(0.5)
    assert desk.new() == []
    desk.wait(0.6)
    assert [type(order) for order in desk.new()] == [pipe.Join, Run]
    desk.wait(5)
    assert desk.new() == [], "once"


def test_an_interpreter_may_come_late_or_never(desk):
    desk.hub.opened("late", publisher="p", task=ManagementTask(), late_s=5)
    desk.hub.opened("never", publisher="p", task=ManagementTask(), late_s=math.inf)
    desk.new()
    desk.hub.worker_started()
    desk.wait(4.9)
    assert desk.new() == [pipe.Join("url", "r", BOX)]
    desk.wait(0.2)
    desk.wait(10)
    assert desk.new() == [pipe.Join("url", "late", "p")]


def test_what_runs_is_charged_and_a_pause_is_not(desk):
    desk.wait(5)
    desk.running()
    before_s = desk.charged_s
    desk.wait(10)
    assert desk.charged_s - before_s == 10
    desk.say(task_settings.pause_task().decode())
    desk.wait(100)
    assert desk.charged_s - before_s == 10
    desk.wait(10)
    desk.say(ES)
    desk.wait(0)
    desk.now_s += 5
    desk.hub.ended("r")
    desk.wait(10)
    assert desk.charged_s - before_s == 15 and before_s <= 1


def test_a_pause_may_drop_the_tracks_and_replies_may_be_lossy(desk):
    desk.running()
    desk.faults |= {"pause-drops-tracks", "lossy-replies"}
    desk.say(task_settings.pause_task().decode())
    pause, unpublish, reply = desk.new()
    assert (pause, unpublish) == (Pause(), pipe.Unpublish())
    assert reply.to == BOX and not reply.reliable


def test_a_task_may_be_voiceless(desk):
    desk.faults |= {"voiceless"}
    desk.say(ES)
    desk.wait(1)
    assert [order.spoken for order in desk.new() if isinstance(order, Run)] == [False]


def test_silence_and_queue_levels_reach_the_task():
    desk = Desk()
    desk.hub.opened("r", publisher=BOX, task=ManagementTask(input_timeout_s=10))
    desk.running()
    for _ in range(12):
        desk.hub.event("r", pipe.Listening(True, {"es": 320}))
        desk.wait(1)
    assert any('"current_queue_level_ms": 320' in order.payload for order in desk.new())
    desk.hub.event("r", pipe.Listening(False, {}))
    desk.wait(11)
    timeout, stop = desk.new()
    assert error(timeout.payload) == "SERVICE_TIMEOUT" and stop == Stop(force=True)


# -- the data channel


def test_the_publisher_commands_and_is_answered(desk):
    desk.say(ES)
    desk.wait(1)
    _, run, started = desk.new()
    assert isinstance(run, Run)
    assert started.to == BOX and json.loads(started.payload)["data"]["event"] == "started"
    assert desk.noted == [("set_task", BOX)]


@pytest.mark.parametrize("sender", ["subscriber_r_0", "publisher_", "publisher_other", "palabra_translator_r", ""])
def test_nobody_else_commands(desk, sender):
    desk.new()
    desk.say(ES, sender)
    (refusal,) = desk.new()
    assert refusal.to == sender and error(refusal.payload) == "PERMISSION_DENIED"
    desk.wait(5)
    assert desk.new() == []


@pytest.mark.parametrize("message", ["", "nonsense", "[]", "[" * 50_000, '{"message_type": {}}', '{"message_type": 5}'])
def test_nonsense_is_answered_with_an_error(desk, message):
    desk.new()
    desk.say(message)
    (refusal,) = desk.new()
    assert json.loads(refusal.payload)["message_type"] == "error"


def test_captions_go_to_all_while_a_task_runs(desk):
    desk.new()
    desk.hub.event("r", Heard("1", "en", "cheers", True))
    assert desk.new() == []
    desk.running()
    desk.hub.event("r", CHEERS)
    (caption,) = desk.new()
    assert caption.to is None and "Salud." in caption.payload


def test_what_interprets_is_remembered(desk):
    desk.hub.event("", pipe.Mode("phrases"))
    assert desk.hub.mode == "phrases"


# -- the WebSocket


async def test_each_hears_all_and_is_answered_alone_and_the_subscriber_only_listens(desk):
    async with served(desk), desk.manage(f"r/{BOX}") as box, desk.manage("r/subscriber_r_0") as phone:
        desk.running()
        await phone.send_str(FR)
        refusal = await phone.receive_str(timeout=5)
        while "current_queue" in refusal or refusal == "{}" or "started" in refusal:
            refusal = await phone.receive_str(timeout=5)
        assert error(refusal) == "PERMISSION_DENIED"
        await box.send_bytes(task_settings.get_task())
        while "current_task" not in (answer := await box.receive_str(timeout=5)):
            assert answer == "{}", "nothing of the phone's quarrel"
        assert '"target_language": "es"' in answer
        desk.hub.event("r", CHEERS)
        for one in (box, phone):
            assert "Salud." in await one.receive_str(timeout=5)
        assert ("set_task", "subscriber_r_0") in desk.noted
        assert not any(isinstance(order, Run) for order in desk.new())


def over_socket(command: str) -> str:
    """This set_task with its sound over the socket."""
    message = json.loads(command)
    stream = {"type": "ws", "format": "pcm_s16le"}
    message["data"]["input_stream"]["source"] = {**stream, "sample_rate": 24_000, "channels": 1}
    message["data"]["output_stream"]["target"] = stream
    return json.dumps(message)


async def ordered(desk: Desk, order: pipe.Order) -> None:
    async with asyncio.timeout(5):
        while order not in desk.orders:
            await asyncio.sleep(0.01)


async def test_sound_goes_in_and_out_by_the_socket_that_set_the_task_and_ends_with_it(desk):
    async with served(desk), desk.manage("r/subscriber_r_0") as phone:
        async with desk.manage(f"r/{BOX}") as box:
            await box.send_str(over_socket(ES))
            async with asyncio.timeout(5):
                while ("set_task", BOX) not in desk.noted:
                    await asyncio.sleep(0.01)
            desk.wait(1)
            assert [order.over_socket for order in desk.new() if isinstance(order, Run)] == [True]
            await box.send_str('{"message_type": "input_audio_data", "data": {"data": "AAAAAAAA"}}')
            await ordered(desk, Sound("AAAAAAAA", 24_000, 1))
            desk.hub.event("r", Spoken("1", "es", "AQIDBAUG", last=True))
            desk.hub.event("r", CHEERS)
            while "AQIDBAUG" not in await box.receive_str(timeout=5):
                pass
            while "Salud." not in (message := await phone.receive_str(timeout=5)):
                assert "AQIDBAUG" not in message, "the sound is for one alone"
            assert not any("AQIDBAUG" in order.payload for order in desk.new() if isinstance(order, pipe.Send))
            box._response.connection.transport.abort()
        await ordered(desk, Stop(force=True))
        assert desk.hub._sessions["r"].task.current is None


async def test_the_end_of_the_session_closes_with_1000_and_nobody_gets_in(desk):
    async with served(desk), desk.manage(f"r/{BOX}") as box, desk.manage("r/subscriber_r_0") as phone:
        desk.hub.ended("r")
        for one in (box, phone):
            assert (await one.receive(timeout=5)).data == 1000
        for token in ("r/box", "other/box", ""):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await desk.manage(token)
            assert refusal.value.status == 403


async def test_end_task_closes_with_1000_after_end_of_stream(desk):
    async with served(desk), desk.manage(f"r/{BOX}") as box:
        await box.send_str('{"message_type": "end_task", "data": {"force": true}}')
        assert json.loads(await box.receive_str(timeout=5))["message_type"] == "end_of_stream"
        assert (await box.receive(timeout=5)).data == 1000


async def test_a_token_opens_twenty_a_minute(desk):
    async with served(desk):

        async def code() -> object:
            async with desk.manage(f"r/{BOX}") as socket:
                await socket.send_str("nonsense")
                return (await socket.receive(timeout=5)).data

        codes = [await code() for _ in range(21)]
        assert 1008 not in codes[:20] and codes[20] == 1008
        async with desk.manage("r/subscriber_r_0") as other:
            await other.send_str("nonsense")
            assert "error" in await other.receive_str(timeout=5), "each token by itself"
        desk.now_s += 61
        assert await code() != 1008


async def test_there_are_so_many_sockets_and_no_more(desk, monkeypatch):
    monkeypatch.setattr(module, "MAX_SOCKETS", 1)
    async with served(desk), desk.manage(f"r/{BOX}") as first, desk.manage("r/subscriber_r_0") as second:
        assert (await second.receive(timeout=5)).data == 1008
        await first.send_str("nonsense")
        assert "error" in await first.receive_str(timeout=5)


async def test_a_giant_message_ends_one_socket(desk, monkeypatch):
    monkeypatch.setattr(module, "MAX_MESSAGE_BYTES", 1000)
    async with served(desk), desk.manage(f"r/{BOX}") as box, desk.manage("r/subscriber_r_0") as phone:
        await phone.send_str("x" * 2000)
        assert (await phone.receive(timeout=5)).data == 1009
        await box.send_str("nonsense")
        assert "error" in await box.receive_str(timeout=5)


async def test_the_end_of_the_server_closes_with_1001(desk):
    async with served(desk), desk.manage(f"r/{BOX}") as box:
        closing = asyncio.ensure_future(desk.hub.close())
        assert (await box.receive(timeout=5)).data == 1001
        await closing


async def test_one_that_does_not_read_is_cut_off_and_the_others_go_on(desk):
    async with served(desk), desk.manage(f"r/{BOX}") as box, desk.manage("r/subscriber_r_0") as deaf:
        desk.running()
        deaf._response.connection.transport.pause_reading()
        long = Said("1", "es", "x" * 60_000)
        sent = heard = 0
        async with asyncio.timeout(20):
            while not deaf._response.connection.transport.is_closing() and len(sockets(desk)) == 2:
                desk.hub.event("r", long)
                sent += 1
                while heard < sent:
                    heard += "xxx" in await box.receive_str()
        assert len(sockets(desk)) == 1
        deaf._response.connection.transport.abort()


def sockets(desk: Desk) -> set[object]:
    return desk.hub._sessions["r"].outboxes
