import json

from service.core.errors import FaultCode
from service.core.languages import LanguagePair
from service.core.phase import Phase
from service.core.status import Fault, Status, as_json, status_line, summary

ES, FR = LanguagePair("EN to ES", "en", ("es",)), LanguagePair("EN to FR", "en", ("fr",))
BALANCE = Fault(FaultCode.CREDENTIALS, "CloudRejected", "Insufficient balance")


def test_the_summary_keeps_wanted_and_confirmed_apart():
    assert summary(Status()) == "STARTING"
    assert summary(Status(phase=Phase.READY, wanted=ES)) == "READY; EN to ES wanted"
    live = Status(phase=Phase.LIVE, wanted=ES, confirmed=ES, control="websocket")
    assert summary(live) == "LIVE; EN to ES confirmed; control by websocket"
    changing = Status(phase=Phase.LIVE, muted=True, wanted=FR, confirmed=ES)
    assert summary(changing) == "LIVE, muted; EN to FR wanted, EN to ES confirmed"


def test_the_summary_says_what_is_wrong_and_what_should_be_known():
    status = Status(phase=Phase.FAULT, fault=BALANCE, notices=("a full queue",), settings_notice="restart needed")
    assert summary(status) == "FAULT; CloudRejected (code 2): Insufficient balance; a full queue; restart needed"


def test_systemd_is_told_of_the_last_fault_after_it_is_over():
    assert status_line(Status(phase=Phase.LIVE)) == "LIVE"
    over = Status(phase=Phase.LIVE, session_min=61, last_fault=BALANCE)
    assert status_line(over) == "LIVE; session 1 h 1 min; last fault CloudRejected (code 2)"
    assert as_json(over)["last_fault"] == {"code": 2, "name": "CloudRejected", "detail": "Insufficient balance"}
    standing = Status(phase=Phase.FAULT, fault=BALANCE, last_fault=BALANCE)
    assert status_line(standing) == summary(standing)


def test_the_summary_says_what_is_wrong_with_the_sound():
    status = Status(phase=Phase.LIVE, notices=("a full queue",), sound_notices=("an echo",), input_silent=True)
    assert summary(status) == "LIVE; a full queue; an echo; line-in is silent"
    assert as_json(status)["notices"] == ["a full queue", "an echo", "line-in is silent"]
    assert summary(Status(phase=Phase.READY, input_silent=True)) == "READY"  # nobody needs to speak yet


def test_the_picture_is_json():
    status = Status(phase=Phase.LIVE, menu=(ES, FR), wanted=FR, confirmed=ES, fault=BALANCE, queue_level_ms={"es": 40})
    picture = json.loads(json.dumps(as_json(status)))
    assert picture["menu"][1] == {"name": "EN to FR", "source": "en", "targets": ["fr"]}
    assert (picture["phase"], picture["wanted"], picture["confirmed"]) == ("live", "EN to FR", "EN to ES")
    assert picture["fault"] == {"code": 2, "name": "CloudRejected", "detail": "Insufficient balance"}
    assert picture["queue_level_ms"] == {"es": 40}
    assert picture["summary"] == summary(status)
    assert as_json(Status())["fault"] is None
