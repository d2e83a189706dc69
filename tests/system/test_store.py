import errno
import os

import pytest

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


def test_nothing_to_read_is_as_good_as_nothing(tmp_path):
    store = Store(tmp_path)
    assert store.load("pins.json") == Store(None).load("pins.json") == {} and store.problem is None


@pytest.mark.parametrize("spoilt", [b"", b"{", b"\xff", b"[1]", b"[" * 100_000])
def test_what_cannot_be_read_is_told_until_it_is_written_anew(tmp_path, caplog, spoilt):
    (tmp_path / "pins.json").write_bytes(spoilt)
    store = Store(tmp_path)
    assert store.load("pins.json") == {}
    assert len(caplog.messages) == 1 and "pins.json could not be read" in store.problem
    assert store.save("others.json", {"link": 5}) and store.problem is not None
    assert store.save("pins.json", {"link": 5}) and store.problem is None
    assert len(caplog.messages) == 1 and Store(tmp_path).load("pins.json") == {"link": 5}


def test_what_cannot_be_written_is_told_once_until_it_is_written(tmp_path, caplog):
    caplog.set_level("INFO")
    store = Store(tmp_path / "missing")
    for name in ("pins.json", "pins.json", "others.json"):
        assert not store.save(name, {"link": 5})
    assert caplog.messages == [f"{tmp_path}/missing/pins.json cannot be written (No such file or directory)"]
    (tmp_path / "missing").mkdir()
    assert store.save("others.json", {"link": 5}) and "pins.json cannot be written" in store.problem
    assert store.save("pins.json", {"link": 5}) and store.problem is None
    assert caplog.messages[1:] == [f"{tmp_path}/missing/others.json can be written again"]
    assert Store(None).save("pins.json", {"link": 5})


def test_a_disk_that_is_full_keeps_what_was_there(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.save("pins.json", {"link": 5})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert not store.save("pins.json", {"link": 6})
    assert "No space left" in store.problem and os.listdir(tmp_path) == ["pins.json"]
    assert store.load("pins.json") == {"link": 5}
