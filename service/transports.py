"""How a session's sound travels: over the room, or over its WebSocket where the room's media stay unreachable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from service.control import Controls
from service.core.ports import Rooms

TransportSetting = Literal["auto", "webrtc", "websocket"]


@dataclass(frozen=True, slots=True)
class Transport:
    """One way for the sound, with the controls that go with it."""

    name: Literal["webrtc", "websocket"]
    rooms: Rooms
    controls: Controls


class Transports:
    """Chooses one for each session. `auto` is WebRTC, but for one session after its media could not be reached for
    `fallback_after_s`."""

    def __init__(
        self, *, setting: TransportSetting, webrtc: Transport, websocket: Transport, fallback_after_s: float
    ) -> None:
        self._setting, self._webrtc, self._websocket = setting, webrtc, websocket
        self._fallback_after_s = fallback_after_s
        self._fall_back = False

    def next(self) -> Transport:
        """For the session that begins now."""
        over_socket = self._setting == "websocket" or self._fall_back
        self._fall_back = False
        return self._websocket if over_socket else self._webrtc

    def unreachable(self, transport: Transport, for_s: float) -> bool:
        """The media of this one have been unreachable for so long: whether another one is to be used next."""
        over = self._setting == "auto" and transport is self._webrtc and for_s >= self._fallback_after_s
        self._fall_back |= over
        return over
