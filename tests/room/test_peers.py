"""Peer connections, two of them in one process."""

import asyncio
import gc

import pytest

from service.room import aiortc_repairs, peers
from service.room.peers import AnsweringPeer, OfferingPeer


def offering() -> OfferingPeer:
    aiortc_repairs.install()
    return OfferingPeer(ice_servers=[], changed=lambda state: None)


def answering() -> AnsweringPeer:
    return AnsweringPeer(
        ice_servers=[], changed=lambda state: None, on_packet=lambda mid, frame: None, on_data=lambda label, data: None
    )


async def connected() -> tuple[OfferingPeer, AnsweringPeer]:
    one, other = offering(), answering()
    one.add_channels()
    answer, _ = await other.answer(await one.offer())
    await one.accept(answer)
    await asyncio.wait_for(asyncio.gather(one.connected.wait(), other.connected.wait()), 10)
    return one, other


async def test_one_that_is_closed_while_it_describes_itself_leaves_no_socket():
    peer = offering()
    peer.add_channels()
    describing = asyncio.ensure_future(peer.offer())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    describing.cancel()
    peer.close()
    await peers.closed()
    with pytest.raises(asyncio.CancelledError):
        await describing
    gc.collect()  # an open socket would be a warning, and warnings are errors


async def test_an_ice_restart_is_followed_on_the_same_sockets_until_another_overtakes_it():
    one, other = await connected()
    assert await one.answers() and await other.answers()
    before = one.channel_ids()
    offer = await one.offer(restart=True)
    answer, _ = await other.answer(offer)
    assert await other.restarted(offer)
    await one.accept(answer)
    assert await one.restarted(answer)  # nothing was restarted on that side
    assert await one.answers() and await other.answers() and one.channel_ids() == before
    other.close()
    await peers.closed()
    assert not await other.answers() and not await one.answers()
    stranger = offer.replace("a=ice-ufrag:", "a=ice-ufrag:x")
    following = asyncio.ensure_future(one.restarted(stranger))
    await asyncio.sleep(0.3)
    assert not following.done()
    overtaking = asyncio.ensure_future(one.restarted(stranger.replace("a=ice-ufrag:", "a=ice-ufrag:y")))
    assert not await following
    overtaking.cancel()
    one.close()
    await peers.closed()
