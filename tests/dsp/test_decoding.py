import numpy as np
import pytest

from service.dsp.decoding import Decoding
from service.dsp.playout_stats import PlayoutStats
from tests.fakes.sound import FakeDecoder


class Broken:
    """Gives what no decoder should."""

    def __init__(self, samples):
        self.samples = samples

    def decode(self, payload):
        return self.samples.astype("<f4").tobytes()

    def recover(self, next_payload, samples):
        return self.decode(next_payload)

    def conceal(self, samples):
        return self.decode(b"")


@pytest.fixture
def stats():
    return PlayoutStats()


def test_what_comes_and_what_does_not_is_counted(stats):
    decoding = Decoding(FakeDecoder(), stats)
    pieces = [decoding.decode(b"0.5"), decoding.recover(b"0.25", 500), decoding.conceal(70), decoding.comfort(480)]
    assert [(len(piece), round(float(piece[0]), 2)) for piece in pieces] == [
        *((960, 0.5), (500, 0.25)),
        *((70, 0.9), (480, 0.9)),
    ]
    assert (stats.played, stats.fec, stats.concealed, stats.corrupt) == (1, 1, 1, 0)


def test_a_corrupt_packet_is_made_up(stats):
    decoding = Decoding(FakeDecoder(), stats)
    assert len(decoding.decode(b"bad")) == len(decoding.recover(b"bad", 960)) == 960
    assert (stats.played, stats.fec, stats.concealed, stats.corrupt) == (0, 0, 2, 2)


@pytest.mark.parametrize("samples", [np.full(960, np.nan), np.full(960, np.inf), np.zeros(0)])
def test_what_is_no_sound_becomes_silence(stats, samples):
    piece = Decoding(Broken(samples), stats).decode(b"x")
    assert len(piece) == 960
    assert not piece.any()
    assert stats.concealed == 1
