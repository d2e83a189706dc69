"""The socket against a real aiohttp server."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSCloseCode, WSMsgType, web

from service.cloud.management_socket import MESSAGE_LIMIT_BYTES, connect
from service.core.errors import CloudBusy, CloudUnreachable, LinkLost, Retryable, SessionLost

TOKEN = "eyJhbGci.secret+token/="
Story = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/stream", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"ws://{host}:{port}/stream"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def cloud(story: Story, *, autoping: bool = True) -> AsyncIterator[str]:
    """A cloud that accepts the token and then does as the story says."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.query.get("token") != TOKEN:
            return web.Response(status=403)
        ws = web.WebSocketResponse(autoping=autoping, timeout=0.1)
        await ws.prepare(request)
        await story(ws)
        await ws.close()
        return ws

    async with serving(handler) as url:
        yield url


async def heard(url: str, **options: float) -> list[bytes]:
    async with connect(url, TOKEN, **options) as socket:
        return [message async for message in socket.messages()]


def assert_secret(error: BaseException) -> None:
    assert "secret" not in "".join(traceback.format_exception(error))
    assert error.__context__ is None or error.__suppress_context__


async def test_messages_travel_both_ways_as_text():
    async def echo(ws: web.WebSocketResponse) -> None:
        async for message in ws:
            assert message.type is WSMsgType.TEXT
            await ws.send_str(message.data)

    async with cloud(echo) as url, connect(url, TOKEN) as socket:
        for text in ("{}", '{"text": "Grüße"}'):
            await socket.send(text.encode())
            assert await anext(socket.messages()) == text.encode()


async def test_the_token_joins_a_query_that_is_there_already():
    queries: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        queries.append(dict(request.query))
        return web.Response(status=403)

    async with serving(handler) as url:
        with pytest.raises(SessionLost):
            await heard(url + "?region=eu")
    assert queries == [{"region": "eu", "token": TOKEN}]


async def test_binary_frames_are_messages_too_and_1000_is_an_orderly_end():
    async def story(ws: web.WebSocketResponse) -> None:
        await ws.send_bytes(b"{}")
        await ws.send_str("[]")

    async with cloud(story) as url:
        assert await heard(url) == [b"{}", b"[]"]


@pytest.mark.parametrize(
    "code, error, retry_after_s",
    [
        (WSCloseCode.POLICY_VIOLATION, CloudBusy, 60.0),
        (WSCloseCode.GOING_AWAY, SessionLost, 0.0),
        (WSCloseCode.INTERNAL_ERROR, SessionLost, 0.0),
    ],
)
async def test_other_closes_are_named(code, error, retry_after_s):
    async def story(ws: web.WebSocketResponse) -> None:
        await ws.close(code=code, message=b"your secret token")

    async with cloud(story) as url:
        with pytest.raises(error, match=str(int(code))) as caught:
            await heard(url)
    assert caught.value.retry_after_s == retry_after_s
    assert_secret(caught.value)


async def test_a_connection_that_breaks_is_a_lost_link():
    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        return ws

    async with serving(handler) as url:
        with pytest.raises(LinkLost):
            await heard(url)


async def test_a_message_too_large_is_nonsense():
    async def story(ws: web.WebSocketResponse) -> None:
        await ws.send_str("a" * (MESSAGE_LIMIT_BYTES + 1))

    async with cloud(story) as url:
        with pytest.raises(CloudUnreachable, match="1009"):
            await heard(url)


@pytest.mark.parametrize(
    "status, error",
    [
        (401, SessionLost),
        (403, SessionLost),
        (404, SessionLost),
        (429, CloudBusy),
        (500, CloudUnreachable),
        (200, CloudUnreachable),
    ],  # fmt: skip
)
async def test_a_refused_upgrade_is_sorted_by_who_mends_it(status, error, caplog):
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=f"bad token {request.query['token']}")

    caplog.set_level(logging.DEBUG)
    async with serving(handler) as url:
        with pytest.raises(error, match=str(status)) as caught:
            await heard(url)
    assert_secret(caught.value)
    assert not any("secret" in record.getMessage() for record in caplog.records if record.name != "aiohttp.access")


