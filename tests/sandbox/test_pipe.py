import pytest

from service.sandbox import pipe
from service.sandbox.orders import Heard, Interrupt, Pause, Run, Said, Sound, Speak, Spoken, Stop

EVERYTHING = [
    pipe.Join("http://127.0.0.1/livekit/", "token", "publisher_1"),
    pipe.Leave(),
    pipe.Send('{"a": "ü\\n"}', "box"),
    pipe.Send("{}", reliable=False),
    pipe.Unpublish(),
    Run("en", ("es", "fr"), {"translations": [{"target_language": "es"}]}),
    Run("en", ("es",), {}, over_socket=True, spoken=False),
    Sound("AAAA", 24_000, 1),
    Pause(),
    Stop(force=True),
    Speak("1", "Hola", "es", False),
    Interrupt(("global",)),
    pipe.Data("payload\n", "box"),
    pipe.Listening(True, {"es": 320}),
    pipe.Finished(),
    pipe.Gone("the room's media is lost"),
    pipe.Mode("a sentence"),
    Heard("1", "en", "Good morning", True),
    Said("1", "es", "Buenos días"),
    Spoken("1", "es", "AAAA", last=True),
]


@pytest.mark.parametrize("what", EVERYTHING, ids=lambda what: type(what).__name__)
def test_it_comes_out_as_it_went_in_on_one_line(what):
    line = pipe.to_line("room", what)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert pipe.from_line(line) == ("room", what)


def test_every_order_and_event_was_tried():
    assert {type(what) for what in EVERYTHING} == set(pipe._KINDS.values())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense\n",
        b"\xff\n",
        b"[]\n",
        b"null\n",
        b'{"room": "r", "kind": "Explode", "data": {}}\n',
        b'{"room": "r", "kind": ["Leave"], "data": {}}\n',
        b'{"room": "r", "kind": "Leave", "data": {"why": 1}}\n',
        b'{"room": "r", "kind": "Join", "data": {}}\n',
        b'{"room": "r", "kind": "Join", "data": []}\n',
        b'{"kind": "Leave", "data": {}}\n',
    ],
)
def test_what_is_no_order_is_a_value_error(line):
    with pytest.raises(ValueError):
        pipe.from_line(line)


def test_a_token_is_in_no_log():
    assert "planted" not in repr(pipe.Join("url", "planted", "publisher"))
