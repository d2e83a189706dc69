"""Every way to the cloud goes by the proxy that the environment names, and not where it says no."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from service.cloud import management_socket
from service.cloud.session_client import SessionClient
from service.core.errors import Retryable
from service.core.session import ApiKey, SessionRequest
from service.room import signal_client


@pytest.fixture
async def proxy(monkeypatch) -> AsyncIterator[list[str]]:
    """What a proxy is asked for; it forwards nothing."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode().strip())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "ws_proxy", "wss_proxy"):
            monkeypatch.setenv(name, url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield asked


async def create(host: str) -> None:
    client = SessionClient(base_url=f"https://{host}", credentials=ApiKey("key"), request=SessionRequest())
    async with client.open():
        pass


async def command(host: str) -> None:
    async with management_socket.connect(f"wss://{host}/stream", "token"):
        pass


async def join(host: str) -> None:
    async with signal_client.connect(f"https://{host}/livekit/", "token"):
        pass


@pytest.mark.parametrize("go", [create, command, join])
async def test_the_proxy_is_asked(proxy, go):
    with pytest.raises(Retryable):
        await go("cloud.example")
    assert set(proxy) == {"CONNECT cloud.example:443 HTTP/1.1"}


@pytest.mark.parametrize("go", [create, command, join])
async def test_hosts_of_no_proxy_are_reached_directly(proxy, go):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Retryable):
        await go(host)
    assert proxy == []
