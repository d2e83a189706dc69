"""Whatever a socket brings, both roles survive it; see tests/fuzz.py."""

from hypothesis import given
from hypothesis import strategies as st
from livekit.protocol.models import ParticipantInfo, TrackInfo
from livekit.protocol.rtc import JoinResponse, SignalRequest, SignalResponse

from service.room import signal_protocol as signal
from tests.fuzz import damaged, messages, unknown_field

ME = ParticipantInfo(sid="PA_1", identity="me", tracks=[TrackInfo(sid="TR_1")])
JOIN = SignalResponse(join=JoinResponse(participant=ME, ping_interval=5, ping_timeout=15)).SerializeToString()
VALID_RESPONSES = [
    JOIN,
    signal.SignalServer().offer("v=0", {"0": "TR_1"}),
    signal.SignalServer().answer("v=0", 1),
    signal.SignalServer().update([ME]),
    signal.SignalServer().leave("STATE_MISMATCH", "RESUME"),
]
VALID_REQUESTS = [
    signal.SignalClient(0.0).offer("v=0"),
    signal.SignalClient(0.0).add_track(cid="c", name="microphone"),
    signal.SignalClient(0.0).leave(),
]
told = st.one_of(
    damaged(VALID_RESPONSES), st.text(max_size=20), messages(SignalResponse).map(lambda one: one.SerializeToString())
)
asked = st.one_of(
    damaged(VALID_REQUESTS), st.text(max_size=20), messages(SignalRequest).map(lambda one: one.SerializeToString())
)


@given(st.lists(told, max_size=8), st.booleans())
def test_a_client_survives_every_server(frames, joined):
    client = signal.SignalClient(0.0)
    if joined:
        client.receive(JOIN, 0.0)
    for now_s, frame in enumerate(frames, 1):
        events = client.receive(frame, float(now_s))
        assert all(isinstance(event, signal.ClientEvent) for event in events)
        # Whatever was said, we can still speak.
        tracks = {"cid": TrackInfo(sid="TR_1")}
        client.sync_state(answer="", offer="", tracks=tracks, channels={"_reliable": 0}, received={"PA_1": 1})
        assert client.silent_s(float(now_s)) == 0.0
        for frame_out in [client.offer("v=0"), client.answer("v=0", 1), client.leave(), *client.due(now_s + 1e6)]:
            SignalRequest.FromString(frame_out)
    assert all(sid == info.sid for sid, info in client.participants.items())


@given(st.lists(asked, max_size=8))
def test_a_server_survives_every_client(frames):
    server = signal.SignalServer()
    for now_s, frame in enumerate(frames, 1):
        events = server.receive(frame, float(now_s))
        assert all(isinstance(event, signal.ServerEvent) for event in events)
    for reply in [*server.replies, server.offer("v=0", {})]:
        SignalResponse.FromString(reply)


@given(st.lists(st.integers(0, 6), max_size=10))
def test_only_the_answer_to_the_latest_offer_counts(ids):
    client = signal.SignalClient(0.0)
    for latest, answered in enumerate(ids, 1):
        client.offer("v=0")
        events = client.receive(signal.SignalServer().answer("sdp", answered), 0.0)
        assert (events == [signal.Answer("sdp")]) == (answered in (0, latest))


@given(st.integers(1000, 10_000), st.binary(max_size=20))
def test_fields_of_later_protocols_change_nothing(number, content):
    later = unknown_field(number, content)
    clients, servers = [signal.SignalClient(0.0) for _ in range(2)], [signal.SignalServer() for _ in range(2)]
    for frame in VALID_RESPONSES:
        plain, same = (client.receive(frame + more, 0.0) for client, more in zip(clients, (b"", later), strict=True))
        assert same == plain != []
    for frame in VALID_REQUESTS:
        plain, same = (server.receive(frame + more, 0.0) for server, more in zip(servers, (b"", later), strict=True))
        assert same == plain != []


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=10))
def test_a_participant_never_goes_back_to_an_older_version(updates):
    client, expected = signal.SignalClient(0.0), None
    for version, gone in updates:
        state = ParticipantInfo.DISCONNECTED if gone else ParticipantInfo.ACTIVE
        client.receive(signal.SignalServer().update([ParticipantInfo(sid="PA_2", version=version, state=state)]), 0.0)
        expected = None if gone else max(version, expected or 0)
        known = client.participants.get("PA_2")
        assert (None if known is None else known.version) == expected
