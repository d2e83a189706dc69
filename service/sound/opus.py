"""Opus (RFC 6716): a thin decoder on the system's libopus, and PyAV's encoder.

PyAV cannot conceal or use FEC, hence the binding; it encodes well, hence no second one (audio-path 3).
"""

from __future__ import annotations

import ctypes
from fractions import Fraction

import av
import numpy as np

from service.core.audio import FRAME_MS, RATE_HZ
from service.core.errors import BadSettings

LIBRARY = "libopus.so.0"
MAX_FRAME_SAMPLES = 5760  # 120 ms, the longest packet
BIT_RATE = 32_000


def _load() -> ctypes.CDLL:
    try:
        lib = ctypes.CDLL(LIBRARY)
    except OSError:
        raise BadSettings(f"{LIBRARY} is missing: install the Debian package libopus0") from None
    state = ctypes.c_void_p
    lib.opus_decoder_create.argtypes = [ctypes.c_int32, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
    lib.opus_decoder_create.restype = state
    # Without argtypes the state pointer would be cut to 32 bits.
    lib.opus_decode_float.argtypes = [
        *(state, ctypes.c_char_p, ctypes.c_int32),
        *(ctypes.POINTER(ctypes.c_float), ctypes.c_int, ctypes.c_int),
    ]
    lib.opus_decode_float.restype = ctypes.c_int
    lib.opus_decoder_destroy.argtypes = [state]
    lib.opus_decoder_destroy.restype = None
    return lib


class OpusDecoder:
    """One mono stream; promises `core.ports.Decoder`, at another rate where one is given (8, 12, 16 or 24 kHz, at
    which libopus leaves out what lies above). Raises BadSettings when libopus is missing."""

    def __init__(self, *, rate_hz: int = RATE_HZ) -> None:
        self._lib = _load()
        error = ctypes.c_int()
        self._state = self._lib.opus_decoder_create(rate_hz, 1, ctypes.byref(error))
        if not self._state:
            raise MemoryError(f"opus_decoder_create: error {error.value}")
        self._samples = np.zeros(MAX_FRAME_SAMPLES, np.float32)
        self._pointer = self._samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._lib.opus_decoder_destroy(self._state)

    def decode(self, payload: bytes) -> bytes:
        """The samples of one packet. Raises ValueError on a corrupt one."""
        if not payload:
            raise ValueError("opus: an empty packet")  # libopus would conceal 120 ms
        return self._call(payload, MAX_FRAME_SAMPLES, fec=0)

    def recover(self, next_payload: bytes, samples: int) -> bytes:
        """The samples before `next_payload`, from its FEC copy or concealed. Raises ValueError on a corrupt one."""
        return self._call(next_payload, samples, fec=1)

    def conceal(self, samples: int) -> bytes:
        """Concealment after what was decoded last."""
        return self._call(None, samples, fec=0)

    def _call(self, payload: bytes | None, samples: int, *, fec: int) -> bytes:
        length = len(payload) if payload is not None else 0
        count = self._lib.opus_decode_float(self._state, payload, length, self._pointer, samples, fec)
        if count < 0:
            raise ValueError(f"opus_decode_float: error {count}")
        return self._samples[:count].tobytes()


class OpusEncoder:
    """20 ms mono frames at 32 kbit/s with in-band FEC, continuous (audio-path 3.2); of 48 kHz, or of a lower rate that
    Opus knows."""

    def __init__(self, *, rate_hz: int = RATE_HZ) -> None:
        self._rate_hz, self._samples = rate_hz, rate_hz * FRAME_MS // 1000
        self._codec = av.CodecContext.create("libopus", "w")
        assert isinstance(self._codec, av.AudioCodecContext)
        self._codec.sample_rate, self._codec.layout, self._codec.format = rate_hz, "mono", "s16"
        self._codec.time_base, self._codec.bit_rate = Fraction(1, rate_hz), BIT_RATE
        # packet_loss below 10 would switch FEC off without a word.
        self._codec.options = {
            **{"application": "voip", "frame_duration": "20", "compression_level": "5"},
            **{"fec": "1", "packet_loss": "10", "vbr": "on"},
        }
        self._pts = 0

    def encode(self, pcm: bytes) -> bytes:
        """The packet of exactly one frame of 20 ms, mono s16 little-endian."""
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono")
        assert frame.samples == self._samples  # another length would become another number of packets
        frame.sample_rate, frame.pts, frame.time_base = self._rate_hz, self._pts, Fraction(1, self._rate_hz)
        self._pts += self._samples
        (packet,) = self._codec.encode(frame)
        return bytes(packet)
