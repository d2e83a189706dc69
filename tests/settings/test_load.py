import traceback

import pytest

from service.core.errors import BadSettings, FaultCode
from service.settings import BadCredentials, Settings, defaults, effective, load, missing_for_run

SECRET = "hunter2"


@pytest.fixture
def house(tmp_path):
    """Writes files below a directory and gives the main one."""

    def write(main, **drop_ins):
        (tmp_path / "boothd.toml").write_text(main)
        (tmp_path / "conf.d").mkdir(exist_ok=True)
        for name, text in drop_ins.items():
            (tmp_path / "conf.d" / f"{name}.toml").write_text(text)
        return tmp_path / "boothd.toml"

    return write


def test_loading_nothing_gives_the_defaults():
    assert load(None, environ={}) == Settings()


def test_what_is_wrong_with_the_credentials_alone_has_their_code(house):
    path = house(
        '[[pair]]\nname = "a"\nsource = "en"\ntarget = "es"\n'
        '[audio.input]\ndevice = "wav:in"\n[audio.output]\ndevice = "wav:out"'
    )
    for environ in ({}, {"PALABRA_CLIENT_ID": "half"}, {"PALABRA_API_KEY": "two words"}):
        with pytest.raises(BadCredentials) as none:
            load(path, environ=environ, for_run=True)
        assert none.value.code is FaultCode.CREDENTIALS and none.value.others.menu().pairs[0].name == "a"
    with pytest.raises(BadSettings) as caught:
        load(path, environ={"PALABRA_CLIENT_ID": "half", "BOOTHD_SESSION__INTENT": "fun"}, for_run=True)
    assert caught.value.code is FaultCode.BOX


def test_the_defaults_of_a_process_heed_systemd_alone():
    environ = {"RUNTIME_DIRECTORY": "/run/booth", "BOOTHD_SESSION__INTENT": "fun", "PALABRA_CLIENT_ID": "half"}
    assert defaults(environ).http.socket == "/run/booth/control.sock"
    assert defaults({}) == Settings()


def test_the_order_of_the_sources(house):
    main = '[box]\nname = "main"\n[session]\nintent = "desktop"\n[log]\nlevel = "error"\n[audio.input]\nchannel = "sum"'
    path = house(
        main,
        b='[box]\nname = "b"\n[log]\nlevel = "debug"',
        a='[box]\nname = "a"\n[session]\nintent = "broadcaster"\n',
    )
    settings = load(path, environ={"BOOTHD_BOX__NAME": "variable"})
    assert settings.box.name == "variable"
    assert settings.log.level == "debug"
    assert settings.session.intent == "broadcaster"
    assert settings.audio.input.channel == "sum"
    assert load(path, environ={}).box.name == "b"


def test_tables_are_merged_deeply_and_lists_come_whole(house):
    path = house(
        "[lamps]\nlink = { pin = 5, active_high = false }\nlanguages = [{ pin = 1 }, { pin = 2 }]\n"
        '[[pair]]\nname = "a"\nsource = "en"\ntarget = "es"\n[[pair]]\nname = "b"\nsource = "en"\ntarget = "fr"\n',
        a='[lamps]\nlink = { pin = 6 }\nlanguages = [{ pin = 3 }]\n[[pair]]\nname = "c"\nsource = "de"\ntarget = "it"',
    )
    settings = load(path, environ={"BOOTHD_LAMPS__LIVE__PIN": "7"})
    assert settings.lamps.link is not None and settings.lamps.live is not None
    assert (settings.lamps.link.pin, settings.lamps.link.active_high, settings.lamps.live.pin) == (6, False, 7)
    assert [lamp.pin for lamp in settings.lamps.languages] == [3]
    assert [pair.name for pair in settings.menu().pairs] == ["c"]


def test_hidden_files_and_others_in_conf_d_are_left_out(house, tmp_path):
    path = house("", **{".#a": "broken ["})
    (tmp_path / "conf.d" / "a.toml.bak").write_text("broken [")
    assert load(path, environ={}) == Settings()


def test_the_marks_of_other_editors_do_no_harm(house):
    path = house("")
    path.write_bytes(b'\xef\xbb\xbf[box]\r\nname = "x"\r\n')
    assert load(path, environ={}).box.name == "x"


