"""A booted machine of each suite for all tests of this folder."""

import pytest

from tests.booted.box import BootedBox
from tests.booted.machine import booted
from tests.fakes import sim_card
from tests.fakes.processes import sandbox


@pytest.fixture(scope="session", params=["bookworm", "trixie"])
def box(request, tmp_path_factory):
    sim_card.needed()
    with booted(request.param) as machine, sandbox(tmp_path_factory.mktemp("sandbox")) as cloud:
        yield BootedBox(machine, cloud)


@pytest.fixture(autouse=True)
def as_it_should_be(box):
    box.set_up()
    yield
    box.stop()
    for name in box.cloud.get("/sandbox/faults"):
        box.cloud.clear(name)
