"""The picture of the box that lamps, socket, journal and systemd show."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.core.errors import FaultCode
from service.core.languages import LanguagePair
from service.core.phase import Phase


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the box needs a person, or what it waits for: the lamp's code, the error's name, one sentence."""

    code: FaultCode
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Status:
    """Frozen; replaced whole by the board. Every lamp class derives from it.

    `wanted` is what the person chose, `confirmed` what the cloud says it runs. `fault` stands in FAULT, and in
    WAITING it names what was lost. `network` is False while no route to the cloud is known to work.
    `lamp_test` is True during the first second. `heard` says that listeners had sound in this outage's session.
    """

    phase: Phase = Phase.STARTING
    menu: tuple[LanguagePair, ...] = ()
    wanted: LanguagePair | None = None
    confirmed: LanguagePair | None = None
    muted: bool = False
    fault: Fault | None = None
    notices: tuple[str, ...] = ()  # what runs but should be known: a settings change that needs a restart, a full queue
    network: bool = True
    lamp_test: bool = False
    listeners_lost_sound: bool = False
    control: str | None = None  # "websocket" | "datachannel" while a session stands
    queue_level_ms: dict[str, int] = field(default_factory=dict)
