import pytest

from service.sandbox.voice_track import VoiceTrack


class Plain:
    def encode(self, pcm: bytes) -> bytes:
        return pcm


@pytest.fixture
def now_s():
    return [0.0]


@pytest.fixture
def track(now_s):
    return VoiceTrack(Plain(), clock=lambda: now_s[0])


async def test_what_is_said_comes_out_in_frames_then_silence(track, now_s):
    track.say(b"\x01\x02" * 1000)
    assert track.queue_level_ms == 20
    first = await track.read()
    assert first.payload == b"\x01\x02" * 960 and (first.sequence, first.timestamp) == (0, 0)
    now_s[0] = 0.02
    second = await track.read()
    assert second.payload == (b"\x01\x02" * 40).ljust(1920, b"\0") and (second.sequence, second.timestamp) == (1, 960)
    assert track.queue_level_ms == 0


async def test_frames_are_paced_by_the_clock_and_late_ones_made_good(track, now_s):
    for _ in range(3):
        await track.read()  # sleeps for 20 ms each time, the clock stands still
    now_s[0] = 0.12
    assert [(await track.read()).timestamp for _ in range(4)] == [3 * 960, 4 * 960, 5 * 960, 6 * 960]


async def test_after_a_stall_the_lost_time_is_skipped_and_no_packet_is_missing(track, now_s):
    assert (await track.read()).sequence == 0
    now_s[0] = 10.0
    track.say(b"\x01\x02" * 960)
    late = await track.read()
    assert (late.sequence, late.timestamp) == (1, 500 * 960)
    assert late.payload == b"\x01\x02" * 960, "what waits is spoken all the same"
    now_s[0] = 10.02
    assert (await track.read()).timestamp == 501 * 960


async def test_both_counters_wrap(track, now_s):
    track._sequence, track._frames = 0xFFFF, 0xFFFFFFFF // 960
    now_s[0] = track._frames * 0.02
    track._started_s = 0.0
    frames = [await track.read(), await track.read()]
    assert [frame.sequence for frame in frames] == [0xFFFF, 0]
    assert frames[1].timestamp == (frames[0].timestamp + 960) % 2**32 < frames[0].timestamp


async def test_dropping_and_the_highest_level(track):
    track.say(b"\x01\x02" * 960)
    track.drop()
    assert track.queue_level_ms == 0
    track.max_level_ms = 40
    track.say(b"\x01\x01" * 960)
    track.say(b"\x02\x02" * 1920)
    assert track.queue_level_ms == 40
    assert (await track.read()).payload == b"\x02\x02" * 960, "the oldest is dropped"
