import pytest

from service.core.commands import Choose, End, Mute, NextPair, Pause, PreviousPair, Start, ToggleLive
from service.core.intent import Intent
from service.core.languages import LanguagePair, Menu

MENU = Menu(tuple(LanguagePair(f"EN to {code}", "en", (code,)) for code in ("es", "fr", "de")))
ES, FR, DE = MENU.pairs
OFF, ON, PAUSED = Intent(ES), Intent(ES, on_air=True), Intent(ES, on_air=True, paused=True)


@pytest.mark.parametrize(
    ("before", "command", "in_session", "after"),
    [
        (OFF, NextPair(), False, Intent(FR)),
        (Intent(DE), NextPair(), False, OFF),
        (OFF, PreviousPair(), False, Intent(DE)),
        (Intent(FR), PreviousPair(), False, OFF),
        (PAUSED, Choose(DE), True, Intent(DE, on_air=True, paused=True)),
        (OFF, ToggleLive(), False, ON),
        (ON, ToggleLive(), True, PAUSED),
        (PAUSED, ToggleLive(), True, ON),
        (ON, ToggleLive(), False, ON),  # it is being tried: try at once
        (PAUSED, ToggleLive(), False, PAUSED),
        (OFF, Start(), False, ON),
        (ON, Start(), True, ON),
        (PAUSED, Start(), True, ON),
        (OFF, Pause(), False, OFF),
        (ON, Pause(), True, PAUSED),
        (ON, Pause(), False, PAUSED),  # the session that comes begins with a pause
        (PAUSED, Pause(), True, PAUSED),
        (ON, End(), True, OFF),
        (PAUSED, End(), True, OFF),
        (OFF, End(), False, OFF),
        (ON, Mute(), True, ON),
    ],
)
def test_what_a_command_makes_of_it(before, command, in_session, after):
    assert before.after(command, MENU, in_session=in_session) == after
