"""No image of this process on any disk, and none for its user's other processes to read: it holds the credentials."""

from __future__ import annotations

import ctypes
import logging
import os
import resource

log = logging.getLogger(__name__)

PR_SET_DUMPABLE = 4  # linux/prctl.h


def forbid() -> None:
    """From now on. The unit says LimitCORE=0 besides; this holds at a desk as well, and for a core_pattern that is a
    program, which LimitCORE does not bind."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("this process can be dumped: %s", os.strerror(ctypes.get_errno()))
