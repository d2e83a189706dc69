"""What a box does with its pins, on the chip of `chip.c` by the true lgpio; prints what was seen as JSON.

story.py lines | header        as another board's lines, or as a Raspberry Pi's pins by the true gpiozero
"""

import asyncio
import ctypes
import json
import os
import sys
import time
from pathlib import Path

from service.core.errors import PinsUnusable
from service.core.gpio_lines import GpioLine
from service.gpio.buttons import Buttons
from service.gpio.pins import Pins

PRESSES = 10
SIM = ctypes.CDLL(os.environ["LD_PRELOAD"])
PA6, PA7, LED, PA8 = 0, 1, 5, 6


def bounce(line: int, level: int) -> None:
    for step in (level, 1 - level, level):
        SIM.sim_drive(line, step)
        time.sleep(0.001)


async def story(pins: Pins, place) -> dict:
    led = pins.led(place(PA6), active_high=False)
    levels = [SIM.sim_level(PA6)]
    led.on()
    levels.append(SIM.sim_level(PA6))
    try:
        pins.led(place(LED))
        refused = None
    except PinsUnusable as problem:
        refused = str(problem)
    asked: list[str] = []
    SIM.sim_drive(PA8, 0)  # down at the start
    buttons = Buttons(pins=pins, ask=lambda command: asked.append(str(command)), live=place(PA7), lang=place(PA8))
    SIM.sim_drive(PA8, 1)
    for _ in range(PRESSES):
        for level in (0, 1):
            bounce(PA7, level)
            await asyncio.sleep(0.08)
    buttons.close()
    led.close()
    pins.close()
    used = [line for line in range(8) if SIM.sim_used(line)]
    return {"levels": levels, "refused": refused, "asked": asked, "used": used, "left": os.listdir(".")}


if __name__ == "__main__":
    if sys.argv[1] == "header":
        from gpiozero.pins import local

        local.LocalPiFactory._get_revision = lambda self: 0xC03111
        place = int
    else:
        names = {PA6: GpioLine("PA6"), PA7: GpioLine("PA7"), LED: GpioLine("red-led"), PA8: GpioLine(6, "soc.pinctrl")}
        place = names.__getitem__
    print(json.dumps(asyncio.run(story(Pins("lgpio", dev=Path(sys.argv[2])), place))))
