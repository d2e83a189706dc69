import asyncio

import pytest

from service.sandbox.connections import Connections


class Peer:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


async def test_they_are_closed_at_once_when_nothing_is_under_way():
    one, other = Peer(), Peer()
    connections = Connections(one, other)
    assert await connections.whole(asyncio.sleep(0, "described")) == "described"
    connections.close()
    await connections.closed()
    assert (one.closed, other.closed) == (1, 1)


@pytest.mark.parametrize("cancelled", [True, False])
async def test_what_is_under_way_is_done_to_its_end_first(cancelled):
    peer, gathered = Peer(), asyncio.Event()
    connections = Connections(peer)
    describing = asyncio.ensure_future(connections.whole(gathered.wait()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if cancelled:
        describing.cancel()
    await asyncio.sleep(0)
    connections.close()
    assert peer.closed == 0
    gathered.set()
    await connections.closed()
    await asyncio.wait({describing})
    assert peer.closed == 1 and describing.cancelled() == cancelled


async def test_a_description_that_fails_tells_and_does_not_stand_in_the_way():
    peer = Peer()
    connections = Connections(peer)

    async def fail() -> None:
        raise ValueError("no such section")

    with pytest.raises(ValueError, match="no such section"):
        await connections.whole(fail())
    connections.close()
    assert peer.closed == 1
