"""Client and server roles as a pair: what one writes the other reads."""

import pytest
from livekit.protocol.models import ParticipantInfo, TrackInfo
from livekit.protocol.rtc import JoinResponse, SignalResponse

from service.room import signal_protocol as signal


def joined(**join: object) -> signal.SignalClient:
    client = signal.SignalClient(now_s=0.0)
    me = ParticipantInfo(sid="PA_me", identity="me", version=1)
    response = JoinResponse(participant=me, ping_interval=5, ping_timeout=15, **join)
    assert client.receive(signal.SignalServer().join(response), 0.0) == [signal.Joined(response)]
    return client


def test_join_seeds_the_participants_and_says_who_we_are():
    client = joined(other_participants=[ParticipantInfo(sid="PA_x", identity="x")])
    assert set(client.participants) == {"PA_me", "PA_x"}
    assert client.me is not None and client.me.identity == "me"


def test_offers_are_numbered_and_only_the_latest_answer_counts():
    client, server = joined(), signal.SignalServer()
    (first,) = server.receive(client.offer("one"), 0.0)
    (second,) = server.receive(client.offer("two"), 0.0)
    assert (first, second) == (signal.Offer("one", 1), signal.Offer("two", 2))
    assert isinstance(client.receive(server.answer("late", 1), 0.0)[0], signal.Ignored)
    assert client.receive(server.answer("right", 2), 0.0) == [signal.Answer("right")]
    assert client.receive(server.answer("old server", 0), 0.0) == [signal.Answer("old server")]


def test_the_servers_offers_carry_ids_and_tracks_and_stale_answers_are_dropped():
    client, server = joined(), signal.SignalServer()
    (offer,) = client.receive(server.offer("sdp", {"1": "TR_a"}), 0.0)
    assert offer == signal.Offer("sdp", 1, {"1": "TR_a"})
    server.offer("next", {})
    assert isinstance(server.receive(client.answer("sdp", 1), 0.0)[0], signal.Ignored)
    assert server.receive(client.answer("sdp", 2), 0.0) == [signal.Answer("sdp")]


def test_pings_of_both_kinds_at_the_servers_interval_and_their_answers():
    client, server = joined(), signal.SignalServer()
    assert client.due(4.9) == []
    frames = client.due(5.0)
    assert len(frames) == 2 and client.due(5.1) == []
    for frame in frames:
        assert server.receive(frame, 5.0) == []
    assert [client.receive(reply, 5.2) for reply in server.replies] == [[], []]
    kinds = [SignalResponse.FromString(reply).WhichOneof("message") for reply in server.replies]
    assert sorted(map(str, kinds)) == ["pong", "pong_resp"]


def test_silence_for_the_ping_timeout_is_a_dead_link_and_any_frame_is_life():
    client = joined()
    assert not client.silent_for_too_long(15.0)
    assert client.silent_for_too_long(15.1)
    client.receive(b"", 15.0)
    assert not client.silent_for_too_long(30.0)


def test_a_ping_interval_of_zero_means_the_default():
    client = signal.SignalClient(now_s=0.0)
    client.receive(signal.SignalServer().join(JoinResponse()), 0.0)
    assert client.due(4.0) == [] and client.due(5.0) != []
    assert not client.silent_for_too_long(14.0) and client.silent_for_too_long(16.0)


@pytest.mark.parametrize("frame", ["text", b"\xff\xff\xff", b"\x0a\x05abc", b""])
def test_what_cannot_be_read_is_ignored_by_both(frame):
    for role in (joined(), signal.SignalServer()):
        assert all(isinstance(event, signal.Ignored) for event in role.receive(frame, 1.0))


def test_unknown_messages_are_ignored():
    # Field 100 of the union does not exist yet.
    assert all(isinstance(event, signal.Ignored) for event in joined().receive(b"\xa2\x06\x02ab", 1.0))


def test_updates_keep_the_newest_version_and_drop_who_has_gone():
    client, server = joined(), signal.SignalServer()
    new = ParticipantInfo(sid="PA_x", version=3, tracks=[TrackInfo(sid="TR_1", name="translation_es")])
    assert client.receive(server.update([new]), 0.0) == [signal.Participants()]
    client.receive(server.update([ParticipantInfo(sid="PA_x", version=2)]), 0.0)
    assert client.participants["PA_x"].tracks[0].name == "translation_es"
    client.receive(server.update([ParticipantInfo(sid="PA_x", state=ParticipantInfo.DISCONNECTED)]), 0.0)
    assert "PA_x" not in client.participants


def test_publishing_is_announced_accepted_or_refused():
    client, server = joined(), signal.SignalServer()
    (announced,) = server.receive(client.add_track(cid="c1", name="microphone"), 0.0)
    assert isinstance(announced, signal.TrackAnnounced)
    assert (announced.cid, announced.name) == ("c1", "microphone")
    track = TrackInfo(sid="TR_1")
    assert client.receive(server.published("c1", track), 0.0) == [signal.Published("c1", track)]
    server.refuse("c1", "NOT_ALLOWED")
    assert client.receive(server.replies[-1], 0.0) == [signal.Refused("NOT_ALLOWED", "c1")]


def test_tokens_and_goodbyes():
    client, server = joined(), signal.SignalServer()
    (fresh,) = client.receive(server.refresh_token("secret-token"), 0.0)
    assert fresh == signal.TokenRefreshed("secret-token") and "secret-token" not in repr(fresh)
    assert client.receive(server.leave("DUPLICATE_IDENTITY"), 0.0) == [signal.Left("DUPLICATE_IDENTITY", "DISCONNECT")]
    assert client.receive(server.leave("STATE_MISMATCH", "RECONNECT"), 0.0) == [
        signal.Left("STATE_MISMATCH", "RECONNECT")
    ]
    assert server.receive(client.leave(), 0.0) == [signal.Leaving()]
