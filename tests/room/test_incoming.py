from livekit.protocol.models import ParticipantInfo, TrackInfo

from service.core.audio import EncodedFrame
from service.room.incoming import Incoming, RemoteTrack
from tests.fakes.rooms import Ear


class Hall:
    """Gives an ear to every track but those called "unheard"."""

    def __init__(self) -> None:
        self.asked: list[RemoteTrack] = []
        self.ears: dict[str, Ear] = {}

    def __call__(self, track: RemoteTrack) -> Ear | None:
        self.asked.append(track)
        return None if track.name == "unheard" else self.ears.setdefault(track.sid, Ear())


def people(**tracks: str) -> list[ParticipantInfo]:
    return [ParticipantInfo(identity="cloud", tracks=[TrackInfo(sid=sid, name=name) for sid, name in tracks.items()])]


def frame(text: str) -> EncodedFrame:
    return EncodedFrame(1, 960, text.encode())


def heard(hall: Hall, sid: str) -> list[bytes]:
    return [each.payload for each in hall.ears[sid].frames]


def test_a_sink_is_asked_for_once_a_track_and_as_soon_as_it_is_known():
    hall = Hall()
    incoming = Incoming(hall)
    incoming.offered({"0": "TR_1", "1": "TR_2"})
    incoming.bind([])
    incoming.push("0", frame("nobody knows whose"))
    for _ in range(2):
        incoming.bind(people(TR_1="es", TR_2="unheard"))
    incoming.push("0", frame("hola"))
    incoming.push("1", frame("for nobody"))
    incoming.push("7", frame("of no line"))
    assert [(track.sid, track.participant_identity) for track in hall.asked] == [("TR_1", "cloud"), ("TR_2", "cloud")]
    assert heard(hall, "TR_1") == [b"hola"] and incoming.lines == 2


def test_two_tracks_that_change_places_are_heard_as_themselves():
    hall, both = Hall(), people(TR_1="es", TR_2="fr")
    incoming = Incoming(hall)
    for sids in ({"0": "TR_1", "1": "TR_2"}, {"0": "TR_2", "1": "TR_1"}):
        incoming.offered(sids)
        incoming.bind(both)
        incoming.push("0", frame(sids["0"]))
    assert (heard(hall, "TR_1"), heard(hall, "TR_2")) == ([b"TR_1"], [b"TR_2"])


def test_what_comes_after_its_track_or_the_link_has_gone_is_for_nobody():
    hall = Hall()
    incoming = Incoming(hall)
    incoming.offered({"0": "TR_1"})
    incoming.bind(people(TR_1="es"))
    incoming.bind(people())
    incoming.push("0", frame("late"))
    incoming.bind(people(TR_1="es"))
    incoming.close()
    incoming.push("0", frame("later"))
    assert heard(hall, "TR_1") == []
