import ast
import inspect
import time

import pytest
from aiortc import clock
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtcpReceiverInfo, RtpPacket

from service.room import time_repairs

YEARS_S = 30 * 365 * 86400


@pytest.fixture
def step(monkeypatch):
    """Set the clock of this process, as far as Python asks for it."""
    time_repairs.install()
    true_s = time.time
    return lambda ahead_s: monkeypatch.setattr(time, "time", lambda: true_s() + ahead_s)


def test_a_receiver_can_report_after_a_step(step):
    statistics = StreamStatistics(48_000)
    for number in range(100):
        if number == 50:
            step(YEARS_S)
        statistics.add(RtpPacket(sequence_number=number, timestamp=960 * number))
    report = RtcpReceiverInfo(1, 0, 0, statistics.max_seq, statistics.jitter, 0, 0)
    assert bytes(report) and statistics.jitter < 48_000


def test_what_senders_report_goes_on_without_a_step(monkeypatch):
    time_repairs.install()
    before = clock.current_ntp_time() >> 32
    began_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began_s + 10)
    assert 9 <= (clock.current_ntp_time() >> 32) - before <= 11


@pytest.mark.parametrize("module", time_repairs._MODULES, ids=lambda module: module.__name__)
def test_they_use_nothing_else_of_the_module(module):
    """Guards: a new version may need more of `time`, or have stopped using it."""
    used = {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time"
    }
    assert used == {"time"}
