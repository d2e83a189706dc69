"""The box's watch over its own sound: what stands still is found and healed here first, by systemd second."""

from __future__ import annotations

import logging
from collections.abc import Callable

from service.cloud.audio_socket import AudioSockets
from service.core.errors import FaultCode, LinkLost
from service.core.phase import Phase
from service.core.vitals import Sign, Vitals
from service.room.rooms import Rooms
from service.sound.capture import Capture
from service.sound.line_out import LineOut

log = logging.getLogger(__name__)

CAPTURE, UPLINK, PLAYOUT = "capture", "uplink", "playout"
SILENT_THREAD_S = 2.0  # a thread's heartbeat
QUIET_S = 0.7  # what has not been played for so long is not "being played" (appliance B5: a second, the lamp included)


class Vigil:
    """`look` several times a second; `playing` and `trouble` do not depend on anybody who looks.

    A thread of sound that is held is replaced by its own supervision; an uplink that sends nothing while the box is
    live and line-in goes on is given up, and joined anew.
    """

    def __init__(
        self,
        *,
        capture: Capture,
        line_out: LineOut,
        rooms: Rooms,
        sockets: AudioSockets,
        phase: Callable[[], Phase],
        now_s: float,
    ) -> None:
        self._capture, self._line_out = capture, line_out
        self._rooms, self._sockets, self._phase = rooms, sockets, phase
        self._vitals = Vitals(now_s)

    def look(self, now_s: float) -> None:
        """See who stands still, and heal what can be healed from here."""
        for direction in (self._capture, self._line_out):
            direction.supervise()
        looked = self._vitals.look(now_s, self.signs())
        for name in looked.still:
            log.warning("%s stands still", name)
        for name in looked.again:
            log.warning("%s goes on again", name)
        if UPLINK in looked.still:
            dead = LinkLost("what line-in gives is not sent any more", code=FaultCode.BOX)
            self._rooms.lose(dead)
            self._sockets.lose(dead)

    def signs(self) -> dict[str, Sign]:
        """What goes on now, and has to."""
        sent = self._rooms.packets_sent + self._sockets.packets_sent
        signs = {
            CAPTURE: Sign(self._capture.captured),
            UPLINK: Sign(sent, due=self._phase() is Phase.LIVE and self._sockets.hears),
        }
        for device, card in self._line_out.cards.items():
            # While a card is lost nothing is played, and its thread's heart beats on.
            signs[f"{PLAYOUT} {device}"] = Sign(card.playback.played, due=card.playback.fault is None)
        return signs

    def playing(self, now_s: float) -> bool:
        """Whether every card that is there is being played on."""
        cards = [card.playback for card in self._line_out.cards.values() if card.playback.fault is None]
        return all(now_s - playback.played_s < QUIET_S for playback in cards)

    def trouble(self, now_s: float) -> str:
        """Why systemd is to be left hungry; empty while it is to be fed."""
        heartbeats = {CAPTURE: self._capture.last_period_s, PLAYOUT: self._line_out.last_period_s}
        silent = [name for name, last_s in heartbeats.items() if now_s - last_s >= SILENT_THREAD_S]
        held = f"the thread of {' and '.join(silent)} gives no sign of life" if silent else ""
        return self._vitals.trouble(now_s) or held
