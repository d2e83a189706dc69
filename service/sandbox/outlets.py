"""What a booth speaks into: a track of the room per language, or the management socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from service.room import link
from service.room.publishing import Publication
from service.sandbox.orders import Run, Spoken
from service.sandbox.socket_sound import SocketVoice
from service.sandbox.voice_track import MAX_LEVEL_MS, VoiceTrack
from service.sound.opus import OpusEncoder


class Outlets:
    """One voice per language. `send` is given what is spoken over the socket."""

    def __init__(self, send: Callable[[Spoken], None]) -> None:
        self._send = send
        self._tracks: dict[str, tuple[Publication, VoiceTrack]] = {}
        self._voices: dict[str, SocketVoice] = {}

    @property
    def languages(self) -> tuple[str, ...]:
        """Those that can be spoken now."""
        return (*self._tracks, *self._voices)

    @property
    def levels_ms(self) -> dict[str, int]:
        """What waits to be spoken, in the languages in which something does."""
        levels = {language: voice.queue_level_ms for language, voice in self._all().items()}
        return {language: level_ms for language, level_ms in levels.items() if level_ms}

    async def open(self, room: link.RoomLink, run: Run) -> None:
        """Have exactly the voices of this run. What waits in one that stays is kept."""
        kept = () if run.over_socket else run.targets
        await self.unpublish(room, [language for language in self._tracks if language not in kept])
        self._voices = {language: voice for language, voice in self._voices.items() if language in run.targets}
        if run.over_socket:
            for language in run.targets:
                self._voices.setdefault(language, SocketVoice(language, self._send))
        else:
            self._voices.clear()
            for language in run.targets:
                if language not in self._tracks:
                    track = VoiceTrack(OpusEncoder(), clock=time.monotonic)
                    self._tracks[language] = (await room.publish(f"translation_{language}", track), track)
        for language, voice in self._all().items():
            voice.max_level_ms = _max_level_ms(run.pipeline, language)

    async def unpublish(self, room: link.RoomLink, languages: Iterable[str] | None = None) -> None:
        """Take these tracks out of the room, or all."""
        for language in tuple(self._tracks if languages is None else languages):
            publication, _ = self._tracks.pop(language)
            await room.unpublish(publication)

    def say(self, language: str, pcm: bytes, identity: str) -> bool:
        """Speak this after what is waiting; False if the language is no longer spoken."""
        voice = self._all().get(language)
        if voice is not None:
            voice.say(pcm, identity)
        return voice is not None

    def drop(self, languages: Iterable[str] | None = None) -> None:
        """Forget what waits in these languages, or in all."""
        for language, voice in self._all().items():
            if languages is None or language in languages:
                voice.drop()

    def tick(self) -> None:
        """20 ms have passed."""
        for voice in self._voices.values():
            voice.tick()

    def _all(self) -> dict[str, VoiceTrack | SocketVoice]:
        return {language: track for language, (_, track) in self._tracks.items()} | self._voices


def _max_level_ms(pipeline: dict[str, Any], language: str) -> int:
    queues = pipeline.get("translation_queue_configs", {})
    queue = queues.get(language) or queues.get("global") or {}
    return int(queue.get("max_queue_level_ms", MAX_LEVEL_MS))
