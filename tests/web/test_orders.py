import pytest
from pydantic import ValidationError

from service.core.commands import Choose, End, NextPair, Pause, PreviousPair, Start
from service.core.languages import LanguagePair, Menu
from service.web.answers import Refused
from service.web.orders import LanguageOrder, SessionOrder

MENU = Menu(
    (
        LanguagePair("EN to ES", "en", ("es",)),
        LanguagePair("EN to all", "en", ("fr", "de")),
        LanguagePair("ES to EN", "es", ("en",)),
        LanguagePair("DE to EN", "de", ("en",)),
    )
)
ES, ALL, BACK, _ = MENU.pairs


@pytest.mark.parametrize(
    ("action", "command"), [("start", Start()), ("stop", End()), ("pause", Pause()), ("resume", Start())]
)
def test_the_session(action, command):
    assert SessionOrder(action=action).command() == command


@pytest.mark.parametrize(
    ("order", "command"),
    [
        ({"step": "next"}, NextPair()),
        ({"step": "previous"}, PreviousPair()),
        ({"pair": "EN to all"}, Choose(ALL)),
        ({"target": "de"}, Choose(ALL)),
        ({"source": "en", "target": "es"}, Choose(ES)),
        ({"source": "es", "target": "en"}, Choose(BACK)),
    ],
)
def test_a_pair_by_its_name_its_languages_or_its_place(order, command):
    assert LanguageOrder(**order).command(MENU) == command


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"pair": "EN to IT"}, '"EN to IT" is no pair of the menu: "EN to ES", "EN to all", "ES to EN", "DE to EN"'),
        ({"source": "fr", "target": "es"}, '"fr to es" is no pair'),
        ({"target": "en"}, '"any to en" is more than one pair'),
    ],
)
def test_what_the_menu_does_not_have_is_refused_with_the_menu(order, said):
    with pytest.raises(Refused) as caught:
        LanguageOrder(**order).command(MENU)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "order", [{}, {"source": "en"}, {"pair": "EN to ES", "step": "next"}, {"step": "first"}, {"pair": 1}, {"more": 1}]
)
def test_what_can_be_read_in_no_way_or_in_two_is_a_mistake(order):
    with pytest.raises(ValidationError):
        LanguageOrder.model_validate(order)
