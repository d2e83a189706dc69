import threading
import time

from service.system.store import Store
from service.system.writer import Writer
from tests.fakes.processes import until


class SlowStore(Store):
    """A disk that is held while it writes."""

    def __init__(self, directory) -> None:
        super().__init__(directory)
        self.go, self.begun, self.written = threading.Event(), threading.Event(), []

    def save(self, name, data) -> bool:
        self.begun.set()
        assert self.go.wait(10)
        self.written.append(data)
        return super().save(name, data)


def test_nobody_waits_for_the_disk_and_the_last_wish_counts(tmp_path):
    store = SlowStore(tmp_path)
    writer = Writer(store)
    writer.save("a.json", {"n": 0})
    assert store.begun.wait(10)
    for number in range(1, 100):
        writer.save("a.json", {"n": number})
    store.go.set()
    writer.flush(10)
    assert store.written == [{"n": 0}, {"n": 99}] and store.load("a.json") == {"n": 99}


def test_what_could_not_be_written_is_written_by_itself_once_it_can(tmp_path):
    store = Store(tmp_path / "missing")
    writer = Writer(store, again_s=0.01)
    writer.save("a.json", {"n": 1})
    until(lambda: store.problem, "the problem")
    (tmp_path / "missing").mkdir()
    until(lambda: store.problem is None, "the end of it")
    assert store.load("a.json") == {"n": 1}


def test_a_flush_tries_once_more_and_waits_for_no_disk_that_hangs(tmp_path):
    store = Store(tmp_path / "missing")
    writer = Writer(store)
    writer.save("a.json", {"n": 1})
    until(lambda: store.problem, "the problem")
    (tmp_path / "missing").mkdir()
    writer.flush(10)
    assert store.load("a.json") == {"n": 1}
    hanging = SlowStore(tmp_path)
    writer = Writer(hanging)
    writer.save("a.json", {"n": 2})
    began_s = time.monotonic()
    writer.flush(0.05)
    assert time.monotonic() - began_s < 5 and hanging.load("a.json") == {}
    hanging.go.set()
    writer.flush(10)
    assert hanging.load("a.json") == {"n": 2}


def test_without_a_directory_there_is_no_thread():
    before = threading.active_count()
    Writer(Store(None)).save("a.json", {"n": 1})
    assert threading.active_count() == before
