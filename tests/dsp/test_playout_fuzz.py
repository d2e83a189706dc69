"""Whatever comes, whenever: no exception, no NaN, nothing without bound (audio-path 8, T7)."""

import functools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.core.audio import EncodedFrame
from service.dsp.playout import Playout
from service.sound.opus import OpusDecoder
from service.sound.resampler import SoxrResampler
from tests.fakes.network import speech
from tests.fuzz import damaged

VALID = [b"", b"\xf8", b"\x78\x00", b"\xff" * 1275]


@functools.cache
def packets() -> list[bytes]:
    return [*speech()[100:110], *VALID]


STEPS = st.tuples(
    st.sampled_from([1, 1, 1, 1, 2, 3, 30, 0, -1, -5, 5000, 65_535]),  # of the sequence
    st.sampled_from([960, 960, 960, 480, 5760, 7, 0, -960, -3, 48_000, 10**6, 2**31, 2**32 - 1]),  # of the timestamp
    st.sampled_from([0.0, 0.001, 0.010, 0.020, 0.020, 0.020, 0.5, 3.0]),  # of the clock
    st.sampled_from([0, 1, 480, 480, 480, 960, 5000]),  # pulled
)


@given(
    steps=st.lists(STEPS, min_size=1, max_size=60),
    payloads=st.lists(damaged(packets()), min_size=1, max_size=8),
    paced=st.booleans(),
)
def test_fuzz_the_playout(steps, payloads, paced):
    playout = Playout(decoder=OpusDecoder(), resampler=SoxrResampler() if paced else None)
    sequence, timestamp, now_s = 65_500, 2**32 - 9600, 100.0
    for number, (ahead, later, passed_s, pulled) in enumerate(steps):
        sequence, timestamp, now_s = sequence + ahead, timestamp + later, now_s + passed_s
        playout.put(now_s, EncodedFrame(sequence & 0xFFFF, timestamp & 0xFFFFFFFF, payloads[number % len(payloads)]))
        heard = playout.pull(now_s, pulled)
        assert len(heard) == pulled and heard.dtype == np.float32
        assert np.isfinite(heard).all()
        delay_s = playout.delay_s(now_s)
        assert delay_s is None or np.isfinite(delay_s)
        assert playout.held <= 100 and playout._outlet.waiting <= 5760 + 5000 + 960
        assert 0.020 <= playout.target_s <= 0.5 and abs(playout.drift_ppm) <= 500
