import pytest

from service.core.audio import EncodedFrame
from service.dsp.arrivals import Arrivals


def frame(number, payload=b"\x78\xc0x"):
    return EncodedFrame(number, number * 960, payload)


def come(arrivals, number, *, late_s=0.0):
    packet = arrivals.packet(frame(number))
    arrivals.learn(number * 0.020 + late_s, packet)
    return packet


def test_what_waits_is_bounded_and_the_oldest_goes():
    arrivals = Arrivals()
    gone = [arrivals.hold(come(arrivals, number)) for number in range(103)]
    assert gone == [False] * 100 + [True] * 3
    assert min(arrivals.held) == 3 * 960 and len(arrivals.held) == 100


def test_padding_is_known_to_have_come_and_takes_no_packets_place():
    arrivals = Arrivals()
    arrivals.hold(come(arrivals, 1))
    padding = arrivals.packet(EncodedFrame(2, 960, b""))
    arrivals.learn(0.021, padding)
    arrivals.hold(padding)
    assert [packet.payload for packet in arrivals.held.values()] == [b"\x78\xc0x"]
    come(arrivals, 3)
    assert arrivals.loss.loss == 0.0


def test_a_packet_that_is_sent_again_says_nothing_of_the_delay_and_much_of_the_loss():
    arrivals = Arrivals()
    for number in [*range(100), *range(101, 200)]:
        come(arrivals, number)
    before_s, loss = arrivals.delay.jitter_s, arrivals.loss.loss
    come(arrivals, 100, late_s=5.0)
    for number in range(200, 400):
        come(arrivals, number)
    assert arrivals.delay.jitter_s <= before_s
    assert 0 < arrivals.loss.loss < loss


def test_another_stream_is_none_of_this_one():
    arrivals = Arrivals()
    come(arrivals, 10)
    assert arrivals.packet(EncodedFrame(30_000, 77, b"x")) is None
    assert Arrivals().packet(EncodedFrame(30_000, 77, b"x")).sequence == 30_000


@pytest.mark.parametrize("late_s", [0.0, 0.1])
def test_the_base_is_that_of_the_fastest(late_s):
    arrivals = Arrivals()
    come(arrivals, 0, late_s=0.020)
    come(arrivals, 1, late_s=0.020 + late_s)
    assert arrivals.delay.base_s == pytest.approx(0.020)
