"""How much a box that is in trouble for long writes: records and lines of the log, in virtual time."""

import asyncio
import logging

import pytest

from service.core.errors import CloudBusy, CloudRejected, CloudUnreachable, FaultCode, LinkLost, PermissionMissing
from service.core.status import Fault
from service.system.journal import Changes
from tests.fakes.virtual_time import run
from tests.test_conductor import Stage

HOURS = 4


class Always(list):
    """The same error, however often."""

    def pop(self, index: int = -1) -> Exception:
        return self[0]


def refused(error: Exception):
    return lambda stage: setattr(stage.world, "refuse_create", Always([error]))


def left(error: Exception):
    return lambda stage: setattr(stage.world, "refuse_join", Always([error]))


def soundless(stage: Stage) -> None:
    stage.conductor.sound(Fault(FaultCode.SOUND_IN, "SoundCardLost", "gone", "alsa:card=Hall"))


TROUBLES = {
    "no balance": refused(CloudRejected("no balance")),
    "wrong credentials": refused(CloudRejected("unknown", retry_s=180.0)),
    "no network": refused(CloudUnreachable("no connection")),
    "busy": refused(CloudBusy("later", retry_after_s=30.0)),
    "no room": left(LinkLost("the room does not answer")),
    "no right": left(PermissionMissing(frozenset({"publish"}))),
    "no card": soundless,
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_after_the_first_hour_it_is_a_few_records_an_hour_and_no_line(trouble, caplog):
    caplog.set_level(logging.INFO)
    hours: list[int] = [0] * HOURS

    async def story() -> None:
        asyncio.get_running_loop().set_debug(False)
        clock = asyncio.get_running_loop().time
        stage = Stage()
        stage.board.watch(Changes(environ={}, clock=clock))  # a line where the journal has a record
        TROUBLES[trouble](stage)
        for hour in range(HOURS):
            await asyncio.sleep(3600.0)
            hours[hour] = len(caplog.records)
            caplog.clear()
        await stage.stop()

    run(story())
    print(f"{trouble}: {hours} records an hour")
    assert 0 < hours[0] <= 60 and max(hours[1:]) <= 12
