import pytest
from livekit.protocol.models import DataPacket, UserPacket

from service.room.data_packets import MAX_PAYLOAD_BYTES, DataReceiver, DataSender, relay


def stamped(data: bytes, sid: str = "PA_x") -> bytes:
    done = relay(data, label_reliable=True, sender_sid=sid, sender_identity="x")
    assert done is not None
    return done[0]


def test_reliable_packets_are_numbered_from_one_and_lossy_ones_are_not():
    sender = DataSender()
    packets = [DataPacket.FromString(sender.wrap(b"m")) for _ in range(3)]
    assert [packet.sequence for packet in packets] == [1, 2, 3]
    assert DataPacket.FromString(sender.wrap(b"m", reliable=False)).sequence == 0


def test_a_message_arrives_once_with_its_sender():
    sender, receiver = DataSender(), DataReceiver()
    first, second = stamped(sender.wrap(b"one")), stamped(sender.wrap(b"two"))
    message = receiver.unwrap(first)
    assert message is not None
    assert (message.payload, message.sender_identity, message.sender_sid) == (b"one", "x", "PA_x")
    assert receiver.unwrap(second) is not None
    assert receiver.unwrap(second) is None and receiver.unwrap(first) is None


def test_numbers_count_per_sender_and_zero_means_none():
    receiver = DataReceiver()
    assert receiver.unwrap(stamped(DataSender().wrap(b"m"), "PA_x")) is not None
    assert receiver.unwrap(stamped(DataSender().wrap(b"m"), "PA_y")) is not None
    unnumbered = DataPacket(user=UserPacket(payload=b"m"), participant_sid="PA_x").SerializeToString()
    assert receiver.unwrap(unnumbered) is not None and receiver.unwrap(unnumbered) is not None


def test_other_kinds_and_noise_are_nothing():
    receiver = DataReceiver()
    assert receiver.unwrap(b"\xff\xff") is None
    assert receiver.unwrap(DataPacket().SerializeToString()) is None
    assert relay(b"\xff\xff", label_reliable=True, sender_sid="", sender_identity="") is None


def test_the_relay_stamps_the_sender_and_reads_destinations_in_either_place():
    spoofed = DataPacket(
        participant_identity="somebody else", user=UserPacket(payload=b"m", destination_identities=["bob"])
    )
    done = relay(spoofed.SerializeToString(), label_reliable=False, sender_sid="PA_x", sender_identity="x")
    assert done is not None
    packet = DataPacket.FromString(done[0])
    assert (packet.kind, packet.participant_identity, packet.user.participant_sid) == (DataPacket.LOSSY, "x", "PA_x")
    assert done[1] == ["bob"]


def test_a_message_over_the_limit_is_refused_here():
    DataSender().wrap(b"x" * MAX_PAYLOAD_BYTES)
    with pytest.raises(ValueError, match="64001 bytes"):
        DataSender().wrap(b"x" * (MAX_PAYLOAD_BYTES + 1))
