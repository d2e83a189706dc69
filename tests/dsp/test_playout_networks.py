"""The playout on bad networks and beside drifting clocks, in virtual time: audio-path 8, T1 to T6.

By default a minute each with a cheap decoder; the full length with the real codec is slow.
"""

import numpy as np
import pytest

from service.dsp.playout import Playout
from service.sound.opus import OpusDecoder, OpusEncoder
from service.sound.resampler import SoxrResampler
from tests.fakes.network import HUM, HumDecoder, Network, Outage, hear, soak, speech, wandering

CLEAN = {"jitter_s": 0.0}
JITTER_30, JITTER_60 = {"jitter_s": 0.030}, {"jitter_s": 0.060}


def cheap(**changes):
    return Playout(decoder=HumDecoder(), resampler=SoxrResampler(), **changes)


def real(**changes):
    return Playout(decoder=OpusDecoder(), resampler=SoxrResampler(), **changes)


# -- T1: delay --------------------------------------------------------------------------------------------------------


def check_delay(playout, network, *, minutes, median_ms, p95_ms):
    heard = hear(playout, network, until_s=60 * minutes)
    median, p95 = heard.quantiles(0.5, 0.95, after_s=5)  # until then it is not known what the network is like
    assert median <= median_ms
    assert p95 <= p95_ms
    assert playout.stats.concealed == playout.stats.fec == playout.stats.late == 0
    # To the first target, to the true one; and not each time when no packet was fast for a moment.
    assert playout.stats.removed + playout.stats.inserted <= 5 + 2 * minutes


DELAYS = [(CLEAN, 30, 35), (JITTER_30, 50, 50), (JITTER_60, 80, 81)]


@pytest.mark.parametrize(("network", "median_ms", "p95_ms"), DELAYS)
def test_delay(network, median_ms, p95_ms):
    check_delay(cheap(), Network(payloads=HUM, **network), minutes=1.2, median_ms=median_ms, p95_ms=p95_ms)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "median_ms", "p95_ms"), DELAYS)
def test_delay_for_five_minutes(network, median_ms, p95_ms):
    check_delay(real(), Network(payloads=speech(), **network), minutes=5, median_ms=median_ms, p95_ms=p95_ms)


# -- T2, T3: loss -----------------------------------------------------------------------------------------------------


def check_loss(playout, network, *, minutes, concealed, p50_ms):
    heard = hear(playout, network, until_s=60 * minutes)
    assert playout.stats.concealed <= concealed * network.sent
    assert playout.stats.fec >= 0.7 * network.loss * network.sent
    assert heard.quantiles(0.5)[0] <= p50_ms


LOSSES = [(0.01, 0.0005), (0.05, 0.005), (0.10, 0.015), (0.20, 0.045)]


@pytest.mark.parametrize(("loss", "concealed"), LOSSES[1:])
def test_what_is_lost_comes_from_the_next_packet(loss, concealed):
    network = Network(payloads=HUM, loss=loss, **JITTER_30)
    check_loss(cheap(), network, minutes=0.5, concealed=concealed, p50_ms=50 + 30)


@pytest.mark.slow
@pytest.mark.parametrize("jitter", [CLEAN, JITTER_30], ids=["no jitter", "jitter 30"])
@pytest.mark.parametrize(("loss", "concealed"), LOSSES)
def test_what_is_lost_for_five_minutes(loss, concealed, jitter):
    network = Network(payloads=speech(), loss=loss, **jitter)
    check_loss(real(), network, minutes=5, concealed=concealed, p50_ms=(50 if jitter["jitter_s"] else 30) + 30)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bursts_that_are_sent_again(seed):
    network = Network(payloads=speech(), seed=seed, loss=0.043, burst=3, rtt_s=0.040)
    playout = real()
    heard = hear(playout, network, until_s=300)
    assert playout.stats.concealed <= 0.010 * network.sent
    assert heard.quantiles(0.5, after_s=20)[0] <= 155  # 150 in the mean of many seeds


