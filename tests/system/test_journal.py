import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from service.core.errors import Cause, FaultCode
from service.core.languages import LanguagePair
from service.core.outages import Outage
from service.core.phase import Phase
from service.core.status import Fault, Status
from service.core.temper import Change, Trouble
from service.system import journal
from service.system.journal import Changes, is_ours, phase_record

ES, FR = LanguagePair("EN to ES", "en", ("es",)), LanguagePair("EN to FR", "en", ("fr",))
READY, LIVE = Status(phase=Phase.READY), Status(phase=Phase.LIVE, wanted=FR, confirmed=ES)
REFUSED = Status(phase=Phase.FAULT, wanted=ES, fault=Fault(FaultCode.CREDENTIALS, "CloudRejected", "no balance"))

# Binds the journal's socket where only this process sees it, and shows what one record looks like on the wire.
ON_THE_WIRE = """
import json, pathlib, socket, struct, subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
path = pathlib.Path("/run/systemd/journal/socket")
path.parent.mkdir(parents=True)
end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end.bind(str(path))
from service.system import journal
for message, fields in json.load(sys.stdin):
    journal.send(message, **fields)
records = []
for _ in range(int(sys.argv[1])):
    data, record = end.recv(65536), {}
    while data:
        line, _, data = data.partition(b"\\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", data[:8])
            value, data = data[8 : 8 + size], data[9 + size :]
        record[name.decode()] = value.decode()
    records.append(record)
print(json.dumps(records))
"""


def sent_in_private(*records):
    """The records as a journal receives them, from a process with a /run of its own."""
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    tried = subprocess.run([*alone, "mount", "-t", "tmpfs", "none", "/run"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"the journal's wire was not tried, no private /run here: {tried.stderr.strip()}")
    command = [*alone, sys.executable, "-c", ON_THE_WIRE, str(len(records))]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, input=json.dumps(records), capture_output=True, text=True, cwd=root, timeout=20)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_phase_change_is_one_record():
    assert phase_record(READY, LIVE) == {
        "MESSAGE": "READY -> LIVE; EN to FR wanted, EN to ES confirmed",
        "MESSAGE_ID": journal.PHASE_CHANGED,
        "PRIORITY": "6",
        "BOOTHD_PHASE": "live",
        "BOOTHD_PHASE_BEFORE": "ready",
        "BOOTHD_WANTED": "EN to FR",
        "BOOTHD_CONFIRMED": "EN to ES",
    }


def test_a_fault_has_its_name_its_code_and_its_weight():
    record = phase_record(READY, REFUSED)
    assert (record["BOOTHD_CAUSE"], record["BOOTHD_CODE"], record["PRIORITY"]) == ("CloudRejected", "2", "3")
    assert "no balance" in record["MESSAGE"] and "BOOTHD_CONFIRMED" not in record
    lost = Status(phase=Phase.WAITING, fault=Fault(FaultCode.NETWORK, "LinkLost", "gone"))
    assert phase_record(LIVE, lost)["PRIORITY"] == "4"


def test_no_record_while_the_phase_stays():
    assert phase_record(LIVE, Status(phase=Phase.LIVE, wanted=FR, confirmed=FR, muted=True)) is None


def test_no_value_brings_a_line_or_a_secret_along():
    pair = LanguagePair("EN\nPRIORITY=0", "en", ("es",))
    fault = Fault(FaultCode.SERVICE, "TaskRefused", "wss://host/?token=abc\n<0>no")
    record = phase_record(READY, Status(phase=Phase.FAULT, wanted=pair, fault=fault))
    assert all(value.isprintable() and "abc" not in value for value in record.values())


def test_whose_journal_stderr_is(tmp_path):
    with open(tmp_path / "stderr", "w") as stderr:
        entry = os.fstat(stderr.fileno())
        ours = {"JOURNAL_STREAM": f"{entry.st_dev}:{entry.st_ino}"}
        assert is_ours(ours, stderr.fileno())
        assert not is_ours({"JOURNAL_STREAM": f"{entry.st_dev}:{entry.st_ino + 1}"}, stderr.fileno())
        assert not is_ours({}, stderr.fileno())
        closed = stderr.fileno()
    assert not is_ours(ours, closed)


def test_a_lost_card_is_named_and_the_session_by_its_number():
    device = "alsa:card=Hall"
    fault = Fault(FaultCode.SOUND_OUT, "SoundCardLost", "gone", device)
    lost = replace(LIVE, phase=Phase.FAULT, fault=fault, session=7)
    record = phase_record(replace(LIVE, session=7), lost)
    assert (record["BOOTHD_DEVICE"], record["BOOTHD_SESSION"]) == (device, "7")
    for before, after in ((READY, Phase.CREATING), (Status(phase=Phase.CREATING), Phase.WAITING)):
        assert "BOOTHD_SESSION" not in phase_record(before, Status(phase=after, session=7))  # that one is over
    assert "BOOTHD_DEVICE" not in phase_record(READY, REFUSED)


