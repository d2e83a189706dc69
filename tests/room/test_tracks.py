import asyncio

from service.core.audio import EncodedFrame
from service.room.tracks import PacketQueue


async def test_packets_come_out_in_order_and_the_oldest_goes_when_full():
    queue = PacketQueue(capacity=2)
    for n in range(3):
        queue.push(EncodedFrame(n, n, b""))
    assert [(await queue.read()).sequence, (await queue.read()).sequence, queue.dropped] == [1, 2, 1]
    waiting = asyncio.ensure_future(queue.read())
    await asyncio.sleep(0)
    queue.push(EncodedFrame(9, 9, b""))
    assert (await waiting).sequence == 9
