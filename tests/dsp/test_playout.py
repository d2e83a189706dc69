"""The playout in virtual time: packets come when a test says so, the card pulls 10 ms every 10 ms."""

import itertools
import random
from fractions import Fraction

import av
import numpy as np
import pytest

from service.core.audio import RATE_HZ, EncodedFrame
from service.dsp.playout import Playout
from service.sound.opus import OpusDecoder, OpusEncoder
from tests.fakes.sound import FakeDecoder

PULL_S = 0.010


def packet(number, payload=None, *, sequence=0, timestamp=0):
    """Number `number` of a stream that begins with these counters; all its samples are 0.1 + number / 1000."""
    payload = f"{0.1 + number / 1000:.3f}".encode() if payload is None else payload
    return EncodedFrame((sequence + number) & 0xFFFF, (timestamp + number * 960) & 0xFFFFFFFF, payload)


def wire(numbers, *, jitter_s=0.0, loss=0.0, pauses=True, stall=(0.0, 0.0), ppm=0.0, silence=b"0.0"):
    """(arrival, packet) of each that arrives: 4 s of voice, 1 s of silence, and so on. In a stall nothing arrives
    until its end."""
    chance = random.Random(7)
    arrivals, last_s = [], 0.0
    for number in numbers:
        sent_s = number * 0.020 * (1 - ppm * 1e-6)
        last_s = max(last_s, sent_s + chance.random() * jitter_s)
        if stall[0] <= sent_s < stall[1]:
            last_s = max(last_s, stall[1])
        voice = not pauses or number % 250 < 200
        if chance.random() >= loss:
            arrivals.append((last_s, packet(number, b"0.25" if voice else silence)))
    return arrivals


def play(playout, arrivals, *, until_s, from_s=0.0):
    """Everything that is heard, and (time, delay) at each pull with sound."""
    heard, delays = [], []
    waiting = [arrival for arrival in arrivals if arrival[0] >= from_s]
    for pull in range(round((until_s - from_s) / PULL_S)):
        now_s = from_s + 0.003 + pull * PULL_S
        while waiting and waiting[0][0] <= now_s:
            playout.put(*waiting.pop(0))
        delay_s = playout.delay_s(now_s)
        if delay_s is not None:
            delays.append((now_s, delay_s))
        heard.append(playout.pull(now_s, 480))
    return np.concatenate(heard), delays


def spread(delays, *, after_s=0.0):
    """Median and 95th percentile in ms."""
    chosen = [delay_s * 1000 for at_s, delay_s in delays if at_s >= after_s]
    return np.quantile(chosen, [0.5, 0.95])


def numbers_heard(heard):
    """The packets that are heard, in order, each once per run of its value; what is faded or made up is left out."""
    numbers = np.round((heard[::120] - 0.1) * 1000)
    plain = np.isclose(numbers / 1000 + 0.1, heard[::120], atol=1e-6) & (numbers >= 0) & (numbers < 400)
    return [int(number) for number, _ in itertools.groupby(numbers[plain])]


@pytest.fixture
def decoder():
    return FakeDecoder()


@pytest.fixture
def playout(decoder):
    return Playout(decoder=decoder)


def in_time(frames):
    return [(index * 0.020, frame) for index, frame in enumerate(frames)]


# -- a good network ---------------------------------------------------------------------------------------------------


def test_every_packet_is_heard_once_and_in_order(playout):
    heard, _ = play(playout, in_time(packet(number) for number in range(1, 60)), until_s=1.3)
    assert numbers_heard(heard) == list(range(1, 60))
    assert playout.stats.played == 59 == playout.stats.received
    assert playout.stats.late == playout.stats.dropped == playout.stats.fec == 0


def test_the_counters_wrap_unheard(playout):
    frames = [packet(number, sequence=65_516, timestamp=2**32 - 20 * 960) for number in range(1, 60)]
    heard, _ = play(playout, in_time(frames), until_s=1.3)
    assert numbers_heard(heard) == list(range(1, 60))
    assert playout.stats.late == playout.stats.fec == playout.stats.resyncs == 0


def test_packets_that_overtake_each_other_are_heard_in_order(playout):
    frames = [packet(number) for number in range(1, 60)]
    frames[30:32] = frames[31], frames[30]
    heard, _ = play(playout, in_time(frames), until_s=1.3)
    assert numbers_heard(heard) == list(range(1, 60))


