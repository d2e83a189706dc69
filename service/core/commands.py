"""What a person can ask of the box. Buttons, socket and page enter by one door, `conductor.ask`."""

from __future__ import annotations

from dataclasses import dataclass

from service.core.languages import LanguagePair


@dataclass(frozen=True, slots=True)
class NextPair:
    """LANG tap: the next pair of the menu."""


@dataclass(frozen=True, slots=True)
class PreviousPair:
    """The pair before it in the menu."""


@dataclass(frozen=True, slots=True)
class Choose:
    """This pair of the menu, which is there."""

    pair: LanguagePair


@dataclass(frozen=True, slots=True)
class ToggleLive:
    """LIVE tap: start, pause or resume, whichever the phase asks for; in FAULT or WAITING, try again now."""


@dataclass(frozen=True, slots=True)
class Start:
    """On air; what is paused goes on, what waits is tried again now."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The session is kept, the meter stands. Off air it means nothing."""


@dataclass(frozen=True, slots=True)
class End:
    """LIVE hold: end the session."""


@dataclass(frozen=True, slots=True)
class Mute:
    """MUTE edge: line-out silent or not; None turns it over."""

    on: bool | None = None


@dataclass(frozen=True, slots=True)
class Floor:
    """Line-out plays the speaker's own sound instead of the translation, or does so no more; None turns it over."""

    on: bool | None = None


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Somebody has seen the alarm that stands: ALERT is steady until its cause changes."""


@dataclass(frozen=True, slots=True)
class AcknowledgeOrPrevious:
    """LANG hold: `Acknowledge` while an alarm stands that nobody has seen, else `PreviousPair`."""


@dataclass(frozen=True, slots=True)
class Identify:
    """LANG and LIVE held together: which box is it? LINK, LIVE and ALERT are fast for ten seconds, or no more."""

    on: bool = True


@dataclass(frozen=True, slots=True)
class Stuck:
    """No wish: this button has been closed for so long that something leans on it, or is open again."""

    button: str
    on: bool


Command = (
    NextPair
    | PreviousPair
    | Choose
    | ToggleLive
    | Start
    | Pause
    | End
    | Mute
    | Floor
    | Acknowledge
    | AcknowledgeOrPrevious
    | Identify
    | Stuck
)
