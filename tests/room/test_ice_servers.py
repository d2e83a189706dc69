"""The choice among a room's TURN servers; the media through a real one is in test_turn.py."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiortc.rtcicetransport import connection_kwargs
from livekit.protocol.rtc import ICEServer, JoinResponse

from service.room.ice_servers import _turns, reachable

BRIEFLY_S = 0.05


def room(*urls: str) -> JoinResponse:
    return JoinResponse(ice_servers=[ICEServer(urls=urls, username="box", credential="secret")])


@pytest.mark.parametrize(
    ("offered", "used"),
    [
        (["stun:stun.example:3478"], []),
        (["turn:t.example"], ["turn:t.example"]),
        (["turns:t.example:443", "turn:t.example:3478"], ["turn:t.example:3478", "turns:t.example:443"]),
        (
            ["turn:a:1?transport=tcp", "turns:b:2?transport=tcp", "turn:c:3?transport=udp"],
            ["turn:c:3?transport=udp", "turns:b:2?transport=tcp", "turn:a:1?transport=tcp"],
        ),
        (["turns:t.example?transport=udp", "turn:[::1]:3478", "turn:", "turn:t?transport=sctp", "TURN:t"], []),
    ],
)
def test_udp_before_tls_before_tcp_and_nothing_that_cannot_be_used(offered, used):
    servers = [turn.server for turn in _turns(room(*offered))]
    assert [server.urls for server in servers] == used
    for server in servers:
        found = connection_kwargs([server])  # aiortc's own reading
        assert found["turn_server"] and (found["turn_username"], found["turn_password"]) == ("box", "secret")


def test_each_server_has_its_own_credentials():
    join = JoinResponse(
        ice_servers=[
            ICEServer(urls=["turns:t:443"], username="one", credential="1"),
            ICEServer(urls=["turn:t:80"], username="two", credential="2"),
        ]
    )
    assert [(turn.server.urls, turn.server.username) for turn in _turns(join)] == [
        ("turn:t:80", "two"),
        ("turns:t:443", "one"),
    ]


class Stun(asyncio.DatagramProtocol):
    """Answers so many requests too few; and nonsense before the right one."""

    def __init__(self, deaf_to: int) -> None:
        self.deaf_to = deaf_to

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.deaf_to -= 1
        if self.deaf_to < 0 and data[:2] == b"\0\1":
            for answer in (b"", b"\1\1" + data[2:8] + bytes(12), b"\1\1" + data[2:]):
                self.transport.sendto(answer, address)


@asynccontextmanager
async def stun(deaf_to: int = 0) -> AsyncIterator[str]:
    """A server's URL."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Stun(deaf_to), local_addr=("127.0.0.1", 0))
    yield f"turn:127.0.0.1:{transport.get_extra_info('sockname')[1]}?transport=udp"
    transport.close()


async def urls(*offered: str, limit_s: float = 10.0) -> list[str]:
    return [server.urls for server in await reachable(room(*offered), limit_s=limit_s)]


async def test_the_server_over_udp_that_answers_is_used():
    async with stun() as good, stun(1000) as deaf:
        assert await urls("turns:t:443", deaf, good) == [good, "turns:t:443"]


async def test_a_lost_question_is_asked_again(monkeypatch):
    monkeypatch.setattr("aioice.stun.RETRY_RTO", 0.02)
    async with stun(deaf_to=2) as url:
        assert await urls(url) == [url]


async def test_without_udp_what_goes_over_tls_is_used():
    async with stun(1000) as deaf, stun() as gone:
        pass
    async with stun(1000) as deaf:
        offered = (deaf, gone, "turn:no..name", "turn:t:80?transport=tcp", "turns:t:443")
        assert await urls(*offered, limit_s=BRIEFLY_S) == ["turns:t:443", "turn:t:80?transport=tcp"]
        assert await urls(deaf, limit_s=BRIEFLY_S) == [], "five seconds for nothing"


async def test_nothing_is_asked_where_there_is_no_choice():
    assert await urls("turns:t:443", "stun:s:3478", limit_s=0) == ["turns:t:443"]


async def test_a_join_that_is_given_up_leaves_no_question_behind():
    async with stun(1000) as deaf:
        asking = asyncio.ensure_future(reachable(room(deaf)))
        await asyncio.sleep(0.02)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
