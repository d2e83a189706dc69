"""What became of the packets of one stream, and what is believed of its way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class PlayoutStats:
    """Counted since the start: packets, except where the name says otherwise."""

    received: int = 0
    played: int = 0  # decoded
    fec: int = 0  # gaps filled from the next packet, or concealed by libopus where that holds no copy
    concealed: int = 0  # frames made up because nothing was there, DTX not counted
    waited: int = 0  # of these, while nothing at all was there: the packet may only have been late
    late: int = 0  # came after their time, doubles included
    dropped: int = 0  # thrown away unheard: too old after a stall, or more than may be held
    corrupt: int = 0
    resyncs: int = 0
    removed: int = 0  # splices that made the delay shorter
    inserted: int = 0  # and longer
    silence_samples: int = 0


@dataclass(frozen=True, slots=True)
class PlayoutState:
    """How one stream fares now. `delay_ms` is over the fastest packet, None in silence; `drift_ppm` is by how much more
    is taken from the sender than is played."""

    delay_ms: float | None
    target_ms: float
    jitter_ms: float
    loss_percent: float
    drift_ppm: float
    held_packets: int
    counts: PlayoutStats
