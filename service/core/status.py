"""The picture of the box that lamps, socket, journal and systemd show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from service.core.errors import FaultCode
from service.core.languages import LanguagePair
from service.core.phase import Phase


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the box needs a person, or what it waits for: the lamp's code, the error's name, one sentence."""

    code: FaultCode
    name: str
    detail: str
    device: str = ""  # that is lost, as the settings name it


@dataclass(frozen=True, slots=True)
class Status:
    """Frozen; replaced whole by the board. Every lamp class derives from it.

    `wanted` is what the person chose, `confirmed` what the cloud says it runs. `fault` stands in FAULT, and in
    WAITING it names what was lost. `network` is False while the cloud cannot be reached, `network_overdue` once that
    has lasted so long that a person should look. `lamp_test` is True during the first second.
    `listeners_lost_sound`: the session that was lost had been heard. `floor_chosen`: a person wants the speaker's own
    sound in line-out; `fallback`: it, or a tone, stands in for a translation that is gone. `acknowledged` is the alarm
    that somebody has seen (`core.lamps.alarm`).
    """

    phase: Phase = Phase.STARTING
    menu: tuple[LanguagePair, ...] = ()
    wanted: LanguagePair | None = None
    confirmed: LanguagePair | None = None
    muted: bool = False
    floor_chosen: bool = False
    fallback: bool = False
    idle: bool = False  # paused because nobody speaks: it goes on by itself when somebody does
    fault: Fault | None = None
    last_fault: Fault | None = None  # the one that stands, or stood last
    notices: tuple[str, ...] = ()  # of the session: what runs but should be known, such as a full queue
    sound_notices: tuple[str, ...] = ()  # of line-in and line-out
    settings_notice: str | None = None  # the settings file was changed and is not what runs
    session_notice: str | None = None  # why the last one ended by itself
    session: int | None = None  # the number of the latest one since the start; its id is a secret
    session_min: int | None = None  # how old the session is, in whole minutes
    box_notices: tuple[str, ...] = ()  # of the board and its storage: power, heat, what cannot be kept
    refusal: str | None = None  # why the pair that was wanted last is not the one that runs
    stuck_buttons: tuple[str, ...] = ()
    acknowledged: str | None = None
    identifying: bool = False
    waiting_for_clock: bool = False  # before the first TLS connection
    network: bool = True
    network_overdue: bool = False
    lamp_test: bool = False
    listeners_lost_sound: bool = False
    playing: bool = True  # line-out goes on: every card that is not lost takes sound
    input_silent: bool = False  # line-in, for so long that somebody should look
    transport: str | None = None  # "webrtc" | "websocket": how the sound goes while a session stands
    control: str | None = None  # "websocket" | "datachannel" while a session stands
    queue_level_ms: dict[str, int] = field(default_factory=dict)

    @property
    def attention(self) -> tuple[str, ...]:
        """What somebody should look at while the box is live all the same, a sentence each."""
        return (
            *(("line-in is silent",) if self.input_silent else ()),
            *((self.refusal,) if self.refusal is not None else ()),
            *map(stuck_words, self.stuck_buttons),
            *self.box_notices,
        )


def stuck_words(button: str) -> str:
    """What to do about it."""
    return f"the {button.upper()} button is stuck: take away what holds it down, or mend it"


def summary(status: Status) -> str:
    """The picture in one line."""
    parts = [", ".join([status.phase.name, *_why(status)])]
    if status.waiting_for_clock:
        parts.append("waiting for the clock")
    if status.floor_chosen or status.fallback:
        parts.append("the floor is selected" if status.floor_chosen else "the floor stands in for the translation")
    if status.wanted is not None:
        wanted, confirmed = status.wanted, status.confirmed
        running = f", {confirmed.name} confirmed" if confirmed and confirmed != wanted else ""
        parts.append(f"{wanted.name} {'confirmed' if confirmed == wanted else 'wanted'}{running}")
    if status.transport == "websocket":
        parts.append("sound over the WebSocket")
    if status.control is not None:
        parts.append(f"control by {status.control}")
    if status.session_min is not None:
        parts.append(f"session {status.session_min // 60} h {status.session_min % 60} min")
    if status.fault is not None:
        parts.append(f"{status.fault.name} (code {status.fault.code}): {status.fault.detail}")
    parts += _notices(status)
    if not status.playing:
        parts.append("line-out stands still")
    if status.settings_notice is not None:
        parts.append(status.settings_notice)
    return "; ".join(parts)


def status_line(status: Status) -> str:
    """What `systemctl status` shows: the summary, and what was wrong last."""
    last = status.last_fault
    if last is None or status.fault is not None:
        return summary(status)
    return f"{summary(status)}; last fault {last.name} (code {last.code})"


def _why(status: Status) -> list[str]:
    return ["nobody speaks"] * status.idle + ["muted"] * status.muted


def _notices(status: Status) -> list[str]:
    shown = status if status.phase is Phase.LIVE else replace(status, input_silent=False)
    ended = () if status.session_notice is None else (status.session_notice,)
    return [*ended, *status.notices, *status.sound_notices, *shown.attention]


def _fault(fault: Fault | None) -> dict[str, Any] | None:
    return None if fault is None else {"code": fault.code.value, "name": fault.name, "detail": fault.detail}


def as_json(status: Status) -> dict[str, Any]:
    """The picture as JSON data. Pairs by their names; `menu` says what each is."""
    return {
        "phase": status.phase.value,
        "summary": summary(status),
        "menu": [{"name": pair.name, "source": pair.source, "targets": list(pair.targets)} for pair in status.menu],
        "wanted": status.wanted.name if status.wanted else None,
        "confirmed": status.confirmed.name if status.confirmed else None,
        "refusal": status.refusal,
        "muted": status.muted,
        "idle": status.idle,
        "floor": {"chosen": status.floor_chosen, "fallback": status.fallback},
        "fault": _fault(status.fault),
        "last_fault": _fault(status.last_fault),
        "acknowledged": status.acknowledged is not None,
        "identifying": status.identifying,
        "waiting_for_clock": status.waiting_for_clock,
        "network": status.network,
        "transport": status.transport,
        "control": status.control,
        "queue_level_ms": dict(status.queue_level_ms),
        "notices": _notices(status),
        "settings_notice": status.settings_notice,
    }