def test_a_packet_that_comes_twice_is_heard_once(playout):
    arrivals = in_time(packet(number) for number in range(1, 60))
    arrivals += [(at_s + 0.001, frame) for at_s, frame in arrivals] + [(at_s + 0.3, frame) for at_s, frame in arrivals]
    heard, _ = play(playout, sorted(arrivals, key=lambda arrival: arrival[0]), until_s=1.6)
    assert numbers_heard(heard) == list(range(1, 60))
    assert playout.stats.resyncs == 0


@pytest.mark.parametrize(
    ("network", "median_ms", "p95_ms"),
    [({}, 30, 35), ({"jitter_s": 0.030}, 50, 50), ({"jitter_s": 0.060}, 80, 80)],
)
def test_delay_on_a_network_without_loss(playout, network, median_ms, p95_ms):
    _, delays = play(playout, wire(range(3000), **network), until_s=60.2)
    median, p95 = spread(delays, after_s=45)  # until then the estimator believes in 30 ms of jitter
    assert median <= median_ms
    assert p95 <= p95_ms
    assert playout.stats.concealed == 6  # the end of the stream


# -- loss -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "concealed"), [(0.01, 0.0005), (0.05, 0.005), (0.10, 0.015)])
def test_what_is_lost_comes_from_the_next_packet_and_hardly_anything_is_made_up(playout, loss, concealed):
    _, delays = play(playout, wire(range(2000), loss=loss, jitter_s=0.030), until_s=39.9)
    assert playout.stats.concealed <= concealed * 2000
    assert playout.stats.fec > 0.6 * loss * 2000
    median, p95 = spread(delays, after_s=10)
    assert p95 <= 50 + 30


def test_one_lost_packet_is_taken_from_the_next(playout, decoder):
    frames = [packet(number) for number in range(1, 60) if number != 30]
    arrivals = [(number * 0.020, frame) for number, frame in zip([*range(29), *range(30, 59)], frames, strict=True)]
    play(playout, arrivals, until_s=1.2)
    assert "recover before 0.131" in decoder.asked
    assert playout.stats.concealed == 0


def test_of_two_lost_packets_the_first_is_made_up_and_the_second_recovered(playout, decoder):
    arrivals = [arrival for arrival in in_time(map(packet, range(60))) if arrival[1].sequence not in (30, 31)]
    play(playout, arrivals, until_s=1.2)
    at = decoder.asked.index("recover before 0.132")
    assert decoder.asked[at - 2 : at + 2] == ["decode 0.129", "conceal", "recover before 0.132", "decode 0.132"]


def test_a_packet_sent_again_in_time_fills_its_gap(playout):
    arrivals = in_time(packet(number) for number in range(1, 60))
    at_s, frame = arrivals.pop(30)
    heard, _ = play(playout, sorted([*arrivals, (at_s + 0.045, frame)], key=lambda a: a[0]), until_s=1.3)
    assert numbers_heard(heard) == list(range(1, 60))
    assert playout.stats.fec == 0


def test_a_lost_run_of_packets_adds_no_delay(playout):
    arrivals = [arrival for arrival in in_time(map(packet, range(60))) if not 30 <= arrival[1].sequence < 35]
    _, delays = play(playout, arrivals, until_s=1.2)
    before, _ = spread([row for row in delays if row[0] < 0.6])
    after, _ = spread([row for row in delays if row[0] > 0.8])
    assert after == pytest.approx(before, abs=1)


def test_a_gap_of_odd_length_is_filled_to_the_sample(playout):
    frames = [packet(n, timestamp=0 if n < 30 else 500) for n in range(60) if n != 29]
    play(playout, in_time(frames), until_s=1.1)
    assert playout.stats.fec == 1


def test_a_stream_that_ends_fades_within_125_ms(playout):
    heard, _ = play(playout, in_time(packet(number) for number in range(60)), until_s=2)
    assert playout.stats.concealed == 6
    end = np.flatnonzero(np.isclose(heard, 0.159))[-1]
    assert heard[end + 125 * 48 + 1 :].max() == 0.0
    assert heard[end + 125 * 48 - 1] < 0.01 < 0.8 < heard[end + 120 * 48]


