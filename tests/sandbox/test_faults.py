import pytest

from service.sandbox.faults import FAULTS, Faults, listing


def test_nothing_is_on_at_first():
    faults = Faults()
    assert not any(faults.on(name) for name in FAULTS)
    assert faults.active() == {}


def test_set_and_clear():
    faults = Faults()
    faults.set_from("no-balance")
    faults.set_from("delay-create=2.5")
    faults.set_from("redirect=https://other.example/?a=b")
    faults.set("rate-limit")
    assert faults.active() == {
        "no-balance": "",
        "delay-create": 2.5,
        "redirect": "https://other.example/?a=b",
        "rate-limit": "30",
    }
    assert faults.number("delay-create") == 2.5
    faults.clear("no-balance")
    faults.clear("no-balance")
    assert not faults.on("no-balance")
    assert faults.number("server-error") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no-balnce", "no-balance"),
        ("no-balance=1", "takes no value"),
        ("redirect", "redirect=URL"),
        ("delay-create", "delay-create=SECONDS"),
        ("delay-create=soon", "no number"),
        ("delay-create=-1", "out of range"),
        ("delay-create=nan", "out of range"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(text, said):
    with pytest.raises(ValueError, match=said):
        Faults().set_from(text)


def test_the_list_has_every_fault_as_it_is_written():
    lines = listing().splitlines()
    assert len(lines) == len(FAULTS)
    assert any(line.startswith("server-error[=STATUS] ") for line in lines)
    assert any(line.startswith("redirect=URL ") for line in lines)
