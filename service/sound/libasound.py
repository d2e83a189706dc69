"""What of libasound pyalsaaudio does not give: silence, and an opening that does not hold the interpreter."""

from __future__ import annotations

import ctypes

from service.core.audio import RATE_HZ

NONBLOCK, S16_LE, INTERLEAVED = 1, 2, 3  # as in alsa/pcm.h
LATENCY_US = 100_000


def _library() -> ctypes.CDLL:
    lib = ctypes.CDLL("libasound.so.2")
    pcm = ctypes.c_void_p
    lib.snd_pcm_open.argtypes = [ctypes.POINTER(pcm), ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    settings = [ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_int, ctypes.c_uint]
    lib.snd_pcm_set_params.argtypes = [pcm, *settings]
    lib.snd_pcm_drop.argtypes = lib.snd_pcm_close.argtypes = [pcm]
    return lib


_lib = _library()

# It prints to stderr at every failing open; what it says stands in pyalsaaudio's exception as well.
_say_nothing = ctypes.CFUNCTYPE(None)(lambda: None)
_lib.snd_lib_error_set_handler(_say_nothing)


def knock(name: str, direction: int) -> None:
    """Return once the device has been opened, prepared and closed again, or could not be: which, pyalsaaudio says.

    pyalsaaudio holds the interpreter while it opens. A device that hangs there, such as one of a sound server that
    stands still, would hold the whole process; after a knock only the thread that knocked is held.
    """
    handle = ctypes.c_void_p()
    if _lib.snd_pcm_open(ctypes.byref(handle), name.encode(), direction, NONBLOCK) < 0:
        return
    # Some hang only now. What they refuse is no matter here.
    _lib.snd_pcm_set_params(handle, S16_LE, INTERLEAVED, 2, RATE_HZ, 1, LATENCY_US)
    _lib.snd_pcm_drop(handle)
    _lib.snd_pcm_close(handle)
