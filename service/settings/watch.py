"""Whether the files of the settings have changed, by looking at their directory entries only."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

from service.settings.files import Unreadable, drop_ins
from service.settings.secrets import secret_files

Fingerprint = tuple[tuple[str, int, int, int, int], ...]


def fingerprint(path: pathlib.Path | None, *, environ: Mapping[str, str]) -> Fingerprint:
    """Name, inode, size, time of content and of entry of every file that `load` reads. Compare with ==.

    Never raises: a file that is not there is not in it, so it shows when it comes. A few stat calls, cheap enough
    for once a second.
    """
    files = [] if path is None else [path, path.parent / "conf.d"]
    try:
        files += drop_ins(path) if path is not None else []
    except Unreadable:
        pass
    found = []
    for file in [*files, *secret_files(environ)]:
        try:
            entry = os.stat(file)
        except OSError:
            continue
        # ctime too: permissions mended are a change, and a copy may keep mtime and size.
        found.append((str(file), entry.st_ino, entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns))
    return tuple(found)
