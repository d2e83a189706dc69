import pytest

from service.settings import load
from service.settings.environment import environment_layer, variable


def data(**environ):
    layer, mistakes = environment_layer({f"BOOTHD_{name}": text for name, text in environ.items()})
    assert mistakes == []
    return layer.data


def test_levels_are_joined_by_two_underscores_and_values_have_their_type():
    assert data(
        BOX__NAME="7",
        SESSION__SUBSCRIBER_COUNT="3",
        SESSION__PUBLISHER_CAN_SUBSCRIBE="true",
        AUDIO__INPUT__GAIN_DB="-3.5",
        AUDIO__INPUT__CHANNEL="3",
        AUDIO__INPUT__MIXER='{"Mic Boost": "0%"}',
        PALABRA__REQUEST_TIMEOUT="3s",
        LAMPS__LINK__PIN="5",
    ) == {
        "box": {"name": "7"},
        "session": {"subscriber_count": 3, "publisher_can_subscribe": True},
        "audio": {"input": {"gain_db": -3.5, "channel": 3, "mixer": {"Mic Boost": "0%"}}},
        "palabra": {"request_timeout": "3s"},
        "lamps": {"link": {"pin": 5}},
    }


def test_durations_that_may_be_left_out_can_be_given():
    environ = {"BOOTHD_SESSION__MAX_SESSION": "2h", "BOOTHD_SESSION__IDLE_PAUSE_AFTER": "5m"}
    session = load(None, environ=environ).session
    assert (session.max_session_s, session.idle_pause_after_s) == (7200.0, 300.0)


def test_lists_and_tables_are_json():
    assert data(PAIR='[{"name": "a"}]', LAMPS__LANGUAGES='[{"pin": 5}]', BUTTONS='{"lang": {"pin": 6}}') == {
        "pair": [{"name": "a"}],
        "lamps": {"languages": [{"pin": 5}]},
        "buttons": {"lang": {"pin": 6}},
    }


def test_what_is_not_json_stays_for_the_model_to_refuse():
    assert data(PAIR="en>es") == {"pair": "en>es"}


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("BOOTHD_SESION__INTENT", "did you mean BOOTHD_SESSION__INTENT?"),
        ("BOOTHD_SESSION_INTENT", "did you mean BOOTHD_SESSION__INTENT?"),
        ("BOOTHD_box__name", "did you mean BOOTHD_BOX__NAME?"),
        ("BOOTHD_PAIR__0__NAME", "BOOTHD_PAIR takes the whole list"),
        ("BOOTHD_", "unset it"),
        ("BOOTHD_SCHEMA", "unset it"),
        ("BOOTHD_CREDENTIALS__API_KEY", "credentials directory"),
        ("BOOTHD_PALABRA_CLIENT_ID", "credentials directory"),
    ],
)
def test_an_unknown_variable_is_a_mistake(name, remedy):
    layer, mistakes = environment_layer({name: "hunter2"})
    assert layer.data == {}
    assert len(mistakes) == 1 and mistakes[0].startswith(f"{name}: ") and remedy in mistakes[0]
    assert "hunter2" not in mistakes[0]


def test_others_variables_are_none_of_ours():
    assert environment_layer({"PATH": "/bin", "boothd_box__name": "x", "BOOTHD_SECRETS_DIR": "/x"})[1] == []


def test_the_place_is_the_variable():
    layer, _ = environment_layer({"BOOTHD_LAMPS__LINK__ACTIVE_HIGH": "false", "BOOTHD_PAIR": "[]"})
    assert layer.place(("lamps", "link", "active_high")) == "BOOTHD_LAMPS__LINK__ACTIVE_HIGH"
    assert layer.place(("lamps", "link")) == "BOOTHD_LAMPS__LINK__ACTIVE_HIGH"
    assert layer.place(("pair", 0, "name")) == "BOOTHD_PAIR"
    assert variable(("audio", "input", "gain_db")) == "BOOTHD_AUDIO__INPUT__GAIN_DB"
