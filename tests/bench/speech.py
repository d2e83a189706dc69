"""The bundled recording, said over and over, and how much of it came to an ear, how late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import av
import numpy as np
from numpy.typing import NDArray

from service.core.audio import FRAME_SAMPLES, RATE_HZ
from service.sound.opus import OpusDecoder, OpusEncoder

Samples = NDArray[np.float32]

FRAME_S = FRAME_SAMPLES / RATE_HZ
LOOK_AHEAD_S = 312 / RATE_HZ  # the encoder's (audio-path 3.2); with the frame itself, what every ear waits for
DECIMATE = 4  # what is compared is compared at 12 kHz
HZ = RATE_HZ // DECIMATE
WINDOW, HOP, REACH = HZ // 5, HZ // 10, 2 * HZ  # a place is looked for with 0.2 s, up to 2 s back
PIECE, SLACK = HZ // 50, HZ // 300  # and each 20 ms of it to 3 ms: further off a vowel is like itself
ALIKE, SURE, AUDIBLE = 0.6, 0.8, 0.01


@dataclass
class Ear:
    """Blocks of one length as they were handed to the listener, without a break."""

    block_s: float
    times_s: list[float] = field(default_factory=list)
    blocks: list[Samples] = field(default_factory=list)

    def hear(self, now_s: float, block: Samples) -> None:
        """Take the next one."""
        self.times_s.append(now_s)
        self.blocks.append(block)


@dataclass(frozen=True)
class Found:
    """What an ear made of the speech."""

    heard: float  # the share of its 20 ms pieces with voice that came and sounded as they should
    delays_s: Sequence[float]  # from mouth to ear, each 0.1 s


class Speech:
    """25 s, encoded as line-in is; after its end it begins again."""

    def __init__(self) -> None:
        with av.open(str(files("service.sandbox").joinpath("speech.flac"))) as file:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
            frames = [one for frame in [*file.decode(audio=0), None] for one in resampler.resample(frame)]
        pcm = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
        pieces = pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        encoder, decoder = OpusEncoder(), OpusDecoder()
        self.packets = [encoder.encode(piece.tobytes()) for piece in pieces]
        decoded = [np.frombuffer(decoder.decode(packet), np.float32) for packet in 2 * self.packets]
        self._decoded = _thin(np.concatenate(decoded[len(pieces) :]))  # as in every round but the first

    def found(self, ear: Ear, began_s: float) -> Found:
        """Compare with an error-free decoder's sound; packet n was sent at `began_s` and n times 20 ms."""
        heard, starts_s = _thin(np.concatenate(ear.blocks)), _steady(ear) - began_s
        per_block = len(heard) // len(ear.blocks)
        begins = [round(HZ * (starts_s[at // per_block] + at / HZ)) for at in range(0, len(heard), HOP)]
        places = self._places(heard, begins)
        delays_s = [(begins[at // HOP] - said) / HZ + FRAME_S + LOOK_AHEAD_S for at, said in places]
        return Found(self._share(heard, places, range(begins[0], begins[-1] - HZ, PIECE)), delays_s)

    def _said(self, begin: int, length: int) -> Samples:
        return self._decoded.take(range(begin, begin + length), mode="wrap")

    def _places(self, heard: Samples, begins: Sequence[int]) -> list[tuple[int, int]]:
        """Where each window that was recognised lies in `heard` and in the speech; `begins` is when it was heard."""
        places = []
        for at, begin in zip(range(0, len(heard) - WINDOW, HOP), begins, strict=False):
            window = heard[at : at + WINDOW]
            if _rms(window) > AUDIBLE:
                likeness = _likeness(window, self._said(begin - REACH, REACH + WINDOW))
                best = int(np.argmax(likeness))
                if likeness[best] > SURE:
                    places.append((at, begin - REACH + best))
        return sorted(places, key=lambda place: place[1])

    def _share(self, heard: Samples, places: list[tuple[int, int]], said: range) -> float:
        """How many pieces were heard at one of the places where the windows around them were."""
        saids = [said for _, said in places]
        pieces = came = 0
        for begin in said:
            piece = self._said(begin, PIECE)
            if _rms(piece) > AUDIBLE:
                near = places[slice(*np.searchsorted(saids, (begin - HZ // 2, begin + HZ // 2)))]
                pieces += 1
                came += any(_is_at(piece, heard, begin + shift) for shift in {at - said for at, said in near})
        return came / max(1, pieces)


def _is_at(piece: Samples, heard: Samples, at: int) -> bool:
    around = heard[max(0, at - SLACK) : at + PIECE + SLACK]
    return len(around) > len(piece) and float(np.max(_likeness(piece, around))) > ALIKE


def _steady(ear: Ear) -> NDArray[np.float64]:
    """For each block, when the first of all would have been heard, had they come evenly, as they are played: over 2 s,
    so that it is no matter how late the one or the other was handed over."""
    starts_s = np.array(ear.times_s) - np.arange(len(ear.times_s)) * ear.block_s
    around = 2 * round(1 / ear.block_s) + 1
    padded = np.pad(starts_s, around // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, around), axis=1)


def _likeness(piece: Samples, among: Samples) -> Samples:
    """Normalised correlation of the piece with each place."""
    size = 1 << (len(among) + len(piece) - 1).bit_length()
    spectrum = np.fft.rfft(among, size) * np.conj(np.fft.rfft(piece, size))
    products = np.fft.irfft(spectrum, size)[: len(among) - len(piece) + 1]
    energies = np.concatenate([[0.0], np.cumsum(among.astype(np.float64) ** 2)])
    there = energies[len(piece) :] - energies[: -len(piece)]
    return products / np.sqrt(np.maximum(there * float(np.sum(piece**2)), 1e-12))


def _thin(samples: Samples) -> Samples:
    whole = samples[: len(samples) // DECIMATE * DECIMATE]
    return whole.reshape(-1, DECIMATE).mean(axis=1)


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))
