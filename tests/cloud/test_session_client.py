"""The session client against a server written here, with nothing but aiohttp."""

import asyncio
import gzip
import json
import logging
import socket
import traceback
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web

from service.cloud.session_client import SessionClient
from service.core.errors import Cause, CloudRejected, CloudUnreachable, FaultCode, ServiceError
from service.core.session import ApiKey, ClientPair, SessionRequest
from tests.fakes.certificates import DAY, Authority
from tests.fakes.servers import serving

PAIR = ClientPair("planted-client-id", "planted-client-secret")
TOKEN = "eyJplantedhead.eyJ2aWRlbyI6e319.plantedmark"
ID = "planted/session?id=1%2F#x"
QUOTED_ID = "planted%2Fsession%3Fid%3D1%252F%23x"
DATA = {
    "publisher": TOKEN,
    "subscriber": None,
    "webrtc_room_name": "50ff0fa2",
    "webrtc_url": "https://streaming.example/livekit/",
    "ws_url": "wss://streaming.example/v1/stream",
    "id": ID,
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answering(status: int, document: object = None, **options) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        if document is not None:
            options["text"] = json.dumps(document)
        return web.Response(status=status, **options)

    return handle


def created(**changes: object) -> Handler:
    return answering(201, {"ok": True, "data": {**DATA, **changes}})


def refused(status: int, *details: str) -> Handler:
    return answering(status, {"ok": False, "errors": [{"detail": detail} for detail in details]})


class Cloud:
    """Answers every POST by the next of `posts`, the last one again and again; notes what came."""

    def __init__(self, *posts: Handler, delete: Handler | None = None) -> None:
        self.posts = list(posts) or [created()]
        self.delete = delete or answering(204)
        self.story: list[str] = []
        self.bodies: list[object] = []
        self.headers: list[dict[str, str]] = []
        self.came = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.story.append(f"{request.method} {request.rel_url.raw_path}")
        self.headers.append(dict(request.headers))
        if request.method == "DELETE":
            self.came.set()
            return await self.delete(request)
        self.bodies.append(await request.json())
        self.came.set()
        post = self.posts.pop(0) if len(self.posts) > 1 else self.posts[0]
        return await post(request)


@asynccontextmanager
async def running(cloud: Cloud, **options):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", cloud.handle)
    async with serving(app, **options) as cloud.url:
        yield cloud


def client(url: str, **options) -> SessionClient:
    whole = {"credentials": PAIR, "request": SessionRequest(), "timeout_s": 5.0, **options}
    return SessionClient(base_url=url, **whole)


async def use(sessions: SessionClient) -> None:
    async with sessions.open():
        pass


CREATE, DELETE = "POST /session-storage/session", f"DELETE /session-storage/sessions/{QUOTED_ID}"


async def test_a_session_is_created_and_deleted():
    async with running(Cloud()) as cloud:
        async with client(cloud.url, request=SessionRequest(subscriber_count=3)).open() as session:
            assert (session.publisher, session.id, session.room_name) == (TOKEN, ID, "50ff0fa2")
            assert cloud.story == [CREATE]
        assert cloud.story == [CREATE, DELETE]
        assert cloud.bodies == [{"data": {"subscriber_count": 3, "intent": "api"}}]


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [
        (PAIR, {"ClientId": PAIR.client_id, "ClientSecret": PAIR.client_secret}),
        (ApiKey("planted-key"), {"Authorization": "Bearer planted-key"}),
    ],
)
async def test_credentials_travel_in_headers_of_their_kind_only(credentials, sent):
    async with running(Cloud()) as cloud:
        await use(client(cloud.url, credentials=credentials))
        assert len(cloud.headers) == 2
        for headers in cloud.headers:
            kinds = ("ClientId", "ClientSecret", "Authorization")
            assert {name: headers[name] for name in kinds if name in headers} == sent


@pytest.mark.parametrize("path", ["", "/", "/prefix", "/prefix/"])
async def test_the_base_url_may_have_a_path(path):
    async with running(Cloud()) as cloud:
        await use(client(cloud.url + path))
        prefix = path.rstrip("/")
        assert cloud.story == [CREATE.replace(" ", f" {prefix}"), DELETE.replace(" ", f" {prefix}")]


async def test_deleted_when_the_user_fails():
    async with running(Cloud()) as cloud:
        with pytest.raises(ZeroDivisionError):
            async with client(cloud.url).open():
                raise ZeroDivisionError
        assert cloud.story == [CREATE, DELETE]