# -- late, stalled, drifting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length_s", [0.5, 1.0, 5.0])
@pytest.mark.parametrize("fate", ["late", "lost"])
def test_after_a_stall_the_delay_is_what_it_was(playout, length_s, fate):
    end_s = 12.0 + length_s
    if fate == "late":
        arrivals = wire(range(1000), stall=(12.0, end_s))
    else:
        arrivals = [arrival for arrival in wire(range(1000)) if not 12.0 <= arrival[0] < end_s]
    _, delays = play(playout, arrivals, until_s=19.9)
    before, _ = spread([row for row in delays if 8.0 < row[0] < 12.0])
    after = [delay_s * 1000 for at_s, delay_s in delays if end_s + 0.3 < at_s < end_s + 1.0]
    assert max(after) <= before + 60
    assert playout.stats.resyncs == (fate == "late")


@pytest.mark.parametrize("silence", [b"0.0", b"\xf8"])
def test_a_short_stall_is_spliced_away_within_a_second(playout, silence):
    _, delays = play(playout, wire(range(1000), stall=(16.0, 16.2), silence=silence), until_s=19.9)
    assert max(delay_s for at_s, delay_s in delays if at_s > 16.2) > 0.150
    spliced, _ = spread([row for row in delays if 17.2 < row[0] < 18.5])
    later, _ = spread([row for row in delays if 19.5 < row[0]])
    assert spliced <= 1000 * playout.target_s + 10
    assert later == pytest.approx(1000 * playout.target_s + 5, abs=5)
    assert playout.stats.removed >= 5


@pytest.mark.parametrize("ppm", [20_000, -20_000])  # two hours at 100 ppm drift as far as 36 s at this
@pytest.mark.parametrize("pauses", [True, False])
def test_two_clocks_that_drift_apart_never_become_delay(playout, ppm, pauses):
    _, delays = play(playout, wire(range(1800), jitter_s=0.030, ppm=ppm, pauses=pauses), until_s=35)
    # Between pauses 4 s pass, 80 ms at this rate; without pauses the re-synchronisation bounds it.
    assert max(delay_s for at_s, delay_s in delays if at_s > 10) < playout.target_s + (0.130 if pauses else 0.300)


def test_what_was_thrown_away_after_a_stall_is_not_heard_when_it_is_sent_again(playout):
    arrivals = wire(range(300), stall=(2.0, 3.012), pauses=False)
    again = [(3.014, packet(number, b"0.8")) for number in range(142, 147)]
    heard, _ = play(playout, sorted([*arrivals, *again], key=lambda arrival: arrival[0]), until_s=5.0)
    assert playout.stats.resyncs == 1
    assert not np.isclose(heard, 0.8).any()
    assert playout.stats.late == len(again)


def test_the_store_is_bounded_while_nobody_pulls(playout):
    for arrival_s, frame in wire(range(300)):
        playout.put(arrival_s, frame)
    assert playout.stats.dropped == 300 - 100
    _, delays = play(playout, wire(range(300, 400)), from_s=6.0, until_s=7.5)
    assert max(delay_s for _, delay_s in delays) < 0.1


# -- another stream ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "counters",
    [
        {"sequence": 30_000, "timestamp": 12_345},
        {"sequence": 100, "timestamp": 2**31 + 5},
        {"sequence": 100, "timestamp": 2**31 - 5},
        {"sequence": 64_000, "timestamp": 2**31 + 5},
        {"sequence": 64_000, "timestamp": 2**31 - 5},
        {"sequence": 64_000, "timestamp": 2**32 - 10_000_000},
        {"sequence": 40_000, "timestamp": 5},
    ],
)
def test_another_sender_on_the_same_track_is_heard_at_once(playout, counters):
    first = in_time(packet(number) for number in range(1, 50))
    second = [(1.0 + at_s, packet(number, b"0.2", **counters)) for number, (at_s, _) in enumerate(first)]
    heard, _ = play(playout, first + second, until_s=2)
    assert (heard[round(1.15 * RATE_HZ) : round(1.95 * RATE_HZ)] == np.float32(0.2)).all()
    assert playout.stats.concealed <= 6 + 6


def test_a_sender_that_begins_a_little_earlier_again_is_heard_after_a_second(playout):
    first = in_time(packet(number) for number in range(1, 200))
    second = [(4.0 + at_s, packet(number, b"0.2")) for number, (at_s, _) in enumerate(first)]
    heard, _ = play(playout, first + second, until_s=8)
    assert playout.stats.late == 50
    assert (heard[round(5.2 * RATE_HZ) : round(7.8 * RATE_HZ)] == np.float32(0.2)).all()


