"""`boothd-lamps-safe`: the lamps after the daemon's end, run by the unit's ExecStopPost=.

What the lamps say must not outlive who said it. After a clean stop all are dark; after any other end LIVE is off and
ALERT steadily on until the next process has something to say. It reads where they are from a file that the daemon
left (`store.OVER_A_CRASH` says where), and needs neither network nor settings. What a real line does once this program
has ended as well is up to the board: it was not tried.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Mapping

from service.core.errors import NeedsPerson
from service.core.gpio_lines import from_json
from service.gpio.pins import Pins, kind_of
from service.system.store import LAMPS, OVER_A_CRASH, Store

LIMIT_S = 3


def main() -> None:
    """Set the lamps and exit, with 0 unless one of them could not be set."""
    signal.alarm(LIMIT_S)  # a line that hangs must not hold the next start up
    logging.basicConfig(format="boothd-lamps-safe: %(message)s")
    problems = settle(os.environ, Pins(kind_of(os.environ)))
    for problem in dict.fromkeys(problems):
        logging.error("%s", problem)
    sys.stderr.flush()
    os._exit(1 if problems else 0)  # gpiozero would let go of the lines first, and with them of their levels


def settle(environ: Mapping[str, str], pins: Pins) -> list[str]:
    """Set every lamp that the daemon had, as far as that is possible; what was not."""
    clean = environ.get("SERVICE_RESULT") == "success"
    problems = []
    for name, lamp in Store.of_unit(environ, *OVER_A_CRASH).load(LAMPS).items():
        try:
            led = pins.led(from_json(lamp), active_high=lamp.get("active_high") is not False)
            if name == "alert" and not clean:
                led.on()
        except (NeedsPerson, ValueError) as problem:
            problems.append(f"{name}: {problem}")
    return problems


if __name__ == "__main__":
    main()
