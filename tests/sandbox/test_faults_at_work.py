"""Every fault of the list is switched on over HTTP in one running sandbox, acts, and is gone when switched off."""

import asyncio
import json
import subprocess
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt
import pytest

from service.core import task_settings
from service.core.errors import LinkLost
from service.core.languages import LanguagePair
from service.room import link, peers
from service.room.tracks import PacketQueue
from service.sandbox.faults import FAULTS
from tests.fakes.processes import BOOTHD
from tests.fakes.sandbox import Api

pytestmark = pytest.mark.slow

ES = task_settings.set_task(LanguagePair("", "en", ("es",)))
GET = task_settings.get_task()
PATIENCE_S = 0.3


@pytest.fixture(scope="module")
def said():
    process = subprocess.Popen([*BOOTHD, "sandbox", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE)
    yield json.loads(process.stdout.readline())
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()


@pytest.fixture
async def api(said):
    async with aiohttp.ClientSession() as http:
        yield Api(said, http)
    await peers.closed()


# Each looks at the sandbox once and tells what it saw. The same look without the fault has to see something else.


async def answer(api: Api) -> Any:
    """The answer to creating a session: the status, what is remarkable in it, and the names of the data."""
    async with asyncio.timeout(5), api.post() as got:
        if got.content_length and got.content_length > 1_000_000:
            return got.status, "big"
        text = await got.text()
        if got.headers.get("Location") or got.headers.get("Retry-After"):
            return got.status, got.headers.get("Location") or got.headers["Retry-After"]
    try:
        body = json.loads(text)
    except ValueError:
        return got.status, "no JSON", text[:9]
    if "errors" in body:
        return got.status, body["ok"], len(body["errors"]), (body["errors"][0] or {}).get("error_code")
    data = body.get("data", body)
    await delete(api, data)
    return got.status, "ok" in body, type(data["publisher"]).__name__, sorted(data)[0]


async def promptness(api: Api) -> bool:
    """Whether a session is answered at once."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await delete(api, await api.create())
        return True
    except TimeoutError:
        return False


async def deletion(api: Api) -> bool:
    session = await api.create()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await api.delete(session)
        return True
    except TimeoutError:
        return False


async def delete(api: Api, data: dict[str, Any]) -> None:
    async with api._http.delete(f"{api.url}/session-storage/sessions/{data['id']}", headers=api._headers):
        pass


async def rights(api: Api) -> tuple[bool, ...]:
    """May publish, may subscribe, may send data."""
    async with session_of(api) as session:
        video = jwt.decode(session["publisher"], options={"verify_signature": False})["video"]
        return video["canPublish"], video["canSubscribe"], video["canPublishData"]


@asynccontextmanager
async def session_of(api: Api, **data: object):
    session = await api.create(**data)
    try:
        yield session
    finally:
        await delete(api, session)


async def messages(api: Api, *commands: bytes, for_s: float = 1.6, apart_s: float = 1.0) -> list[Any]:
    """What comes over the management WebSocket after these commands, or the code with which it is closed. Captions
    need a speaker, so a text that is spoken stands for them."""
    async with session_of(api) as session, api.manage(session) as socket:

        async def tell() -> None:
            for command in commands:
                await socket.send_bytes(command)
                await asyncio.sleep(apart_s)

        telling = asyncio.ensure_future(tell())
        came: list[Any] = []
        try:
            async with asyncio.timeout(for_s):
                async for message in socket:
                    came.append(json.loads(message.data))
                came.append(socket.close_code)
        except TimeoutError:
            pass
        telling.cancel()
        return came


def kinds(came: list[Any]) -> list[Any]:
    """The types of the messages; errors by their code, maps as {}."""
    return [
        each
        if isinstance(each, int)
        else each["data"]["code"]
        if each.get("message_type") == "error" and isinstance(each["data"], dict)
        else each.get("message_type", "map")
        for each in came
    ]


async def start(api: Api) -> list[Any]:
    """set_task and what answers it, maps left out."""
    return [kind for kind in kinds(await messages(api, ES, for_s=1.0)) if kind != "map"]


async def asked_late(api: Api) -> Any:
    """What get_task says a second after set_task."""
    came = [each for each in await messages(api, ES, GET) if each.get("message_type") in ("error", "current_task")]
    data = came[-1]["data"] if came else None
    if isinstance(data, dict):
        return data.get("code") or data["pipeline"]["translations"][0]["target_language"]
    return type(data).__name__


async def resumed(api: Api) -> bool:
    """Whether a paused task runs again at once."""
    came = await messages(api, ES, task_settings.pause_task(), ES, apart_s=1.1, for_s=2.7)
    return "resumed" in [each["data"].get("event") for each in came if each.get("message_type") == "task_status"]


LONG = "Hola a todos. " * 4  # some seconds, so that a queue map finds something waiting
SPEAK = json.dumps({"message_type": "tts_task", "data": {"text": LONG, "language": "es"}}).encode()


def over_socket(command: bytes) -> bytes:
    """This set_task with its sound over the socket."""
    message = json.loads(command)
    stream = {"type": "ws", "format": "pcm_s16le"}
    message["data"]["input_stream"]["source"] = {**stream, "sample_rate": 24_000, "channels": 1}
    message["data"]["output_stream"]["target"] = stream
    return json.dumps(message).encode()


async def last_chunks(api: Api) -> set[bool]:
    """What the pieces of a spoken text say of being the last."""
    came = await messages(api, over_socket(ES), SPEAK, task_settings.end_task(), for_s=10)
    *came, closed = came
    assert closed == 1000
    return {each["data"]["last_chunk"] for each in came if each.get("message_type") == "output_audio_data"}


async def spoken(api: Api) -> tuple[int, bool]:
    """How many captions a spoken text has, and whether any queue level was told meanwhile."""
    came = await messages(api, ES, SPEAK, for_s=2.4)
    captions = kinds(came).count("translated_transcription")
    return captions, any(isinstance(each, dict) and "es" in each for each in came)


async def maps(api: Api) -> bool:
    return "map" in kinds(await messages(api, ES, for_s=1.0))


@asynccontextmanager
async def listening(session: dict[str, Any], token: str):
    """A participant; with it the offers it gets, as they come: the SDP and the state of its connection."""
    offers: list[tuple[str, str]] = []
    async with link.join(session["webrtc_url"], token, sink_for=lambda _: None) as one:
        apply = one._subscriber.answer

        async def noted(sdp: str) -> tuple[str, dict[str, str]]:
            offers.append((sdp, one._subscriber.pc.connectionState))
            return await apply(sdp)

        one._subscriber.answer = noted
        yield one, offers


async def until(good) -> None:
    async with asyncio.timeout(5):
        while not good():
            await asyncio.sleep(0.005)


async def generation_of_server(api: Api) -> bool:
    """Whether offers are written as before LiveKit 1.9.1."""
    async with session_of(api) as session, listening(session, session["publisher"]) as (_, offers):
        await until(lambda: offers)
        return "WMS*" in offers[0][0]


async def acceptance(api: Api) -> bool:
    """Whether the publisher's track is accepted."""
    async with session_of(api) as session, listening(session, session["publisher"]) as (box, _):
        try:
            await box.publish("microphone", PacketQueue())
        except LinkLost as refusal:
            assert "NOT_ALLOWED" in str(refusal)
            return False
        return True


async def haste(api: Api) -> bool:
    """Whether a track is offered while the connection is still coming up."""
    async with session_of(api, subscriber_count=1) as session, listening(session, session["publisher"]) as (box, _):
        await box.publish("microphone", PacketQueue())
        await box.wait_connected()
        async with listening(session, session["subscriber"][0]) as (_, offers):
            await until(lambda: any("m=audio" in sdp for sdp, _ in offers))
            return next(state for sdp, state in offers if "m=audio" in sdp) != "connected"


async def company(api: Api) -> bool:
    """Whether a translator is in the room within a second."""
    async with session_of(api) as session:
        name = f"palabra_translator_{session['webrtc_room_name']}"
        for _ in range(50):
            rooms = (await api.get("/sandbox/status"))["rooms"]
            if name in rooms.get(session["webrtc_room_name"], []):
                return True
            await asyncio.sleep(0.02)
        return False


@asynccontextmanager
async def with_translator(api: Api):
    async with session_of(api) as session, listening(session, session["publisher"]) as (box, _):
        await box.publish("microphone", PacketQueue())
        await box.wait_connected()
        await box.present("palabra_translator_")
        await box.send(ES)
        yield box, box.messages()


async def tracks_in_a_pause(api: Api) -> int:
    async with with_translator(api) as (box, messages):

        def tracks() -> int:
            return sum(len(one.tracks) for one in box.participants if one.identity != box.identity)

        await until(tracks)
        await box.send(task_settings.pause_task())
        while b"paused" not in await anext(messages):
            pass
        await asyncio.sleep(PATIENCE_S)
        return tracks()


async def reliability(api: Api) -> bool:
    """Whether what the translator says comes over the reliable channel."""
    async with with_translator(api) as (box, messages):
        labels, channels = [], box._subscriber.pc.sctp._data_channels.values()
        for channel in channels:
            channel.on("message", lambda _, label=channel.label: labels.append(label))
        await anext(messages)
        await until(lambda: labels)
        return set(labels) == {peers.RELIABLE}


GOOD = (201, True, "str", "id")
LOOKS: dict[str, tuple[Any, Any, Any, Any]] = {  # name: value, look, seen with the fault, seen without
    "no-balance": (None, answer, (403, False, 1, 100050), GOOD),
    "unauthorized": (404, answer, (404, False, 1, 100020), GOOD),
    "server-error": (503, answer, (503, False, 1, 100060), GOOD),
    "rate-limit": (7, answer, (429, "7"), GOOD),
    "ok-false": (None, answer, (201, False, 1, 100050), GOOD),
    "bad-problem": (None, answer, (403, False, 6, None), GOOD),
    "html-proxy": (None, answer, (200, "no JSON", "<!doctype"), GOOD),
    "redirect": ("http://127.0.0.2/x", answer, (307, "http://127.0.0.2/x"), GOOD),
    "big-body": (None, answer, (201, "big"), GOOD),
    "truncated-json": (None, answer, (201, "no JSON", '{"ok": tr'), GOOD),
    "slow-loris": (0.05, promptness, False, True),
    "delay-create": (PATIENCE_S * 2, promptness, False, True),
    "never-answer": (None, promptness, False, True),
    "never-delete": (None, deletion, False, True),
    "status-200": (None, answer, (200, True, "str", "id"), GOOD),
    "flat-answer": (None, answer, (201, False, "str", "id"), GOOD),
    "list-publisher": (None, answer, (201, True, "list", "id"), GOOD),
    "generation-a": (None, answer, (201, True, "str", "control_url"), GOOD),
    "no-publish": (None, rights, (False, True, True), (True, True, True)),
    "no-subscribe": (None, rights, (True, False, True), (True, True, True)),
    "subscribe-on-request": (None, rights, (True, False, True), (True, True, True)),
    "no-data": (None, rights, (True, True, False), (True, True, True)),
    "generation": ("C", start, [], ["task_status"]),
    "ready-delay": (3, start, [], ["task_status"]),
    "resume-delay": (3, resumed, False, True),
    "never-ready": (None, asked_late, "NOT_FOUND", "es"),
    "refuse-language": ("es", start, ["VALIDATION_ERROR"], ["task_status"]),
    "not-found-after": (0.1, asked_late, "NOT_FOUND", "es"),
    "lost-task": (None, asked_late, "NOT_FOUND", "es"),
    "wrong-echo": (None, asked_late, "sw", "es"),
    "string-data": (None, asked_late, "str", "es"),
    "duplicates": (None, spoken, (2, True), (1, True)),
    "no-queue-map": (None, maps, False, True),
    "empty-queue-map": (None, spoken, (1, False), (1, True)),
    "drop-messages": (None, start, [], ["task_status"]),
    "no-last-chunk": (None, last_chunks, {False}, {False, True}),
    "close-1008": (None, start, [1008], ["task_status"]),
    "old-server": (None, generation_of_server, True, False),
    "early-offer": (None, haste, True, False),
    "refuse-track": (None, acceptance, False, True),
    "no-interpreter": (None, company, False, True),
    "late-interpreter": (5, company, False, True),
    "voiceless": (None, spoken, (1, False), (1, True)),
    "pause-drops-tracks": (None, tracks_in_a_pause, 0, 1),
    "lossy-replies": (None, reliability, False, True),
}


def test_no_fault_is_left_out():
    assert LOOKS.keys() == FAULTS.keys()


@pytest.mark.parametrize("name", LOOKS)
async def test_it_acts_while_it_is_switched_on(api, name):
    value, look, with_it, without = LOOKS[name]
    async with api.fault(name, value):
        assert await look(api) == with_it
    assert await look(api) == without
    for session in await api.get("/sandbox/sessions"):
        await delete(api, session)
