"""Rows 34 to 37 and 40: what LiveKit's own clients do in the embedded room."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from glob import glob

import pytest

from service.room import peers
from tests.fakes.sandbox import Relay
from tests.foreign.people import Client, Join, hears, ours, sees
from tests.foreign.rust import rust
from tests.foreign.stage import Stage

pytestmark = pytest.mark.slow

LONG = b"x" * 14_000


async def all_hear(**singing: tuple[Client, float]) -> None:
    """Everybody sings, and hears everybody else."""
    await asyncio.gather(*(one.sing(hz) for one, hz in singing.values()))
    pairs = [(who, one, hz) for who, (one, hz) in singing.items()]
    await asyncio.gather(
        *(hears(ear, who, hz) for name, (ear, _) in singing.items() for who, _, hz in pairs if who != name)
    )


async def write(sender: Client, who: str, *others: Client) -> None:
    """Data of each kind, which comes to all others and not back."""
    for message, reliable in ((b"short", True), (LONG, True), (b"lossy", False)):
        await sender.send(message, reliable=reliable)
    for other in others:
        wanted = {(who, b"short"), (who, LONG), (who, b"lossy")}
        await sees(other, lambda seen, wanted=wanted: wanted <= set(seen.data), f"the data of {who}")
    assert who not in {sender for sender, _ in (await sender.look()).data}


@pytest.mark.parametrize("order", ["first", "last"])
async def test_row_34_joins_speaks_hears_writes_mutes_leaves(server: Stage, client: Join, partner: Join, order: str):
    joins = {"first": client if order == "first" else partner, "second": partner if order == "first" else client}
    async with joins["first"](server.url, server.token("first")) as one:
        await one.sing(660)
        async with ours(server.url, server.token("box")) as box:
            await all_hear(box=(box, 440), first=(one, 660))
            async with joins["second"](server.url, server.token("second")) as two:
                await all_hear(box=(box, 500), first=(one, 600), second=(two, 880))
                await one.sing(0)  # the SDKs send nothing while they are silent
                await sees(two, lambda seen: not seen.pitches_hz["first"], "the silence")
                await all_hear(box=(box, 500), first=(one, 700), second=(two, 880))
                await write(box, "box", one, two)
                await write(one, "first", box, two)
                await write(two, "second", box, one)
                await one.mute()
                for other in (box, two):
                    await sees(other, lambda seen: seen.muted["first"], "the mute")
            for other in (box, one):
                await sees(other, lambda seen: "second" not in seen.muted, "that the second has left")
    assert not server.inside


@pytest.mark.parametrize("path", ["", "/", "/livekit", "/livekit/"])
async def test_row_35_falls_back_from_v1_under_every_path(server: Stage, client: Join, path: str):
    async with client(server.url + path, server.token("guest")):
        assert server.inside == {"guest"}
    asked = [path for path, _ in server.requests]
    assert asked[0].endswith("rtc/v1") and server.statuses[asked[0]] == 404
    assert asked[-1].startswith(path) and asked[-1].endswith("/rtc")


async def test_row_36_a_broken_socket_is_followed_by_a_full_reconnect(server: Stage, client: Join):
    async with ours(server.url, server.token("box")) as box, Relay(server.url) as net:
        async with client(net.url, server.token("guest")) as guest:
            await all_hear(box=(box, 440), guest=(guest, 660))
            net.break_all()
            await sees(guest, lambda seen: seen.events[-1:] == ["reconnected"], "the reconnection")
            assert any(resuming for _, resuming in server.requests), "it wanted to resume, and was told not to"
            await all_hear(box=(box, 500), guest=(guest, 880))
            await write(box, "box", guest)
            await write(guest, "guest", box)
            assert not any("disconnected" in event for event in (await guest.look()).events)


async def test_row_37_the_second_holder_of_an_identity_puts_the_first_out(server: Stage, client: Join):
    async with ours(server.url, server.token("box")) as box, client(server.url, server.token("guest")) as first:
        await first.sing(440)
        async with client(server.url, server.token("guest")) as second:
            await sees(first, lambda seen: seen.events == ["disconnected DUPLICATE_IDENTITY"], "the end of the first")
            await all_hear(box=(box, 500), guest=(second, 880))
            await write(second, "guest", box)
            assert (await second.look()).events == []
            assert server.inside == {"box", "guest"}


async def test_row_40_vanishing_is_told_and_frees_everything(server: Stage, vanishing: Join):
    async with ours(server.url, server.token("box")) as box, rust(server.url, server.token("other")) as other:
        await all_hear(box=(box, 500), other=(other, 600))

        async def come_and_vanish() -> None:
            async with vanishing(server.url, server.token("guest")):
                await asyncio.gather(*(hears(one, "guest", 440) for one in (box, other)))
            for one in (box, other):
                await sees(one, lambda seen: "guest" not in seen.muted, "that the guest is gone")
            assert server.inside == {"box", "other"}

        await come_and_vanish()  # the listeners keep the m-line for the next one
        await peers.closed()
        before = held()
        for _ in range(2):
            await come_and_vanish()
        await sees(box, lambda _: held() <= before, f"no more held than {before}")
        await all_hear(box=(box, 700), other=(other, 800))


def held() -> Counter[str]:
    """Tasks, threads and sockets of this process, in which the server runs; the executor's threads come and stay."""
    links = [os.readlink(path) for path in glob("/proc/self/fd/*") if os.path.lexists(path)]
    return Counter(
        tasks=len(asyncio.all_tasks()),
        threads=sum(not one.name.startswith("asyncio_") for one in threading.enumerate()),
        sockets=sum(link.startswith("socket:") for link in links),
    )
