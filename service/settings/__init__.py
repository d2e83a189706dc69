"""What people set, read from files, variables and credentials, and every mistake in it.

Highest first: the variables `BOOTHD_*`, the credentials, `conf.d/*.toml` in name order (the last wins), the main file,
the defaults. Tables are merged key by key; a list comes whole from the highest source that has it.

    settings = load(path, environ=os.environ, for_run=True)      # raises BadSettings, one line per mistake
    seen = fingerprint(path, environ=os.environ)                 # changes when any of the files does
    differences(running, newly_loaded)                           # what a restart would change
"""

from service.settings.load import BadCredentials, defaults, load, missing_for_run
from service.settings.model import Credentials, Settings
from service.settings.show import differences, effective
from service.settings.watch import fingerprint

__all__ = [
    "BadCredentials",
    "Credentials",
    "Settings",
    "defaults",
    "differences",
    "effective",
    "fingerprint",
    "load",
    "missing_for_run",
]
