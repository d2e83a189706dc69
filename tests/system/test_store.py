import os

from service.system.store import Store


def test_what_is_saved_is_there_for_the_next_process(tmp_path):
    environ = {"STATE_DIRECTORY": f"{tmp_path}:/elsewhere"}
    Store.of_unit(environ, "STATE_DIRECTORY").save("pins.json", {"link": 5})
    assert Store.of_unit(environ, "STATE_DIRECTORY").load("pins.json") == {"link": 5}
    assert os.listdir(tmp_path) == ["pins.json"]
    assert Store.of_unit(environ, "KEPT_DIRECTORY", "STATE_DIRECTORY").load("pins.json") == {"link": 5}


def test_the_card_is_written_only_when_something_differs(tmp_path):
    store = Store(tmp_path)
    store.save("pins.json", {"link": 5})
    before = (tmp_path / "pins.json").stat()
    store.save("pins.json", {"link": 5})
    assert (tmp_path / "pins.json").stat() == before
    store.save("pins.json", {"link": 6})
    assert store.load("pins.json") == {"link": 6}


def test_nothing_to_read_is_as_good_as_nothing(tmp_path, caplog):
    store = Store(tmp_path)
    assert store.load("pins.json") == {} and not caplog.messages
    for spoilt in (b"{", b"\xff", b"[1]"):
        (tmp_path / "pins.json").write_bytes(spoilt)
        assert store.load("pins.json") == {}
    assert Store(None).load("pins.json") == {}


def test_a_directory_that_cannot_be_written_is_named_and_survived(tmp_path, caplog):
    store = Store(tmp_path / "missing")
    store.save("pins.json", {"link": 5})
    assert str(tmp_path / "missing") in caplog.text
    Store(None).save("pins.json", {"link": 5})