def test_where_much_is_lost_what_is_sent_again_is_waited_for():
    network = Network(payloads=HUM, loss=0.20, rtt_s=0.005)  # of requests and answers too
    playout = cheap()
    hear(playout, network, until_s=20)
    playout.stats.played = playout.stats.fec = playout.stats.concealed = 0
    heard = hear(playout, network, until_s=60)
    stats = playout.stats
    assert stats.concealed <= 0.010 * (stats.played + stats.fec + stats.concealed)
    assert heard.quantiles(0.5)[0] <= 80


@pytest.mark.parametrize(("loss", "jitter_s", "p95_ms"), [(0.10, 0.0, 50), (0.10, 0.030, 75)])
def test_where_the_copies_do_nobody_waits_for_what_is_sent_again(loss, jitter_s, p95_ms):
    playout = cheap()
    heard = hear(playout, Network(payloads=HUM, seed=1, loss=loss, jitter_s=jitter_s, rtt_s=0.1), until_s=70)
    assert heard.quantiles(0.95, after_s=20)[0] <= p95_ms
    assert playout.stats.concealed <= 1.5 * loss**2 * playout.stats.received


def test_without_answers_nobody_waits_for_them():
    playout = cheap()
    heard = hear(playout, Network(payloads=HUM, loss=0.10, burst=3), until_s=40)
    assert heard.quantiles(0.5, after_s=20)[0] <= 80


# -- T4: drift --------------------------------------------------------------------------------------------------------


def check_drift(playout, network, *, ppm, minutes, settled_s):
    hear(playout, network, until_s=settled_s, card_ppm=lambda _: ppm)
    before = (playout.stats.inserted, playout.stats.removed, playout.stats.silence_samples, playout.stats.concealed)
    heard = hear(playout, network, until_s=60 * minutes, card_ppm=lambda _: ppm)
    stats = playout.stats
    assert (stats.inserted, stats.removed, stats.silence_samples, stats.concealed) == before
    # The rest is seconds without a fast packet, by which the delay is measured.
    least, low, median, high, most = heard.quantiles(0.0, 0.005, 0.5, 0.995, 1.0)
    assert median - 3 <= low and high <= median + 3
    assert median - 8 <= least and most <= median + 8
    assert playout.drift_ppm == pytest.approx(-ppm, abs=12)


def test_drift_is_learnt_within_two_minutes():
    check_drift(cheap(), Network(payloads=HUM, **JITTER_30), ppm=300, minutes=2.5, settled_s=120)


@pytest.mark.slow
@pytest.mark.parametrize("ppm", [100, -100, 300, -300])
def test_an_hour_of_drift(ppm):
    check_drift(cheap(), Network(payloads=HUM, **JITTER_30), ppm=ppm, minutes=60, settled_s=600)


def test_what_was_learnt_outlives_the_stream_and_the_playout():
    first = cheap()
    hear(first, Network(payloads=HUM, **JITTER_30), until_s=60, card_ppm=lambda _: 200.0)
    learnt_ppm = first.drift_ppm
    first.reset()
    assert first.drift_ppm == learnt_ppm
    second = cheap(drift_ppm=learnt_ppm)
    hear(second, Network(payloads=HUM, **JITTER_30), until_s=30, card_ppm=lambda _: 200.0)
    assert second.drift_ppm == pytest.approx(learnt_ppm, abs=10) == pytest.approx(-200, abs=50)


def test_what_stalls_do_to_the_delay_is_not_learnt_as_drift():
    playout = cheap(drift_ppm=-100.0)
    hear(playout, Network(payloads=HUM, jitter_s=0.002, stalls=0.002), until_s=120, card_ppm=lambda _: 100.0)
    assert playout.stats.removed > 10
    assert playout.drift_ppm == pytest.approx(-100, abs=6)