async def test_a_redirect_is_not_followed():
    visits: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        visits.append(request.path_qs)
        return web.Response(status=403)

    async with serving(elsewhere) as other:

        async def handler(request: web.Request) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(f"{other}?{request.query_string}".replace("ws:", "http:"))

        async with serving(handler) as url:
            with pytest.raises(CloudUnreachable) as caught:
                await heard(url)
    assert visits == []
    assert_secret(caught.value)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/stream", "ws://[", "nonsense", "ftp://127.0.0.1/"])
async def test_nobody_there_or_no_url_is_unreachable(url):
    with pytest.raises(CloudUnreachable) as caught:
        await heard(url)
    assert_secret(caught.value)


async def test_an_upgrade_that_takes_too_long_is_unreachable():
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(handler) as url:
        with pytest.raises(CloudUnreachable, match="0.05 s") as caught:
            await heard(url, open_timeout_s=0.05)
    assert_secret(caught.value)


async def test_pongs_keep_a_quiet_socket():
    async def story(ws: web.WebSocketResponse) -> None:
        pings = 0
        while pings < 5:
            message = await ws.receive()
            assert message.type is WSMsgType.PING
            await ws.pong(message.data)
            pings += 1

    async with cloud(story, autoping=False) as url:
        assert await heard(url, ping_s=0.02, silence_s=0.06) == []


async def test_a_socket_without_pongs_is_lost():
    async def story(ws: web.WebSocketResponse) -> None:
        while (await ws.receive()).type is WSMsgType.PING:
            pass

    async with cloud(story, autoping=False) as url:
        with pytest.raises(LinkLost, match="silent"):
            await heard(url, ping_s=0.02, silence_s=0.06)


async def test_marks_show_how_far_the_cloud_has_read():
    read_on = asyncio.Event()

    async def story(ws: web.WebSocketResponse) -> None:
        for payload in (b"", b"nonsense", b"99", b"1" * 100):
            await ws.pong(payload)  # answers to nothing
        await ws.send_str("{}")
        await ws.pong((await ws.receive()).data)
        await ws.send_str("{}")
        await read_on.wait()
        assert [(await ws.receive()).data for _ in range(4)] == [b"2", "sound", b"3", b"4"]
        await ws.pong(b"3")  # the one before is not answered by itself
        await ws.send_str("{}")

    async with cloud(story, autoping=False) as url, connect(url, TOKEN) as socket:
        messages = socket.messages()
        await socket.mark()
        await anext(messages)
        assert socket.marks_open == 0  # it may be that marks are never answered here
        await anext(messages)
        await socket.mark()
        assert socket.marks_open == 1
        await socket.send(b"sound")
        await socket.mark()
        await socket.mark()
        assert socket.marks_open == 3
        read_on.set()
        await anext(messages)
        assert socket.marks_open == 1


async def test_the_clouds_pings_are_answered():
    answered = asyncio.Event()

    async def story(ws: web.WebSocketResponse) -> None:
        await ws.ping(b"?")
        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.PONG, b"?")
        answered.set()

    async with cloud(story, autoping=False) as url:
        assert await heard(url) == []
    assert answered.is_set()


async def test_leaving_closes_with_1000_and_ends_the_reader():
    codes: list[int | None] = []

    async def story(ws: web.WebSocketResponse) -> None:
        await ws.receive()
        codes.append(ws.close_code)

    async with cloud(story) as url:
        async with connect(url, TOKEN) as socket:

            async def read() -> list[bytes]:
                return [message async for message in socket.messages()]

            reader = asyncio.create_task(read())
            await asyncio.sleep(0)
        assert await reader == []
    assert codes == [1000]
    with pytest.raises(LinkLost):
        await socket.send(b"{}")


async def test_an_error_inside_closes_the_socket_and_passes():
    async def story(ws: web.WebSocketResponse) -> None:
        await ws.receive()

    async with cloud(story) as url:
        with pytest.raises(Retryable, match="ours"):
            async with connect(url, TOKEN):
                raise LinkLost("ours")