async def test_deleted_when_stopped_while_in_use():
    async with running(Cloud()) as cloud:
        entered = asyncio.Event()

        async def stay() -> None:
            async with client(cloud.url).open():
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(stay())
        await entered.wait()
        await stop(task)
        assert cloud.story == [CREATE, DELETE]


async def stop(task: asyncio.Task) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_deleted_when_stopped_while_the_201_is_in_flight():
    answer = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        await answer.wait()
        return await created()(request)

    async with running(Cloud(late)) as cloud:
        task = asyncio.create_task(use(client(cloud.url)))
        await cloud.came.wait()
        asyncio.get_running_loop().call_later(0.02, answer.set)
        await stop(task)
        assert cloud.story == [CREATE, DELETE]


async def test_a_201_that_is_still_outstanding_is_left_to_lapse_and_said_so(caplog):
    gone = asyncio.Event()

    async def never(request: web.Request) -> web.StreamResponse:
        while request.transport is not None:
            await asyncio.sleep(0.01)
        gone.set()
        return web.Response()

    async with running(Cloud(never)) as cloud:
        task = asyncio.create_task(use(client(cloud.url, in_flight_wait_s=0.02)))
        await cloud.came.wait()
        stopped_s = asyncio.get_running_loop().time()
        await stop(task)
        assert asyncio.get_running_loop().time() - stopped_s < 1
        async with asyncio.timeout(1):
            await gone.wait()
        assert cloud.story == [CREATE]
        assert "left to lapse" in caplog.text


async def test_a_refusal_that_comes_after_the_stop_is_nothing_to_delete(caplog):
    answer = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        await answer.wait()
        return await refused(500)(request)

    async with running(Cloud(late)) as cloud:
        task = asyncio.create_task(use(client(cloud.url)))
        await cloud.came.wait()
        asyncio.get_running_loop().call_later(0.02, answer.set)
        await stop(task)
        assert cloud.story == [CREATE]
        assert not caplog.records


async def test_a_delete_under_way_survives_the_stop():
    answer, deleted = asyncio.Event(), []

    async def late(request: web.Request) -> web.StreamResponse:
        await answer.wait()
        deleted.append(request.transport is not None)
        return web.Response(status=204)

    async with running(Cloud(delete=late)) as cloud:
        task = asyncio.create_task(use(client(cloud.url)))
        while len(cloud.story) < 2:
            cloud.came.clear()
            await cloud.came.wait()
        asyncio.get_running_loop().call_later(0.02, answer.set)
        await stop(task)
        assert deleted == [True]


@pytest.mark.parametrize(("status", "said"), [(404, ""), (200, ""), (500, "(500)"), (307, "(307)"), (401, "(401)")])
async def test_delete_never_fails_and_is_tried_once(status, said, caplog):
    async with running(Cloud(delete=answering(status))) as cloud:
        await use(client(cloud.url))
        assert cloud.story == [CREATE, DELETE]
        assert ("left to lapse" in caplog.text) == bool(said)
        assert said in caplog.text


async def test_a_delete_without_answer_is_bounded(caplog):
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()

    async with running(Cloud(delete=never)) as cloud:
        async with asyncio.timeout(2):
            await use(client(cloud.url, delete_timeout_s=0.05))
        assert "left to lapse: 127.0.0.1 gave no complete answer within 0.05 s" in caplog.text


async def test_what_cannot_be_used_is_deleted_too():
    async with running(Cloud(created(publisher=[]))) as cloud:
        with pytest.raises(CloudUnreachable, match="publisher"):
            await use(client(cloud.url))
        assert cloud.story == [CREATE, DELETE]


async def test_a_session_without_id_is_used_and_left_to_lapse(caplog):
    async with running(Cloud(created(id=None))) as cloud:
        await use(client(cloud.url))
        assert cloud.story == [CREATE]
        assert "left to lapse" in caplog.text


