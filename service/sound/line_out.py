"""Line-out as the conductor sees it: one, however many cards it consists of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.core.audio import EncodedFrame, Level
from service.core.errors import SoundCardLost, SoundCardMissing
from service.core.floor import Programme
from service.sound.floor import Floor, Samples
from service.sound.playback import Playback
from service.sound.tone import Tone, Toner
from service.sound.tracks import Track, Tracks


@dataclass(frozen=True, slots=True)
class Card:
    """A thread, and what it plays."""

    playback: Playback
    tracks: Tracks
    floor: Floor
    toner: Toner


class _Fan:
    """One language on several cards: each has a playout of its own, since no two cards have one clock."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._tracks = tracks

    def push(self, frame: EncodedFrame) -> None:
        """Take one packet."""
        for track in self._tracks:
            track.push(frame)


class LineOut:
    """Promises `core.ports.LineOut`. `cards` by their devices; one that is lost does not hold up the others."""

    def __init__(self, cards: Mapping[str, Card]) -> None:
        self.cards = cards

    def start(self) -> None:
        """Start the threads."""
        for card in self.cards.values():
            card.playback.start()

    async def stop(self) -> None:
        """Fade out and stop the threads, all at once; one that hangs is left behind after half a second."""
        await asyncio.gather(*(card.playback.stop() for card in self.cards.values()))

    def sink(self, language: str) -> _Fan | None:
        """Where the packets of this language's track go; None where no route leads."""
        tracks = [track for card in self.cards.values() if (track := card.tracks.sink(language)) is not None]
        return _Fan(tracks) if tracks else None

    def select(self, targets: Sequence[str]) -> None:
        """Let these be heard, each where its route says."""
        for card in self.cards.values():
            card.tracks.select(targets)

    def play(self, programmes: Mapping[str, Programme]) -> None:
        """Let each target's listeners hear this from the next period on."""
        for card in self.cards.values():
            card.tracks.play(programmes)
            card.floor.play(programmes)

    def heard_s(self, target: str) -> float | None:
        """When the translation to this target last had sound, heard or not; None: never in this session."""
        times = (card.tracks.heard_s(target) for card in self.cards.values())
        return max((time_s for time_s in times if time_s is not None), default=None)

    def put_floor(self, samples: Samples) -> None:
        """Line-in has heard this, on its own thread."""
        for card in self.cards.values():
            card.floor.put(samples)

    def mute(self, on: bool) -> None:
        """Silence all cards from the next period on, or end that."""
        for card in self.cards.values():
            card.playback.mute(on)

    def tone(self, tone: Tone | None, *, device: str | None = None) -> None:
        """Let a test tone be heard under whatever else is, on this card or on all; None ends it."""
        for name, card in self.cards.items():
            if device in (None, name):
                card.toner.play(tone)

    def clear(self) -> None:
        """The session has ended: forget its tracks."""
        for card in self.cards.values():
            card.tracks.clear()

    @property
    def faults(self) -> tuple[SoundCardLost | SoundCardMissing, ...]:
        """Why there are cards that are not heard now."""
        faults = (card.playback.fault for card in self.cards.values())
        return tuple(fault for fault in faults if fault is not None)

    @property
    def dead(self) -> bool:
        """Whether no card is heard at all."""
        return len(self.faults) == len(self.cards)

    @property
    def level(self) -> Level:
        """What the loudest channel of all is given."""
        levels = (level for card in self.cards.values() for level in card.playback.levels)
        return max(levels, key=lambda level: level.rms_dbfs, default=Level())

    def supervise(self) -> None:
        """Give up threads that their devices hold. To be called several times a second."""
        for card in self.cards.values():
            card.playback.supervise()

    @property
    def last_period_s(self) -> float:
        """The heartbeat of the slowest thread."""
        return min(card.playback.last_period_s for card in self.cards.values())

    @property
    def last_voice_s(self) -> float | None:
        """When anything was last to be heard, muted or not."""
        times = (card.playback.last_voice_s for card in self.cards.values())
        return max((time_s for time_s in times if time_s is not None), default=None)

    @property
    def xruns(self) -> int:
        """Underruns of all cards."""
        return sum(card.playback.xruns for card in self.cards.values())

    @property
    def frames(self) -> dict[str, int]:
        """What became of the packets, counted since the start. One that goes to two cards counts on each."""
        counted = [card.tracks.frames for card in self.cards.values()]
        return {name: sum(frames[name] for frames in counted) for name in counted[0]}
