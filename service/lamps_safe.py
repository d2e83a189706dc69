"""`boothd-lamps-safe`: the lamps after the daemon's end, run by the unit's ExecStopPost=.

What the lamps say must not outlive who said it. After a clean stop all are dark; after any other end LIVE is off and
ALERT steadily on until the next process has something to say. It reads which pins there are from a file that the daemon
left in a runtime directory, and needs neither network nor settings. What a real line does once this program has
ended as well is up to the board: it was not tried.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Mapping

from service.core.errors import NeedsPerson
from service.gpio.pins import Pins, kind_of
from service.system.store import LAMPS, OVER_A_CRASH, Store

LIMIT_S = 3


def main() -> None:
    """Set the lamps and exit, with 0 unless that was impossible."""
    signal.alarm(LIMIT_S)  # a line that hangs must not hold the next start up
    logging.basicConfig(format="boothd-lamps-safe: %(message)s")
    code = 0
    try:
        settle(os.environ)
    except NeedsPerson as problem:
        logging.error("%s", problem)
        code = 1
    sys.stderr.flush()
    os._exit(code)  # gpiozero would let go of the lines first, and with them of their levels


def settle(environ: Mapping[str, str]) -> None:
    """Set every lamp that the daemon had. Raises PinsUnusable."""
    clean = environ.get("SERVICE_RESULT") == "success"
    pins = Pins(kind_of(environ))
    for name, lamp in Store.of_unit(environ, *OVER_A_CRASH).load(LAMPS).items():
        led = pins.led(lamp["pin"], active_high=lamp["active_high"])
        if name == "alert" and not clean:
            led.on()


if __name__ == "__main__":
    main()
