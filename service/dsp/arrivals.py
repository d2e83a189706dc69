"""What has come of one stream and waits to be decoded, and what that tells of the network."""

from __future__ import annotations

from service.core.audio import RATE_HZ, EncodedFrame
from service.core.opus_packet import spares_the_one_before
from service.dsp.delay import DelayEstimator
from service.dsp.loss import LossEstimator
from service.dsp.packets import Order, Packet

STORE_PACKETS = 100  # 2 s


class Arrivals:
    """One stream; it begins with the first packet."""

    def __init__(self) -> None:
        self.held: dict[int, Packet] = {}  # by timestamp
        self.delay, self.loss = DelayEstimator(), LossEstimator()
        self._order: Order | None = None

    def packet(self, frame: EncodedFrame) -> Packet | None:
        """This frame in its place; None where it belongs to another stream."""
        if self._order is None:
            self._order = Order(frame)
            self.loss.begin(frame.sequence)
        return self._order.packet(frame)

    def learn(self, arrival_s: float, packet: Packet) -> None:
        """It came then, too late or not."""
        assert self._order is not None
        timestamp_s = packet.timestamp / RATE_HZ
        ended = self._order.advance(packet) and self.delay.arrived(arrival_s, timestamp_s)
        late_s = arrival_s - timestamp_s - self.delay.base_s
        self.loss.received(packet.sequence, late_s, spares=spares_the_one_before(packet.payload))
        if ended:
            self.loss.review(self.delay.jitter_s)

    def hold(self, packet: Packet) -> bool:
        """Keep it until its time comes; whether there were so many that the oldest had to go."""
        if packet.payload:  # without one it is padding, with the timestamp of a packet that has sound
            self.held[packet.timestamp] = packet
        full = len(self.held) > STORE_PACKETS
        if full:
            del self.held[min(self.held)]
        return full
