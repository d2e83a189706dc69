"""What line-out plays for each target, kept up to what happens: the translation, or what stands in for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from service.board import Board
from service.core.captions import Caption
from service.core.floor import FloorRules, FloorWatch, Programme
from service.core.phase import Phase
from service.core.routes import Route, unheard
from service.core.status import Status

LOOK_S = 0.1


class Listeners(Protocol):
    """Line-out, as far as it is needed here."""

    def heard_s(self, target: str) -> float | None:
        """When the translation to this target last had sound, heard or not; None: never in this session."""

    def play(self, programmes: Mapping[str, Programme]) -> None:
        """Let each target's listeners hear this from the next period on."""


class Fallback:
    """Looks ten times a second, and at once when a person chooses. Event loop only."""

    def __init__(
        self,
        *,
        board: Board,
        rules: FloorRules,
        routes: Sequence[Route],
        phase: Callable[[], Phase],
        line_out: Listeners,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board, self._phase, self._line_out, self._clock = board, phase, line_out, clock
        self._watch, self._routes = FloorWatch(rules), routes

    def caption(self, caption: Caption) -> None:
        """Somebody said this."""
        if caption.kind == "validated_transcription":
            self._watch.said(self._clock())

    async def run(self) -> None:
        """Until cancelled."""
        self._board.watch(self._on_change)
        try:
            while True:
                self._look()
                await asyncio.sleep(LOOK_S)
        finally:
            self._board.unwatch(self._on_change)

    def _on_change(self, before: Status, after: Status) -> None:
        if before.floor_chosen != after.floor_chosen:
            self._look()

    def _look(self) -> None:
        status = self._board.status
        pair = status.confirmed or status.wanted
        targets = pair.targets if pair is not None else ()
        unrouted = unheard(targets, self._routes)
        programmes = self._watch.look(
            self._clock(),
            phase=self._phase(),
            chosen=status.floor_chosen,
            heard_s={target: self._line_out.heard_s(target) for target in targets if target not in unrouted},
        )
        self._line_out.play(programmes)
        self._board.update(fallback=self._watch.fallen_back)
