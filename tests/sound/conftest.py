import pytest

from tests.fakes import pulse
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


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A PulseAudio server whose devices the test's own process has."""
    if pulse.MISSING:
        pytest.skip(
            f"not installed: {', '.join(pulse.MISSING)} (Debian: pulseaudio pulseaudio-utils libasound2-plugins)"
        )
    tmp_path.chmod(0o700)
    server = pulse.Pulse(tmp_path)
    for name in ("ALSA_CONFIG_PATH", "PULSE_SERVER"):
        monkeypatch.setenv(name, server.environment[name])
    server.start()
    yield server
    server.kill()
