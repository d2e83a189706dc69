"""Every error of the box, sorted by who mends it.

    ServiceError
    ├── Retryable              time mends it        -> WAITING, back-off
    │   ├── CloudUnreachable   no answer, a 5xx, or an answer that cannot be read
    │   ├── CloudBusy          429: come back later
    │   ├── SessionLost        the cloud ended the session or its task
    │   ├── LinkLost           the room is gone
    │   └── SoundCardLost      a card that was there is gone
    └── NeedsPerson            a person mends it    -> FAULT, shown, with a slow retry
        ├── BadSettings        a settings file, variable or credential
        ├── CloudRejected      credentials, rights or balance
        │   ├── TokenRefused       the room does not accept the session's token
        │   └── PermissionMissing  the token lacks a right that the work needs
        ├── TaskRefused        the cloud refuses the language pair or its options
        ├── SoundCardMissing   the configured card does not exist or cannot do what is asked
        └── PinsUnusable       the pins of buttons and lamps cannot be opened

Anything else is a programmer's error: it is not caught and ends the process.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class FaultCode(IntEnum):
    """What the ALERT lamp counts out (appliance 5.1)."""

    NETWORK = 1
    CREDENTIALS = 2
    SOUND_IN = 3
    SOUND_OUT = 4
    SERVICE = 5
    BOX = 6


class Cause(Enum):
    """Why the translation was not heard: the closed list of which every loss of LIVE names one."""

    NETWORK = "network"  # cloud and room cannot be reached
    MEDIA = "media"  # the room can be reached, its media cannot
    ADDRESS = "address"  # the box has another address than the connection was made with
    ROOM = "room"  # the room's server went away, or let go of us
    ROOM_GONE = "room gone"  # it knows neither us nor our room any more
    REMOVED = "removed"  # somebody has put us out
    DUPLICATE = "duplicate"  # another participant has our token
    SESSION = "session"  # the cloud ended the session, or lost the translation
    TRANSLATOR = "translator"  # the translator has left the room, or gives no sound
    SERVICE = "service"  # the cloud has trouble of its own, or is busy
    CREDENTIALS = "credentials"  # credentials, rights, balance
    REFUSED = "refused"  # the cloud refuses the language pair
    SOUND_IN = "line-in"
    SOUND_OUT = "line-out"
    CLOCK = "clock"  # it is so wrong that no certificate is valid
    BOX = "box"  # settings, pins


_CAUSES = {
    FaultCode.NETWORK: Cause.NETWORK,
    FaultCode.CREDENTIALS: Cause.CREDENTIALS,
    FaultCode.SOUND_IN: Cause.SOUND_IN,
    FaultCode.SOUND_OUT: Cause.SOUND_OUT,
    FaultCode.SERVICE: Cause.SERVICE,
    FaultCode.BOX: Cause.BOX,
}


def cause_of(code: FaultCode) -> Cause:
    """What an error of this code is caused by when nothing else is known."""
    return _CAUSES[code]


class ServiceError(Exception):
    """Base of all expected errors. The text is one sentence for a person and holds no secret.

    Without a `cause` it is that of the code.
    """

    code: FaultCode = FaultCode.BOX
    cause: Cause = Cause.BOX

    def __init__(self, text: str, *, code: FaultCode | None = None, cause: Cause | None = None) -> None:
        super().__init__(text)
        if code is not None:
            self.code, self.cause = code, cause_of(code)
        if cause is not None:
            self.cause = cause


class Retryable(ServiceError):
    """Time mends it. `retry_after_s` is the least wait that the other side asked for, if any."""

    code, cause = FaultCode.NETWORK, Cause.NETWORK

    def __init__(
        self, text: str, *, code: FaultCode | None = None, cause: Cause | None = None, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(text, code=code, cause=cause)
        self.retry_after_s = retry_after_s


class CloudUnreachable(Retryable):
    """No answer, a server error, or an answer that cannot be understood."""


class CloudBusy(Retryable):
    """The cloud asks us to come back later (429, or a limit of parallel sessions)."""

    code, cause = FaultCode.SERVICE, Cause.SERVICE


class SessionLost(Retryable):
    """The cloud ended the session or lost its task."""

    code, cause = FaultCode.SERVICE, Cause.SESSION


class LinkLost(Retryable):
    """The room is gone: signalling, media, or we were asked to leave."""

    cause = Cause.ROOM


class SoundCardLost(Retryable):
    """A sound card that was there is gone."""

    code, cause = FaultCode.SOUND_OUT, Cause.SOUND_OUT


class NeedsPerson(ServiceError):
    """A person mends it. `retry_s` is the slow retry that the box makes by itself meanwhile."""

    def __init__(
        self, text: str, *, code: FaultCode | None = None, cause: Cause | None = None, retry_s: float = 60.0
    ) -> None:
        super().__init__(text, code=code, cause=cause)
        self.retry_s = retry_s


class BadSettings(NeedsPerson):
    """A mistake in the settings; each line of the text names its place and the remedy."""

    code = FaultCode.BOX


class CloudRejected(NeedsPerson):
    """The cloud refuses the credentials, the rights of the token, or has no balance left."""

    code, cause = FaultCode.CREDENTIALS, Cause.CREDENTIALS


class TokenRefused(CloudRejected):
    """The room does not accept the session's token: 401 or 403."""

    code = FaultCode.SERVICE


class PermissionMissing(CloudRejected):
    """The token lacks rights in its room; `rights` is a subset of publish, subscribe, data."""

    def __init__(self, rights: frozenset[str]) -> None:
        super().__init__(f"the session's token has no right to {', '.join(sorted(rights))} in its room", retry_s=300.0)
        self.rights = rights


class TaskRefused(NeedsPerson):
    """The cloud refuses the language pair or one of its options."""

    code, cause = FaultCode.SERVICE, Cause.REFUSED


class SoundCardMissing(NeedsPerson):
    """The configured sound device does not exist or cannot do what the road needs."""

    code, cause = FaultCode.SOUND_IN, Cause.SOUND_IN


class PinsUnusable(NeedsPerson):
    """The pins of buttons and lamps cannot be opened."""
