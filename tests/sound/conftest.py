import pytest

from tests.fakes.sim_card import SimCards, needed


@pytest.fixture
def cards(tmp_path, monkeypatch):
    """Makes simulated cards for the test's own process, each by its name with its options."""
    needed()

    def make(**cards: dict[str, object]) -> SimCards:
        made = SimCards(tmp_path, **cards)
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        return made

    return make
