"""The verbs that ask for one thing, beside a daemon that runs against a sandbox."""

import argparse
import json
import subprocess

import pytest

from service.cli import main, orders
from service.cli.exits import Failed
from service.cli.status import duration
from tests.fakes.processes import BOOTHD, Box, box, credentials, recording, sandbox, settings_for

VERBS = (["start"], ["stop"], ["pause"], ["resume"], ["lang"], ["mute"], ["floor"], ["ack"], ["identify"])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with sandbox(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture
def one(tmp_path, world):
    settings = settings_for(tmp_path, world.url, line_in=str(tmp_path / "nothing.wav"))
    recording(tmp_path / "nothing.wav")
    with box(tmp_path, settings, environ=credentials(world)) as running:
        running.until("ready")
        yield running


def verb(one: Box, *arguments: str) -> tuple[int, str, str]:
    command = [*BOOTHD, *arguments, "--config", str(one.config)]
    done = subprocess.run(command, env=one.environ, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


@pytest.mark.slow
def test_a_day_at_the_box_by_words(one):
    assert verb(one, "lang")[1].splitlines() == [
        "EN to ES                 en to es           wanted",
        "EN to FR                 en to fr",
    ]
    assert verb(one, "start", "--wait") == (0, "live", "")
    assert verb(one, "lang", "--wait", "en", "fr") == (0, "EN to FR, confirmed", "")
    assert one.status()["confirmed"] == "EN to FR"
    assert verb(one, "mute", "on") == verb(one, "mute", "on") == (0, "muted", "")
    assert verb(one, "mute") == (0, "not muted", "")
    assert verb(one, "floor", "on") == (0, "floor chosen", "")
    assert verb(one, "floor", "off") == (0, "floor not chosen", "")
    assert verb(one, "identify") == (0, "its lamps are fast", "")
    assert one.status()["lamps"]["alert"] == "fast"
    assert verb(one, "identify", "off") == (0, "its lamps are as they were", "")
    assert verb(one, "ack") == (0, "no alarm stands", "")
    assert verb(one, "pause", "--wait") == (0, "paused", "")
    code, _, why = verb(one, "lang", "--wait", "EN", "to", "ES")
    assert code == 75 and why == "boothd lang: EN to ES is kept until the box is on air: it is paused"
    assert verb(one, "resume", "--wait") == (0, "live", "")
    assert one.status()["confirmed"] == "EN to ES"
    code, said, _ = verb(one, "status")
    assert code == 0 and "paid" in said
    assert verb(one, "stop", "--wait") == (0, "ready", "")


@pytest.mark.slow
def test_what_cannot_be_is_said_and_ends_in_its_code(one, world):
    code, said, why = verb(one, "lang", "en", "it")
    assert (code, said) == (2, "") and '"en to it" is no pair of the menu: "EN to ES", "EN to FR"' in why
    world.fault("no-balance")
    try:
        code, said, why = verb(one, "start", "--wait")
    finally:
        world.clear("no-balance")
    assert (code, said) == (5, "") and why.startswith("boothd start: the cloud refuses a session")
    assert verb(one, "stop", "--wait") == (0, "ready", "")
    code, said, why = verb(one, "pause", "--wait")
    assert code == 2 and "nothing to pause" in why
    code, said, why = verb(one, "resume", "--wait", "--timeout", "0.01")
    assert code == 75 and "not within 0.01 s" in why
    one.stop()
    assert {verb(one, *words)[0] for words in VERBS[:2]} == {3}


@pytest.mark.slow
def test_watch_tells_of_every_change_and_of_the_end(one):
    command = [*BOOTHD, "status", "--watch", "--json", "--config", str(one.config)]
    with subprocess.Popen(command, env=one.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        assert json.loads(watch.stdout.readline())["phase"] == "ready"
        verb(one, "start")
        phases = []
        while "live" not in phases:
            phases.append(json.loads(watch.stdout.readline())["phase"])
        one.stop()
        assert watch.wait(20) == 3
        assert watch.stderr.read().startswith("boothd status: ")
    assert "creating" in phases


@pytest.mark.slow
def test_watch_without_a_terminal_is_a_line_for_every_change(one):
    command = [*BOOTHD, "status", "--watch", "--config", str(one.config)]
    with subprocess.Popen(command, env=one.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        lines = [watch.stdout.readline()]
        verb(one, "mute", "on")
        while "muted" not in lines[-1]:
            lines.append(watch.stdout.readline())
        one.stop()
        watch.communicate(timeout=20)
    told = [line.split(" ", 1)[1] for line in lines]
    assert told[0].startswith("READY") and told[-1].startswith("READY, muted") and len(set(told)) == len(told)


@pytest.mark.parametrize("words", VERBS, ids=lambda words: words[0])
def test_without_a_daemon_every_verb_ends_in_3(tmp_path, words, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*words, "--socket", str(tmp_path / "none.sock")])
    assert caught.value.code == 3 and "is boothd running?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.9, "59 s"), (61, "1 min 01 s"), (7509, "2 h 05 min 09 s")]
)
def test_durations_for_people(seconds, text):
    assert duration(seconds) == text


LIVE = {"phase": "live", "fault": None, "refusal": None, "wanted": "EN to FR", "confirmed": "EN to ES"}


@pytest.mark.parametrize(
    ("changes", "comes"),
    [
        ({}, False),
        ({"confirmed": "EN to FR"}, True),
        ({"wanted": "EN to ES", "refusal": "the cloud refuses fr"}, 5),
        ({"wanted": "EN to DE"}, 75),  # somebody else was later
        ({"phase": "paused"}, 75),
        ({"phase": "ready", "confirmed": None}, 75),
        # An earlier refusal is not about this wish.
        ({"refusal": "the cloud refuses de"}, False),
        ({"refusal": "the cloud refuses de", "confirmed": "EN to FR"}, True),
    ],
)
def test_a_switch_has_come_about_when_the_pair_asked_for_is_confirmed_and_not_when_it_was_taken_back(changes, comes):
    done = orders.VERBS["lang"].done
    if isinstance(comes, bool):
        assert done({**LIVE, **changes}, {"wanted": "EN to FR"}) is comes
    else:
        with pytest.raises(Failed) as caught:
            done({**LIVE, **changes}, {"wanted": "EN to FR"})
        assert caught.value.code == comes


@pytest.mark.parametrize(
    ("phase", "fault", "code"),
    [
        ("creating", None, 75),
        ("waiting", 1, 7),
        ("waiting", 5, 4),
        ("fault", 5, 5),
        ("fault", 2, 5),
        ("fault", 3, 6),
        ("fault", 6, 78),
    ],
)
def test_what_is_in_the_way_has_a_code(phase, fault, code):
    assert orders.code({"phase": phase, "fault": fault and {"code": fault}}) == code


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["Main", "Hall"], {"pair": "Main Hall"}),
        (["EN", "fr"], {"source": "en", "target": "fr"}),
        (["next"], {"step": "next"}),
        (["Nowhere"], {"pair": "Nowhere"}),
        ([], None),
    ],
)
def test_a_name_of_the_menu_needs_no_quotes(words, body):
    options = argparse.Namespace(pair=words)
    assert orders.VERBS["lang"].body(options, {"menu": [{"name": "Main Hall"}]}) == body
