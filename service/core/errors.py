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

from enum import IntEnum


class FaultCode(IntEnum):
    """What the ALERT lamp counts out (appliance 5.1)."""

    NETWORK = 1
    CREDENTIALS = 2
    SOUND_IN = 3
    SOUND_OUT = 4
    SERVICE = 5
    BOX = 6


class ServiceError(Exception):
    """Base of all expected errors. The text is one sentence for a person and holds no secret."""

    code: FaultCode = FaultCode.BOX

    def __init__(self, text: str, *, code: FaultCode | None = None) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code


class Retryable(ServiceError):
    """Time mends it. `retry_after_s` is the least wait that the other side asked for, if any."""

    code = FaultCode.NETWORK

    def __init__(self, text: str, *, code: FaultCode | None = None, retry_after_s: float = 0.0) -> None:
        super().__init__(text, code=code)
        self.retry_after_s = retry_after_s


class CloudUnreachable(Retryable):
    """No answer, a server error, or an answer that cannot be understood."""


class CloudBusy(Retryable):
    """The cloud asks us to come back later (429, or a limit of parallel sessions)."""

    code = FaultCode.SERVICE


class SessionLost(Retryable):
    """The cloud ended the session or lost its task."""

    code = FaultCode.SERVICE


class LinkLost(Retryable):
    """The room is gone: signalling, media, or we were asked to leave."""


class SoundCardLost(Retryable):
    """A sound card that was there is gone."""

    code = FaultCode.SOUND_OUT


class NeedsPerson(ServiceError):
    """A person mends it. `retry_s` is the slow retry that the box makes by itself meanwhile."""

    def __init__(self, text: str, *, code: FaultCode | None = None, retry_s: float = 60.0) -> None:
        super().__init__(text, code=code)
        self.retry_s = retry_s


class BadSettings(NeedsPerson):
    """A mistake in the settings; each line of the text names its place and the remedy."""

    code = FaultCode.BOX


class CloudRejected(NeedsPerson):
    """The cloud refuses the credentials, the rights of the token, or has no balance left."""

    code = FaultCode.CREDENTIALS


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

    code = FaultCode.SERVICE


class SoundCardMissing(NeedsPerson):
    """The configured sound device does not exist or cannot do what the road needs."""

    code = FaultCode.SOUND_IN


class PinsUnusable(NeedsPerson):
    """The pins of buttons and lamps cannot be opened."""