# -- what is in the packets -------------------------------------------------------------------------------------------


def test_a_short_pause_of_the_sender_is_not_taken_for_loss(playout):
    arrivals = [(at_s + 0.020 * (n >= 30), packet(n)) for n, (at_s, _) in enumerate(in_time(range(60)))]
    arrivals[30:] = [(at_s, EncodedFrame(f.sequence, f.timestamp + 960, f.payload)) for at_s, f in arrivals[30:]]
    play(playout, arrivals, until_s=1.2)
    assert playout.stats.fec == playout.stats.concealed == 0


def test_a_pause_of_the_sender_makes_no_delay_and_no_noise(playout):
    arrivals = in_time(packet(number) for number in range(1, 50))
    for at_s, frame in in_time(packet(number, b"0.2") for number in range(50)):
        arrivals.append((3.0 + at_s, EncodedFrame(frame.sequence + 50, frame.timestamp + 150 * 960, frame.payload)))
    heard, delays = play(playout, arrivals, until_s=3.9)
    assert np.abs(heard[round(1.3 * RATE_HZ) : round(3.0 * RATE_HZ)]).max() == 0.0
    assert (heard[round(3.1 * RATE_HZ) : round(3.8 * RATE_HZ)] == np.float32(0.2)).all()


def test_packets_of_one_or_two_bytes_are_silence_of_the_sender(playout, decoder):
    frames = [packet(number, b"\xf8" if number % 20 else None) for number in range(1, 60)]
    play(playout, in_time(frames), until_s=1.2)
    assert playout.stats.concealed == 0
    assert playout.stats.played == 2
    assert not any(asked.startswith("decode \xf8") for asked in decoder.asked)


def test_a_silent_sender_is_comfort_noise_until_its_next_packet_and_no_longer_than_a_second(playout):
    frames = [packet(number, b"\xf8" if number in (20, 60) else b"0.2") for number in [*range(1, 21), *range(50, 61)]]
    arrivals = [(number * 0.020, frame) for number, frame in zip([*range(1, 21), *range(50, 61)], frames, strict=True)]
    heard, _ = play(playout, arrivals, until_s=4)
    noise = np.float32(0.9)  # what the fake decoder makes up
    assert (heard[round(0.52 * RATE_HZ) : round(1.00 * RATE_HZ)] == noise).all()
    assert (heard[round(1.10 * RATE_HZ) : round(1.20 * RATE_HZ)] == np.float32(0.2)).all()
    assert (heard[round(1.40 * RATE_HZ) : round(2.20 * RATE_HZ)] == noise).all()
    assert not heard[round(2.50 * RATE_HZ) :].any()
    assert playout.stats.concealed == 0


def test_padding_takes_no_packets_place(playout):
    arrivals = in_time(packet(number) for number in range(1, 60))
    padding = EncodedFrame(61, arrivals[-1][1].timestamp, b"")
    heard, _ = play(playout, [*arrivals, (1.161, padding)], until_s=1.3)
    assert numbers_heard(heard)[-1] == 59


def test_a_corrupt_packet_costs_its_own_frame(playout):
    frames = [packet(number, b"bad" if number == 30 else None) for number in range(1, 60)]
    heard, _ = play(playout, in_time(frames), until_s=1.2)
    assert numbers_heard(heard) == [number for number in range(1, 58) if number != 30]
    assert (playout.stats.corrupt, playout.stats.concealed) == (1, 1)


def test_nothing_that_comes_makes_it_raise(decoder):
    chance = random.Random(3)
    playout = Playout(decoder=decoder)
    payloads = [b"", b"\x00", b"bad", b"0.1", b"0.2"]
    sequence, timestamp, now_s = 0, 0, 0.0
    for _ in range(3000):
        sequence += chance.choice([1, 1, 1, 1, 2, 3, -1, -5, 0, 10_000])
        timestamp += chance.choice([960, 960, 960, 480, 5760, 7, -960, -3, 0, 10**9])
        playout.put(now_s, EncodedFrame(sequence & 0xFFFF, timestamp & 0xFFFFFFFF, chance.choice(payloads)))
        now_s += chance.choice([0.0, 0.010, 0.020, 0.020, 0.5])
        wanted = chance.choice([0, 1, 480, 480, 960])
        assert len(playout.pull(now_s, wanted)) == wanted