def test_systemd_says_where_sockets_live_and_people_may_say_otherwise(house):
    environ = {"RUNTIME_DIRECTORY": "/run/other:/run/more"}
    assert load(None, environ=environ).http.socket == "/run/other/control.sock"
    assert load(house('[http]\nsocket = "/x"'), environ=environ).http.socket == "/x"


@pytest.mark.parametrize(
    ("name", "fragments"),
    [
        ("absent.toml", ["absent.toml: no such file", "create it"]),
        ("conf.d", ["conf.d: cannot be read (Is a directory)", "mend"]),
    ],
)
def test_a_file_that_cannot_be_read_is_a_mistake(house, tmp_path, name, fragments):
    house("")
    with pytest.raises(BadSettings) as caught:
        load(tmp_path / name, environ={})
    assert caught.value.code is FaultCode.BOX
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_conf_d_must_be_a_directory(tmp_path):
    (tmp_path / "boothd.toml").write_text("")
    (tmp_path / "conf.d").write_text("")
    with pytest.raises(BadSettings, match="conf.d: cannot be listed"):
        load(tmp_path / "boothd.toml", environ={})


def test_what_a_run_needs_is_asked_for_only_then():
    lines = missing_for_run(load(None, environ={}))
    assert [line.split(":")[0] for line in lines] == [
        "pair",
        "audio.input.device",
        "audio.output.device",
        "credentials",
    ]
    with pytest.raises(BadSettings) as caught:
        load(None, environ={}, for_run=True)
    assert str(caught.value).splitlines() == lines


def test_a_device_is_needed_only_by_routes_that_name_none():
    def needed(routes):
        lines = missing_for_run(load(None, environ={"BOOTHD_AUDIO__OUTPUT__ROUTE": routes}))
        return "audio.output.device" in [line.split(":")[0] for line in lines]

    assert not needed('[{"target": "es", "device": "wav:out.wav"}]')
    assert needed('[{"target": "es", "device": "wav:out.wav"}, {"target": "fr"}]')


def test_a_run_can_be_set_by_variables_alone():
    environ = {
        "BOOTHD_PAIR": '[{"name": "a", "source": "en", "target": "es"}]',
        "BOOTHD_AUDIO__INPUT__DEVICE": "wav:in.wav",
        "BOOTHD_AUDIO__OUTPUT__DEVICE": "wav:out.wav",
        "PALABRA_API_KEY": SECRET,
    }
    assert load(None, environ=environ, for_run=True).credentials.api_key is not None


def test_a_secret_is_in_no_text(house, tmp_path):
    environ = {"PALABRA_CLIENT_ID": SECRET, "PALABRA_CLIENT_SECRET": SECRET}
    settings = load(None, environ=environ)
    assert settings.credentials.client_secret is not None
    assert settings.credentials.client_secret.get_secret_value() == SECRET
    for text in (
        str(settings),
        repr(settings),
        effective(settings),
        settings.model_dump_json(),
        str(settings.model_dump()),
    ):
        assert SECRET not in text


@pytest.mark.parametrize(
    ("main", "environ"),
    [
        ("", {"PALABRA_CLIENT_ID": SECRET}),
        ("bad = 1", {"PALABRA_API_KEY": SECRET}),
        (f'[palabra]\nclient_secret = "{SECRET}"', {}),
        (f'[credentials]\nclient_secret = "{SECRET}"', {}),
        (f'api_key = "{SECRET}', {}),
        (f'[palabra]\nbase_url = "https://:{SECRET}@host"', {}),
        ("", {"BOOTHD_PALABRA__API_KEY": SECRET}),
        ("", {"BOOTHD_CREDENTIALS__API_KEY": SECRET}),
        ("", {"BOOTHD_CREDENTIALS": f'{{"api_key": "{SECRET}"}}'}),
    ],
)
def test_a_secret_is_in_no_error_nor_in_what_caused_it(house, main, environ):
    with pytest.raises(BadSettings) as caught:
        load(house(main), environ=environ)
    shown = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in shown.replace(__file__, "")
    assert caught.value.__cause__ is None and caught.value.__context__ is None
