"""Where the box is in its story, and the only legal steps."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """One comment per phase; the conductor is the only one who moves it."""

    STARTING = "starting"  # parts are being built
    READY = "ready"  # no session, waiting for a person
    CREATING = "creating"  # asking the cloud for a session
    JOINING = "joining"  # joining its room, publishing line-in
    PREPARING = "preparing"  # the translation task is asked for, not confirmed yet
    LIVE = "live"  # the cloud translates
    PAUSED = "paused"  # the task is paused: the meter stands, the room is kept
    WAITING = "waiting"  # something was lost; time mends it
    FAULT = "fault"  # something is wrong that a person mends; a slow retry goes on
    STOPPING = "stopping"  # on the way out


# STOPPING can be reached from everywhere; it is left out of the rows for their sake.
STEPS: dict[Phase, frozenset[Phase]] = {
    Phase.STARTING: frozenset({Phase.READY, Phase.CREATING, Phase.FAULT}),
    Phase.READY: frozenset({Phase.CREATING, Phase.FAULT}),
    Phase.CREATING: frozenset({Phase.JOINING, Phase.READY, Phase.WAITING, Phase.FAULT}),
    Phase.JOINING: frozenset({Phase.PREPARING, Phase.CREATING, Phase.READY, Phase.WAITING, Phase.FAULT}),
    # From a session to the next one: it had lasted for long enough, or somebody ended it and began anew at once.
    Phase.PREPARING: frozenset({Phase.CREATING, Phase.LIVE, Phase.PAUSED, Phase.READY, Phase.WAITING, Phase.FAULT}),
    Phase.LIVE: frozenset({Phase.CREATING, Phase.PAUSED, Phase.PREPARING, Phase.READY, Phase.WAITING, Phase.FAULT}),
    Phase.PAUSED: frozenset({Phase.CREATING, Phase.LIVE, Phase.PREPARING, Phase.READY, Phase.WAITING, Phase.FAULT}),
    # A room that could not be heard comes back where it was.
    Phase.WAITING: frozenset({Phase.CREATING, Phase.PREPARING, Phase.LIVE, Phase.PAUSED, Phase.READY, Phase.FAULT}),
    Phase.FAULT: frozenset({Phase.CREATING, Phase.READY, Phase.WAITING}),
    Phase.STOPPING: frozenset(),
}


def may_step(now: Phase, to: Phase) -> bool:
    """Whether the story allows this step."""
    return to in STEPS[now] or (to is Phase.STOPPING and now is not Phase.STOPPING)
