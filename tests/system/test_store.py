import errno
import os
import random
import subprocess
import sys
import time

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


WRITING = """
import sys
from pathlib import Path
from service.system.store import Store
store, number = Store(Path(sys.argv[1])), 0
print(flush=True)
while True:
    number += 1
    store.save("pins.json", {"number": number, "again": [number] * 2000})
"""


@pytest.mark.slow
def test_two_hundred_kills_leave_nothing_torn(tmp_path):
    chance, kept = random.Random(1), 0
    for _ in range(25):
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITING, str(tmp_path / place)], stdout=subprocess.PIPE)
            for place in _folders(tmp_path)
        ]
        for writer in writers:
            writer.stdout.readline()
        time.sleep(chance.uniform(0, 0.03))
        for writer in writers:
            writer.kill()
        for writer in writers:
            writer.communicate()
        for place in _folders(tmp_path):
            store = Store(tmp_path / place)
            found = store.load("pins.json")
            assert store.problem is None and found.get("again", []) == [found.get("number")] * (2000 if found else 0)
            kept += bool(found)
    assert kept > 100  # and not because nothing was written


def _folders(tmp_path) -> list[str]:
    names = [str(number) for number in range(8)]
    for name in names:
        (tmp_path / name).mkdir(exist_ok=True)
    return names
