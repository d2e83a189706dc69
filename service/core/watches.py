"""What nobody tells, seen by looking again and again, with seconds of one monotonic clock."""

from __future__ import annotations

import math

from service.core.errors import Cause, SessionLost

TRANSLATOR_GONE_S = 10.0
NO_TRACK_S = 30.0


class SoundWatch:
    """Whether one session's task can be heard: somebody speaks, on a track that is there (palabra-api 2.1, 2.8)."""

    def __init__(self) -> None:
        self._seen = False  # the translator, ever
        self._here_s = 0.0
        self._track_s: float | None = None
        self._asked = False

    def look(self, now_s: float, *, running: bool, translator: bool, track: bool) -> bool:
        """Whether the cloud should be asked if the task still runs. Raises SessionLost when only a new session helps.

        `running`: the task runs and the room is joined; `translator`: it is in the room; `track`: there is one for the
        language that is confirmed. A translator that was never seen is not missed: who it is, no document promises.
        """
        self._seen |= translator
        if translator or not running:
            self._here_s = now_s
        if self._seen and now_s - self._here_s > TRANSLATOR_GONE_S:
            raise SessionLost("the translator has left the room", cause=Cause.TRANSLATOR)
        if track or not running or self._track_s is None:
            self._track_s, self._asked = now_s, False
        waited_s = now_s - self._track_s
        if waited_s > 2 * NO_TRACK_S:
            raise SessionLost("the translation runs but has no track in the room", cause=Cause.TRANSLATOR)
        ask = waited_s > NO_TRACK_S and not self._asked
        self._asked |= ask
        return ask


class DataWatch:
    """When the data channel answers again after the path was silent: SCTP tries at growing distances, the next time
    after up to half of the silence (RFC 9260 section 6.3.3). A new link has a new channel."""

    def __init__(self) -> None:
        self._links = 0
        self._silent_since_s: float | None = None
        self._from_s = 0.0

    def look(self, now_s: float, *, alive: bool, links: int) -> float:
        """The time from which an answer can be expected; `math.inf` while the path is silent."""
        if links != self._links:
            self._links, self._silent_since_s, self._from_s = links, None, 0.0
        if not alive:
            self._silent_since_s = now_s if self._silent_since_s is None else self._silent_since_s
            return math.inf
        if self._silent_since_s is not None:
            self._from_s = now_s + (now_s - self._silent_since_s) / 2
            self._silent_since_s = None
        return self._from_s
