"""What lives long is not looked at again: a collection holds all threads for as long as it takes (audio-path 6)."""

from __future__ import annotations

import gc

from service.core.phase import Phase
from service.core.status import Status


def settle() -> None:
    """Collect what is garbage now, and let later collections pass by all that is left."""
    gc.collect()
    gc.freeze()


def on_change(before: Status, after: Status) -> None:
    """Watch the board: what makes up a session settles once it is live. Before the next one, while nothing is
    translated, everything is looked at anew, which takes longest: of the last one nothing is to be left."""
    if before.phase is after.phase:
        return
    if after.phase is Phase.CREATING:
        gc.unfreeze()
    if after.phase in (Phase.CREATING, Phase.LIVE):
        settle()
