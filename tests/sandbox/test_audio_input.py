import base64

import pytest

from service.sandbox.audio_input import LARGEST_BYTES, AudioInput
from service.sandbox.orders import Sound
from service.sandbox.task_validation import InvalidSettings

CHUNK_S = 0.32
MONO = {"type": "ws", "format": "pcm_s16le", "sample_rate": 24_000, "channels": 1}
STEREO = {**MONO, "channels": 2}


def message(seconds: float = CHUNK_S, frame_bytes: int = 2) -> dict[str, str]:
    return {"data": base64.b64encode(bytes(round(seconds * 24_000) * frame_bytes)).decode()}


def fate(audio: AudioInput, now_s: float, seconds: float = CHUNK_S) -> str:
    """What becomes of a message: "heard", "dropped", or "warned" besides."""
    sound, warn = audio.take(message(seconds), now_s)
    assert not (sound and warn)
    return "heard" if sound else "warned" if warn else "dropped"


def test_sound_is_passed_on_as_it_came():
    sound, warn = AudioInput(STEREO, "socket", 0.0).take(message(frame_bytes=4), 0.0)
    assert (sound, warn) == (Sound(message(frame_bytes=4)["data"], 24_000, 2), False)


def test_at_its_own_pace_sound_is_heard_for_hours():
    audio = AudioInput(MONO, "socket", 0.0)
    assert {fate(audio, number * CHUNK_S) for number in range(20_000)} == {"heard"}


def test_what_comes_far_before_its_time_is_dropped_with_a_warning_a_second():
    audio = AudioInput(MONO, "socket", 0.0)
    assert [fate(audio, 0.0) for _ in range(9)] == ["heard"] * 7 + ["warned", "dropped"], "2.24 s, and no more"
    assert [fate(audio, 0.1) for _ in range(2)] == ["dropped"] * 2
    assert [fate(audio, 0.5) for _ in range(2)] == ["heard", "dropped"]
    assert [fate(audio, 1.0) for _ in range(4)] == ["heard", "heard", "warned", "dropped"]


def test_a_stall_of_some_seconds_may_be_made_good_at_once_and_a_pause_may_not():
    audio = AudioInput(MONO, "socket", 0.0)
    for begins_s in (4.8, 1000.0):
        fates = [fate(audio, begins_s) for _ in range(40)]
        assert 6.7 < fates.count("heard") * CHUNK_S < 7.4, "5 s of the past and 2 of the future"


def test_the_largest_message_is_heard_whole():
    audio = AudioInput(MONO, "socket", 0.0)
    assert fate(audio, 0.0, LARGEST_BYTES / 48_000) == "heard"
    assert fate(audio, 0.0) == "warned"


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"data": None}, {"data": 5}, {"data": ""}, {"data": "€"}, {"data": "no base64"}, {"data": "AA=="}]
    + [{"data": base64.b64encode(bytes(size)).decode()} for size in (6, LARGEST_BYTES + 4)],
)
def test_what_is_no_sound_is_refused(data):
    with pytest.raises(InvalidSettings) as refusal:
        AudioInput(STEREO, "socket", 0.0).take(data, 0.0)
    assert refusal.value.code == "VALIDATION_ERROR" and "InputAudioDataMessage" in str(refusal.value)
