import pytest

from service.core.audio import EncodedFrame
from service.dsp.packets import Order, Packet


def test_both_counters_go_on_where_rtp_begins_again():
    order = Order(EncodedFrame(65_534, 2**32 - 1920, b""))
    seen = []
    for number in range(5):
        frame = EncodedFrame((65_534 + number) & 0xFFFF, (2**32 - 1920 + 960 * number) & 0xFFFFFFFF, b"x")
        packet = order.packet(frame)
        assert order.advance(packet)
        seen.append((packet.sequence, packet.timestamp))
    assert seen == [(65_534 + number, 2**32 - 1920 + 960 * number) for number in range(5)]


def test_a_packet_that_was_overtaken_is_not_the_newest():
    order = Order(EncodedFrame(10, 9600, b""))
    for frame, newest in [(EncodedFrame(12, 11_520, b"c"), True), (EncodedFrame(11, 10_560, b"b"), False)]:
        packet = order.packet(frame)
        assert packet == Packet(frame.sequence, frame.timestamp, frame.payload)
        assert order.advance(packet) == newest
    assert (order.sequence, order.timestamp) == (12, 11_520)


@pytest.mark.parametrize(
    ("sequence", "timestamp"),
    [(3_200, 96_000), (60_000, 96_000), (101, 90_000), (99, 106_000), (100, 2**32 - 2_900_000)],
)
def test_counters_that_one_sender_cannot_have_produced(sequence, timestamp):
    order = Order(EncodedFrame(100, 96_000, b""))
    assert order.advance(order.packet(EncodedFrame(100, 96_000, b"")))
    assert order.packet(EncodedFrame(sequence, timestamp, b"")) is None
