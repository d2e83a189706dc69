from service.cli.meters import Screen, rows, sentence
from service.core.audio import Level
from service.core.loudness import as_json

LEFT, RIGHT = Level(-6.0, -20.0, -4.0), Level(clip=True)
LINE_IN = {"device": "alsa:card=Device", "open": True, "lost": None, "levels": {"left": as_json(LEFT)}}
LINE_OUT = {"device": "wav:out", "open": True, "lost": None, "levels": {"left": as_json(LEFT), "right": as_json(RIGHT)}}
PICTURE = {"inputs": [LINE_IN], "outputs": [LINE_OUT]}


def lost(line, reason):
    return {**line, "open": False, "lost": reason, "levels": {}}


def test_a_row_for_every_channel():
    assert list(rows(PICTURE)) == [
        "line-in   alsa:card=Device",
        "  left    [####################       |  ]  -20.0 dBFS, peak   -4.0, good",
        "line-out  wav:out",
        "  left    [####################       |  ]  -20.0 dBFS, peak   -4.0, good",
        "  right   [                              ] -120.0 dBFS, peak -120.0, clipping",
    ]


def test_full_scale_stays_within_the_bar():
    full = {**LINE_IN, "levels": {"left": as_json(Level(0.0, 0.0, 0.0))}}
    assert "[#############################|]" in list(rows({"inputs": [full], "outputs": []}))[1]


def test_a_channel_that_is_not_used_says_so():
    both = {**LINE_OUT, "heard": "right"}
    assert [row.split(", ")[-1] for row in rows({"inputs": [both], "outputs": []})][1:] == [
        "good (not used)",
        "clipping",
    ]


def test_the_same_as_a_sentence():
    assert sentence({"inputs": [LINE_IN], "outputs": [lost(LINE_OUT, "No such device")]}) == (
        "line-in left  -20.0 dBFS, peak   -4.0, good; line-out: No such device"
    )


def test_what_is_not_open_says_why():
    shown = {"inputs": [lost(LINE_IN, "audio.input.device: gone")], "outputs": [lost(LINE_OUT, None)]}
    assert list(rows(shown)) == ["line-in   alsa:card=Device: audio.input.device: gone", "line-out  wav:out: not open"]


def test_a_picture_takes_the_place_of_the_one_before_whatever_its_height(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    screen = Screen()
    first, second, third = (
        screen.drawn(picture) for picture in (PICTURE, {"inputs": [LINE_IN], "outputs": []}, PICTURE)
    )
    assert first.count("\n") == 5 and not first.startswith("\x1b")
    assert second.startswith("\x1b[5A") and second.endswith("\x1b[J") and second.count("\n") == 2
    assert third.startswith("\x1b[2A")
    assert all(len(row.removesuffix("\x1b[K")) < 20 for row in first.splitlines()[:-1])  # none wraps