# -- with the real codec ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tone():
    """The packets of 1.2 s of 440 Hz."""
    samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(60 * 960) / RATE_HZ)
    encoder = OpusEncoder()
    pcm = (samples * 32767).astype("<i2")
    return [encoder.encode(pcm[at : at + 960].tobytes()) for at in range(0, len(pcm), 960)]


@pytest.fixture(scope="module")
def plain(tone):
    """The same, decoded without a playout."""
    decoder = OpusDecoder()
    return np.concatenate([np.frombuffer(decoder.decode(payload), "<f4") for payload in tone])


def roughness(samples):
    """The largest second difference: what a click raises."""
    return np.abs(np.diff(samples, n=2)).max()


def test_the_real_codec_recovers_a_lost_packet(tone, plain):
    playout = Playout(decoder=OpusDecoder())
    arrivals = [a for a in in_time(packet(n, payload) for n, payload in enumerate(tone)) if a[1].sequence != 40]
    heard, _ = play(playout, arrivals, until_s=1.2)
    assert (playout.stats.fec, playout.stats.concealed) == (1, 0)
    assert roughness(heard) <= 1.05 * roughness(plain)


def test_a_late_stall_and_a_new_stream_do_not_click(tone, plain):
    frames = [packet(number, payload) for number, payload in enumerate(tone)]
    late = [(max(at_s, 0.9) if at_s > 0.4 else at_s, frame) for at_s, frame in in_time(frames)]
    again = [(1.1 + at_s, packet(n, p, sequence=30_000)) for n, (at_s, p) in enumerate(in_time(tone))]
    playout = Playout(decoder=OpusDecoder())
    heard, _ = play(playout, [arrival for arrival in late if arrival[0] < 1.1] + again, until_s=2.2)
    assert playout.stats.resyncs == 1
    assert roughness(heard) <= 1.05 * roughness(plain)


@pytest.mark.parametrize("spoilt", [b"\xff\xff\xff", b"\x00" * 40, b"\x7b" + b"\xaa" * 60, b"\xff" * 1500])
def test_garbage_for_the_real_codec_is_concealed(tone, spoilt):
    playout = Playout(decoder=OpusDecoder())
    frames = [packet(n, spoilt if n in (20, 21) else payload) for n, payload in enumerate(tone)]
    heard, _ = play(playout, in_time(frames), until_s=1.2)
    assert playout.stats.concealed <= 3
    assert np.isfinite(heard).all()


@pytest.mark.parametrize("frame_ms", ["10", "60", "120"])
def test_packets_of_other_lengths(frame_ms):
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.time_base = RATE_HZ, "mono", "s16", Fraction(1, RATE_HZ)
    codec.bit_rate = 32_000
    codec.options = {"application": "voip", "frame_duration": frame_ms, "fec": "1", "packet_loss": "10"}
    samples = 48 * int(frame_ms)
    pcm = (8000 * np.sin(2 * np.pi * 440 * np.arange(57_600) / RATE_HZ)).astype("<i2").reshape(-1, 1, samples)
    arrivals = []
    for number, piece in enumerate(pcm):
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, number * samples
        (payload,) = codec.encode(frame)
        arrivals.append((number * samples / RATE_HZ, EncodedFrame(number, number * samples, bytes(payload))))
    del arrivals[len(arrivals) // 2]
    playout = Playout(decoder=OpusDecoder())
    heard, _ = play(playout, arrivals, until_s=1.3)
    assert playout.stats.played == len(arrivals)
    assert playout.stats.fec == 1
    assert np.abs(heard[RATE_HZ // 2 : RATE_HZ]).max() > 0.2


@pytest.mark.parametrize(("pull_s", "waits"), [(0.010, True), (0.020, False)])
def test_who_pulls_more_at_once_needs_it_earlier(decoder, pull_s, waits):
    playout = Playout(decoder=decoder, pull_s=pull_s)
    arrivals = wire(range(1500), jitter_s=0.030, pauses=False)
    for pull in range(1400):
        now_s = 0.003 + pull * 0.020
        while arrivals[0][0] <= now_s:
            playout.put(*arrivals.pop(0))
        playout.pull(now_s, 960)
    assert (playout.stats.waited > 0) == waits
