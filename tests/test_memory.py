import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from service.core.intent import Intent
from service.core.languages import LanguagePair, Menu
from service.memory import Memory
from service.system.store import Store

MENU = Menu(tuple(LanguagePair(f"EN to {code}", "en", (code,)) for code in ("es", "fr")))
ES, FR = MENU.pairs


@pytest.fixture
def folders(tmp_path):
    for name in ("state", "runtime"):
        (tmp_path / name).mkdir()
    return tmp_path


def memory(folders, now_s=1000.0) -> Memory:
    return Memory(Store(folders / "state"), Store(folders / "runtime"), clock=lambda: now_s)


@contextmanager
def remembering(folders) -> Iterator[Memory]:
    one = memory(folders)
    yield one
    one.close()


def test_what_people_wanted_outlives_the_power_where_the_box_is_to_resume(folders):
    wanted = Intent(FR, on_air=True, paused=True)
    with remembering(folders) as one:
        one.keep_intent(Intent(ES))
        one.keep_intent(wanted)
    assert memory(folders).intent(MENU, "resume") == wanted
    assert memory(folders).intent(MENU, "off") == Intent(ES)
    assert memory(folders).intent(MENU, "always") == Intent(ES, on_air=True)


@pytest.mark.parametrize(
    "spoilt", [b"", b"{", b"[]", b'{"pair": "EN to PT"}', b'{"pair": 5, "on_air": "yes", "paused": 1}']
)
def test_what_cannot_be_understood_is_the_first_pair_off_air(folders, spoilt):
    (folders / "state" / "intent.json").write_bytes(spoilt)
    (folders / "state" / "paid.json").write_bytes(spoilt)
    (folders / "runtime" / "sessions.json").write_bytes(spoilt)
    assert memory(folders).intent(MENU, "resume") == Intent(ES)
    assert (memory(folders).paid_s, memory(folders).left_over(), memory(folders).wait_s()) == (0.0, {}, 0.0)


def test_a_pair_that_is_gone_from_the_menu_is_named_and_the_first_is_wanted(folders, caplog):
    with remembering(folders) as one:
        one.keep_intent(Intent(LanguagePair("EN to PT", "en", ("pt",)), on_air=True))
    assert memory(folders).intent(MENU, "resume") == Intent(ES, on_air=True)
    assert caplog.messages == ["the pair 'EN to PT' of before is not in the menu any more: EN to es is wanted"]


def test_without_a_directory_nothing_is_kept_and_nothing_is_missed():
    nothing = Memory()
    nothing.keep_intent(Intent(FR, on_air=True))
    nothing.opened("session", "owner")
    nothing.keep_paid(5.0)
    nothing.keep_clocks()
    assert nothing.intent(MENU, "resume") == Intent(ES) and nothing.problem is None


def test_an_open_session_is_left_to_the_next_process_for_its_owner_alone(folders):
    first = memory(folders)
    first.opened("canary-1", "owner")
    first.opened("canary-2", "owner")
    first.closed("canary-1")
    assert memory(folders).left_over() == {"canary-2": "owner"}
    path = folders / "runtime" / "sessions.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and "canary-1" not in path.read_text()
    assert not list((folders / "state").iterdir())


def test_a_crash_loop_is_slowed_down_over_processes_and_forgets(folders):
    now_s, created_s = 1000.0, []
    for _ in range(60):
        one = memory(folders, now_s)
        now_s += one.wait_s()
        created_s.append(now_s)
        Memory(Store(None), Store(folders / "runtime"), clock=lambda now_s=now_s: now_s).opened("session", "owner")
        now_s += 1.5  # it dies at once, and systemd starts it again
    assert sum(at_s > created_s[-1] - 60 for at_s in created_s) <= 5
    assert created_s[1] - created_s[0] < 3
    assert memory(folders, now_s + 120).wait_s() == 0.0
    assert memory(folders, 5.0).wait_s() == 0.0  # another boot


def test_what_cannot_be_kept_is_told_once_and_is_over_when_it_can(folders, caplog):
    state = folders / "state"
    state.rmdir()
    with remembering(folders) as one:
        one.keep_paid(5.0)
        one.close()
        one.keep_paid(6.0)
        one.close()
        assert "paid.json cannot be written" in one.problem and len(caplog.messages) == 1
        state.mkdir()
    assert one.problem is None and json.loads((state / "paid.json").read_text()) == {"paid_s": 6.0}


def test_clocks_that_cannot_be_read_are_learnt_anew_and_no_more_is_said(folders, caplog):
    (folders / "state" / "clocks.json").write_bytes(b"{")
    with remembering(folders) as one:
        pass
    assert one.problem is None and len(caplog.messages) == 1 and memory(folders).clocks == {}
