"""What an Opus packet says of itself without being decoded (RFC 6716)."""

from __future__ import annotations

DTX_BYTES = 2  # no longer than that: the sender is silent
_CELT_ONLY = 16  # the first configuration without SILK, and so without a copy
_SILK_FRAMES = {2: 2, 3: 3}  # in one of 40 or 60 ms, by the configuration's last two bits; else 1


def spares_the_one_before(payload: bytes) -> bool:
    """Whether the one before may be lost unheard: this holds a copy of it (in-band FEC), or there is no voice."""
    if len(payload) <= DTX_BYTES:
        return True
    configuration, packing = payload[0] >> 3, payload[0] & 3
    if configuration >= _CELT_ONLY or packing > 1:
        return False
    # 4.2.3: a flag for the voice in each SILK frame, then the one for the copy.
    frames = _SILK_FRAMES.get(configuration & 3, 1) if configuration < 12 else 1
    flags = payload[1] >> (7 - frames)
    return bool(flags & 1) or flags == 0