def test_another_fault_is_a_record_and_other_words_for_it_are_none():
    other = replace(REFUSED, fault=Fault(FaultCode.SOUND_IN, "SoundCardMissing", "no card", "alsa:card=Hall"))
    record = phase_record(REFUSED, other)
    assert (record["BOOTHD_PHASE_BEFORE"], record["BOOTHD_PHASE"], record["BOOTHD_CODE"]) == ("fault", "fault", "3")
    assert phase_record(REFUSED, replace(REFUSED, fault=replace(REFUSED.fault, detail="no balance yet"))) is None


def test_a_step_that_is_taken_all_night_is_recorded_now_and_then_with_how_often(our_journal):
    sent, now_s = [], [0.0]
    changes = Changes(environ=our_journal, send=lambda text, **fields: sent.append(fields), clock=lambda: now_s[0])
    creating = Status(phase=Phase.CREATING, wanted=ES)
    for _ in range(360):  # six hours
        changes(REFUSED, creating)
        changes(creating, REFUSED)
        now_s[0] += 60.0
    assert len(sent) == 2 * (10 + 5)
    assert [record.get("BOOTHD_REPEATED") for record in sent[18:24]] == [None, None, "59", "59", "59", "59"]
    changes(creating, LIVE)
    for _ in range(11):
        changes(creating, REFUSED)
    assert len(sent) == 2 * (10 + 5) + 1 + 10


def test_outside_of_systemd_a_change_is_a_line_of_the_log(caplog):
    caplog.set_level(logging.INFO)
    changes = Changes(environ={})
    changes(READY, LIVE)
    changes(LIVE, LIVE)
    assert caplog.messages == ["READY -> LIVE; EN to FR wanted, EN to ES confirmed"]


def test_under_the_journal_a_change_is_a_record_and_no_line(our_journal, caplog):
    caplog.set_level(logging.INFO)
    sent = []
    changes = Changes(environ=our_journal, send=lambda message, **fields: sent.append({"MESSAGE": message, **fields}))
    changes(READY, LIVE)
    assert sent == [phase_record(READY, LIVE)] and not caplog.messages


def test_a_journal_that_does_not_answer_loses_nothing(our_journal, caplog):
    caplog.set_level(logging.INFO)

    def refuse(message, **fields):
        raise ConnectionRefusedError

    Changes(environ=our_journal, send=refuse)(READY, LIVE)
    assert len(caplog.messages) == 1


def test_no_journal_is_an_error_and_no_silence(monkeypatch, tmp_path):
    monkeypatch.setattr(journal, "SOCKET", tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        journal.send("lost?")


def test_the_record_on_the_wire():
    record = phase_record(READY, REFUSED)
    text, place = "two\nlines, Зал 2 \udcff", {"CODE_FILE": "a.py", "CODE_LINE": 7, "CODE_FUNC": "f"}
    phase, plain = sent_in_private([record.pop("MESSAGE"), record], [text, place])
    assert phase == {
        **phase_record(READY, REFUSED),
        "SYSLOG_IDENTIFIER": "boothd",
        "CODE_FILE": journal.__file__,
    }
    assert plain["MESSAGE"] == "two\nlines, Зал 2 \\udcff"
    assert (plain["CODE_FILE"], plain["CODE_LINE"], plain["CODE_FUNC"]) == ("a.py", "7", "f")
    assert "CODE_ARGS" not in plain


@pytest.fixture
def our_journal():
    entry = os.fstat(2)
    return {"JOURNAL_STREAM": f"{entry.st_dev}:{entry.st_ino}"}


def test_a_loss_of_live_is_one_record_or_one_line(caplog):
    records = []

    def send(message, **fields):
        records.append((message, fields))

    outage = Outage(Cause.NETWORK, 12.34, live_again=True)
    journal.on_outage(outage, environ={}, send=send)
    assert [record.levelname for record in caplog.records] == ["WARNING"] and not records
    assert caplog.messages == ["no translation for 12.3 s, cause: network; live again"]
    record = journal.outage_record(Outage(Cause.SOUND_OUT, 3.0, live_again=False))
    assert record.pop("MESSAGE").endswith("cause: line-out; taken off air")
    assert record == {
        "MESSAGE_ID": journal.OUTAGE,
        "PRIORITY": "4",
        "BOOTHD_OUTAGE_CAUSE": "line-out",
        "BOOTHD_OUTAGE_S": "3.000",
        "BOOTHD_LIVE_AGAIN": "0",
    }


def test_power_and_heat_are_a_record_at_their_begin_and_their_end(caplog):
    caplog.set_level(logging.INFO)
    journal.on_board(Change(Trouble.POWER, began=True), environ={})
    journal.on_board(Change(Trouble.POWER, began=False, lasted_s=12.3), environ={})
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.messages[0].startswith("undervoltage: ") and caplog.messages[1] == "power: well again, after 12 s"
    record = journal.board_record(Change(Trouble.HEAT, began=False, lasted_s=600.0))
    del record["MESSAGE"]
    assert record == {
        "MESSAGE_ID": journal.BOARD,
        "PRIORITY": "6",
        "BOOTHD_BOARD": "heat",
        "BOOTHD_BEGAN": "0",
        "BOOTHD_LASTED_S": "600",
    }