class Kept:
    """What a process leaves to the next one; promises `core.ports.OpenSessions`."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}

    def opened(self, session_id: str, owner: str) -> None:
        self.open[session_id] = owner

    def closed(self, session_id: str) -> None:
        self.open.pop(session_id, None)

    def left_over(self) -> dict[str, str]:
        return dict(self.open)


async def left_by_a_crash(cloud: Cloud, kept: Kept, **options) -> None:
    """A process that never comes to its DELETE."""
    async with client(cloud.url, kept=kept, **options).open():
        left = dict(kept.open)
    kept.open = left
    cloud.story.clear()


async def test_what_an_earlier_process_left_open_is_deleted(caplog):
    kept = Kept()
    async with running(Cloud()) as cloud:
        await left_by_a_crash(cloud, kept)
        assert kept.open.keys() == {ID} and not set(PAIR.secrets()) & set(kept.open.values())
        sessions = client(cloud.url, kept=kept)
        await sessions.tidy()
        assert cloud.story == [DELETE] and kept.open == {}
        await sessions.tidy()
        await use(sessions)
        assert cloud.story == [DELETE, CREATE, DELETE] and kept.open == {}
        assert len(caplog.records) == 1 and ID not in caplog.text


async def test_what_other_credentials_left_open_is_let_be(caplog):
    kept = Kept()
    async with running(Cloud()) as cloud:
        await left_by_a_crash(cloud, kept, credentials=ApiKey("planted-key"))
        await client(cloud.url, kept=kept).tidy()
        assert cloud.story == [] and kept.open == {}
        assert [record.getMessage() for record in caplog.records] == [
            "a session that was left open belongs to other credentials and is left to lapse"
        ]


async def test_a_leftover_that_cannot_be_deleted_costs_a_bounded_time_and_is_said_once(caplog):
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()

    kept = Kept()
    async with running(Cloud()) as cloud:
        await left_by_a_crash(cloud, kept)
        cloud.delete = never
        sessions = client(cloud.url, kept=kept, delete_timeout_s=0.05)
        async with asyncio.timeout(2):
            await sessions.tidy()
            await sessions.tidy()
        assert kept.open == {} and caplog.text.count("left to lapse") == 1


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refused_body_is_followed_once_by_the_smallest(status, caplog):
    async with running(Cloud(refused(status, "subscriber_count is gone"), created())) as cloud:
        await use(client(cloud.url, request=SessionRequest(subscriber_count=3)))
        assert cloud.bodies == [{"data": {"subscriber_count": 3, "intent": "api"}}, {"data": {"intent": "api"}}]
        assert "subscriber_count is gone; trying the smallest request" in caplog.text


async def test_the_smallest_body_refused_is_the_end():
    async with running(Cloud(refused(422, "one", "two"))) as cloud:
        with pytest.raises(CloudRejected, match="one; two"):
            await use(client(cloud.url))
        assert cloud.story == [CREATE, CREATE]


async def test_a_redirect_is_refused_and_the_credentials_stay_here():
    async with running(Cloud()) as elsewhere:
        target = f"{elsewhere.url}/session-storage/session"
        for status in (301, 302, 303, 307, 308):
            async with running(Cloud(answering(status, headers={"Location": target}))) as cloud:
                with pytest.raises(CloudUnreachable, match=f"redirect .{status}., which is refused"):
                    await use(client(cloud.url))
                assert cloud.story == [CREATE]
        async with running(Cloud(delete=answering(307, headers={"Location": target}))) as cloud:
            await use(client(cloud.url))
        assert elsewhere.story == []


async def test_a_large_body_is_not_read_to_its_end():
    written = 0

    async def large(request: web.Request) -> web.StreamResponse:
        nonlocal written
        answer = web.StreamResponse(status=201)
        answer.content_length = 100_000_000
        await answer.prepare(request)
        with suppress(ConnectionResetError):
            while written < answer.content_length:
                await answer.write(b" " * 100_000)
                written += 100_000
        return answer

    async with running(Cloud(large)) as cloud:
        with pytest.raises(CloudUnreachable, match="larger than 1048576 bytes"):
            await use(client(cloud.url))
    assert written < 50_000_000


async def test_a_packed_body_is_not_unpacked():
    packed = answering(201, body=gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})
    async with running(Cloud(packed)) as cloud:
        with pytest.raises(CloudUnreachable, match="not JSON"):
            await use(client(cloud.url))
        assert cloud.headers[0]["Accept-Encoding"] == "identity"


async def test_a_body_that_breaks_off():
    async def short(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(status=201)
        answer.content_length = 1000
        await answer.prepare(request)
        await answer.write(b'{"ok": true')
        request.transport.close()
        return answer

    async with running(Cloud(short)) as cloud:
        with pytest.raises(CloudUnreachable, match="127.0.0.1 broke off"):
            await use(client(cloud.url))


async def raw_server(answer: bytes) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 201 Created\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 999999 Odd\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nplanted\r\n",
    ],
)
async def test_what_is_no_http(answer):
    async with await raw_server(answer) as server:
        with pytest.raises(CloudUnreachable, match="broke off or garbled"):
            await use(client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))


async def test_nobody_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(CloudUnreachable, match="no connection to 127.0.0.1: "):
            await use(client(f"http://127.0.0.1:{taken.getsockname()[1]}"))


async def test_a_name_that_cannot_be_resolved(monkeypatch):
    async def fail(*args, **kwargs):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    with pytest.raises(CloudUnreachable, match="the name api.example cannot be resolved"):
        await use(client("https://api.example"))


@pytest.fixture
def authority(tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", authority.trust)
    return authority


async def test_over_tls(authority):
    async with running(Cloud(), ssl=authority.server()) as cloud:
        await use(client(cloud.url))
        assert cloud.story == [CREATE, DELETE]


@pytest.mark.parametrize(
    "change", [{"webrtc_url": "http://streaming.example/x"}, {"ws_url": "ws://streaming.example/x"}]
)
async def test_unencrypted_urls_are_refused_behind_an_encrypted_base_and_the_session_deleted(authority, change):
    async with running(Cloud(created(**change)), ssl=authority.server()) as cloud:
        with pytest.raises(CloudUnreachable, match="without encryption"):
            await use(client(cloud.url))
        assert cloud.story == [CREATE, DELETE]
    async with running(Cloud(created(**change))) as cloud:
        await use(client(cloud.url))


@pytest.mark.parametrize(
    ("certificate", "said", "code"),
    [
        ({"start": DAY}, "is the clock right", FaultCode.BOX),
        ({"start": -3 * DAY}, "is the clock right", FaultCode.BOX),
        ({"address": "127.0.0.9"}, "not trusted: IP address mismatch", FaultCode.NETWORK),
    ],
)
async def test_bad_certificates(authority, certificate, said, code):
    async with running(Cloud(), ssl=authority.server(**certificate)) as cloud:
        with pytest.raises(CloudUnreachable, match=said) as caught:
            await use(client(cloud.url))
        assert caught.value.code is code
        assert caught.value.cause is (Cause.CLOCK if code is FaultCode.BOX else Cause.NETWORK)
        assert cloud.story == []


async def test_an_unknown_authority(tmp_path):
    async with running(Cloud(), ssl=Authority(tmp_path).server()) as cloud:
        with pytest.raises(CloudUnreachable, match="not trusted: "):
            await use(client(cloud.url))


async def test_tls_asked_of_a_server_without(authority):
    async with running(Cloud()) as cloud:
        with pytest.raises(CloudUnreachable, match="its TLS cannot be agreed on"):
            await use(client(cloud.url.replace("http:", "https:")))


async def hang_up(request: web.Request) -> web.StreamResponse:
    request.transport.close()
    return web.Response()


@pytest.mark.parametrize(
    "cloud",
    [
        lambda echo: Cloud(),
        lambda echo: Cloud(refused(401, echo)),
        lambda echo: Cloud(refused(422, echo)),
        lambda echo: Cloud(refused(422, echo), created()),
        lambda echo: Cloud(answering(403, {"error": echo})),
        lambda echo: Cloud(answering(201, {"ok": False, "errors": [{"detail": echo}], "data": DATA})),
        lambda echo: Cloud(answering(502, text=echo)),
        lambda echo: Cloud(answering(201, text=json.dumps(DATA)[:-30])),
        lambda echo: Cloud(created(publisher=[])),
        lambda echo: Cloud(created(webrtc_url=f"planted:{TOKEN}")),
        lambda echo: Cloud(answering(307, headers={"Location": f"http://127.0.0.1:9/?{echo}"})),
        lambda echo: Cloud(hang_up),
        lambda echo: Cloud(delete=hang_up),
        lambda echo: Cloud(delete=refused(500, echo)),
    ],
)
@pytest.mark.parametrize("credentials", [PAIR, ApiKey("planted-api-key")])
async def test_no_secret_leaves(cloud, credentials, caplog):
    """Not by a log of ours or of aiohttp's, nor by an error's text, repr, arguments or traceback."""
    caplog.set_level(logging.DEBUG)
    texts = []
    async with running(cloud(f"{credentials.secrets()} with token={TOKEN}, or {TOKEN} alone")) as server:
        sessions = client(server.url, credentials=credentials)
        try:
            async with sessions.open() as session:
                texts += [repr(session), str(session)]
        except ServiceError as error:
            texts += [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
            assert error.__cause__ is None and error.__context__ is None
        texts.append(repr(sessions))
    assert server.story
    for record in caplog.records:
        texts += [record.getMessage(), repr(vars(record))]
    assert [text for text in texts if "planted" in text] == []


async def test_ids_and_tokens_are_told_to_who_hides_them_before_anything_is_logged(caplog):
    caplog.set_level("DEBUG")
    learnt: list[str] = []

    def learn(secrets) -> None:
        learnt.extend(secrets)
        assert not caplog.records

    async with running(Cloud()) as cloud:
        async with client(cloud.url, learn=learn).open() as session:
            assert learnt == [ID, TOKEN, *session.subscribers]
