"""Data packets of anybody; see tests/fuzz.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.protocol.models import DataPacket

from service.room import data_packets
from service.room.data_packets import MAX_PAYLOAD_BYTES, DataMessage, DataReceiver, DataSender
from tests.fuzz import damaged, messages, unknown_field

VALID = [DataSender().wrap(b"hello"), DataSender().wrap(b"", reliable=False, to="somebody")]
packets = st.one_of(damaged(VALID), messages(DataPacket).map(lambda one: one.SerializeToString()))


@given(st.lists(packets, max_size=10))
def test_a_receiver_survives_everything_and_delivers_nothing_twice(data):
    receiver = DataReceiver()
    for packet in data:
        assert isinstance(receiver.unwrap(packet), DataMessage | None)
        before = receiver.last
        again = receiver.unwrap(packet)
        assert again is None or DataPacket.FromString(packet).sequence == 0
        assert receiver.last == before


@given(packets, st.booleans(), st.text(max_size=5), st.text(max_size=5))
def test_the_sender_is_stamped_on_whatever_is_relayed(data, reliable, sid, identity):
    relayed = data_packets.relay(data, label_reliable=reliable, sender_sid=sid, sender_identity=identity)
    message = None if relayed is None else DataReceiver().unwrap(relayed[0])
    assert message is None or (message.sender_sid, message.sender_identity) == (sid, identity)


@given(st.lists(st.tuples(st.binary(max_size=50), st.booleans()), max_size=20), st.randoms(use_true_random=False))
def test_what_is_sent_arrives_once_and_reliable_ones_in_order(sent, random):
    sender, receiver = DataSender(), DataReceiver()
    wire = []
    for payload, reliable in sent:
        wire += [(sender.wrap(payload, reliable=reliable), payload, reliable)] * random.choice((1, 1, 2))
    heard = [(payload, reliable) for packet, payload, reliable in wire if receiver.unwrap(packet) is not None]
    assert [payload for payload, reliable in heard if reliable] == [payload for payload, reliable in sent if reliable]


@given(st.sampled_from(VALID), st.integers(1000, 10_000), st.binary(max_size=20))
def test_fields_of_later_protocols_change_nothing(packet, number, content):
    later = packet + unknown_field(number, content)
    assert DataReceiver().unwrap(later) == DataReceiver().unwrap(packet)
    relayed, plain = (
        data_packets.relay(data, label_reliable=True, sender_sid="PA_1", sender_identity="me")
        for data in (later, packet)
    )
    assert relayed[1] == plain[1] and DataReceiver().unwrap(relayed[0]) == DataReceiver().unwrap(plain[0])


@given(st.integers(1, 1000))
def test_what_is_too_large_is_refused_here(more):
    with pytest.raises(ValueError, match="over the limit"):
        DataSender().wrap(bytes(MAX_PAYLOAD_BYTES + more))
