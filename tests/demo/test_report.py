import json

from service.core.captions import Caption
from service.core.languages import LanguagePair
from service.core.phase import Phase
from service.core.status import Status
from service.demo.report import Report, save

ES, FR = LanguagePair("en to es", "en", ("es",)), LanguagePair("en to fr", "en", ("fr",))
DARK = {"link": "on", "live": "off", "alert": "off", "l1": "fast"}


def test_times_count_from_the_first_live_whatever_came_before(tmp_path):
    report = Report(line_out="wav:out.wav", started_s=100.0)
    report.status(Status(phase=Phase.READY, wanted=ES), 101.0)
    report.lamp_patterns(DARK, 101.0)
    report.status(Status(phase=Phase.PREPARING, wanted=ES), 102.0)
    report.lamp_patterns({**DARK, "l1": "on"}, 102.0)  # no row: the language lamps have their own table
    report.status(Status(phase=Phase.LIVE, wanted=ES, confirmed=ES), 103.0)
    report.lamp_patterns({**DARK, "live": "on"}, 103.0)
    report.caption(Caption(("1", "en", None, False), "validated_transcription", "en", "Good morning", True), 104.5)
    report.status(Status(phase=Phase.WAITING, wanted=FR, confirmed=None), 105.0)
    report.status(Status(phase=Phase.LIVE, wanted=FR, confirmed=FR), 106.0)

    save(report.write(frames={"captured": 1}, xruns={"input": 0}), tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text())
    assert (written["phase"], written["time_to_live_s"], written["line_out"]) == ("live", 3.0, "wav:out.wav")
    assert written["languages"] == [
        {"t_s": -2.0, "wanted": "es", "confirmed": None},
        {"t_s": 0.0, "wanted": "es", "confirmed": "es"},
        {"t_s": 2.0, "wanted": "fr", "confirmed": None},
        {"t_s": 3.0, "wanted": "fr", "confirmed": "fr"},
    ]
    assert written["lamps"] == [
        {"t_s": -2.0, "link": "on", "live": "off", "alert": "off"},
        {"t_s": 0.0, "link": "on", "live": "on", "alert": "off"},
    ]
    assert written["captions"] == [
        {"t_s": 1.5, "kind": "validated_transcription", "language": "en", "text": "Good morning"}
    ]


def test_a_run_that_never_went_live_counts_from_its_start():
    report = Report(line_out="wav:out.wav", started_s=100.0)
    report.status(Status(phase=Phase.FAULT), 102.0)
    written = report.write(frames={}, xruns={})
    assert written["time_to_live_s"] is None and written["languages"][0]["t_s"] == 2.0