# -- T5: soak ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_hour_of_everything():
    network = soak(hours=1, payloads=speech())
    playout = real()
    heard = hear(playout, network, until_s=3600, card_ppm=wandering)
    median, p99 = heard.quantiles(0.5, 0.99)
    assert p99 <= median + 80
    assert playout.stats.concealed <= 0.006 * network.sent
    assert playout.drift_ppm == pytest.approx(-100, abs=30), "not by splices alone"
    assert heard.most_held <= 100


# -- T6: stalls -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [False, True], ids=["late", "lost"])
@pytest.mark.parametrize("length_s", [0.5, 1.0, 2.0, 5.0])
def test_after_a_stall_the_delay_is_what_it_was(length_s, lost):
    network = Network(payloads=HUM, outages=[Outage(40.0, length_s, lost)])
    playout = cheap()
    normal = hear(playout, network, until_s=40).quantiles(0.5, after_s=30)[0]
    end_s = 40 + length_s
    hear(playout, network, until_s=end_s + 0.3)
    after = hear(playout, network, until_s=end_s + 3)
    assert np.nanmax(after.delays_ms) <= normal + 60
    assert playout.stats.removed <= 12, "what is late is left out, not played faster"
    assert playout.stats.resyncs == (not lost)


# -- T7: odd packets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble", [{"swapped": 0.02}, {"doubled": 0.05}, {"swapped": 0.02, "doubled": 0.05, "jitter_s": 0.030}]
)
def test_packets_that_come_in_disorder_or_twice(trouble):
    network = Network(payloads=HUM, **trouble)  # both counters wrap within 12 s
    playout = cheap()
    heard = hear(playout, network, until_s=30)
    assert playout.stats.played + playout.stats.fec + playout.stats.concealed >= network.sent - 6
    assert playout.stats.concealed * 20 <= 60 * trouble.get("swapped", 0) * network.sent
    assert heard.quantiles(0.95, after_s=5)[0] <= 80


def test_the_counters_wrap_unheard():
    network = Network(payloads=HUM, **JITTER_30)
    playout = cheap()
    hear(playout, network, until_s=30)
    stats = playout.stats
    assert stats.played == stats.received - playout.held
    assert stats.late == stats.concealed == stats.fec == stats.resyncs == 0


# -- T16: nothing clicks ----------------------------------------------------------------------------------------------


def roughness(samples):
    """The largest second difference: what a step raises."""
    return np.abs(np.diff(samples.astype(float), n=2)).max()


@pytest.fixture(scope="module")
def tone():
    """The packets of 0.96 s of 440 Hz, over and over, and how rough they are without a playout."""
    encoder, decoder = OpusEncoder(), OpusDecoder()
    pcm = (12_000 * np.sin(2 * np.pi * 440 * np.arange(4 * 48 * 960) / 48_000)).astype("<i2")
    packets = [encoder.encode(pcm[at : at + 960].tobytes()) for at in range(0, len(pcm), 960)][96:144]
    plain = np.concatenate([np.frombuffer(decoder.decode(packet), "<f4") for packet in packets * 2])[4800:]
    return packets, roughness(plain)


@pytest.mark.parametrize(
    ("network", "splices", "resyncs"),
    [
        ({"outages": [Outage(4.0, 0.2, False)]}, 5, 0),  # spliced away
        ({"outages": [Outage(4.0, 1.0, False)]}, 0, 1),  # thrown away
        ({"jitter_s": 0.002, "stalls": 0.01}, 10, 0),
        ({"ppm": 400}, 0, 0),
    ],
)
def test_neither_splices_nor_stalls_nor_drift_make_a_step(tone, network, splices, resyncs):
    packets, plain = tone
    playout = real()
    heard = hear(playout, Network(payloads=packets, **network), until_s=8, keep_sound=True)
    assert playout.stats.removed >= splices
    assert playout.stats.resyncs == resyncs
    assert roughness(heard.sound) <= 1.05 * plain
