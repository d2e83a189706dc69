import re

from service.settings import Settings, differences, effective, load
from service.settings.keys import all_keys

FULL = """
[box]
name = 'Raum "4" é'
[palabra]
request_timeout = "1500ms"
[session]
subscriber_count = 2
publisher_can_subscribe = true
[[pair]]
name = "a"
source = "auto"
targets = ["en", "it"]
detectable_languages = ["de"]
max_queue_level = "20s"
[audio.input]
device = "wav:/srv/a b.wav"
gain_db = -3
mixer = { "Mic Boost" = "0%", Capture = "off" }
[[audio.output.route]]
target = "it"
channel = "left"
[[audio.output.route]]
channel = "right"
gain_db = -3
[lamps]
alert = { pin = 13, active_high = false }
languages = [{ pin = 19 }, { line = "PA7" }]
[buttons]
live = { line = 7, chip = "1c20800.pinctrl" }
mute = { pin = 22 }
"""


def loaded(tmp_path, text, **environ):
    path = tmp_path / "boothd.toml"
    path.write_text(text)
    return load(path, environ=environ)


def test_reading_it_back_gives_the_same(tmp_path):
    settings = loaded(tmp_path, FULL)
    assert loaded(tmp_path, effective(settings)) == settings
    assert loaded(tmp_path, effective(Settings())) == Settings()


def test_every_key_is_there():
    table, shown = "", set()
    for line in effective(Settings()).splitlines():
        if line.startswith("["):
            table = line.strip("[]") + "."
        elif found := re.match(r"(?:# )?(\w+) (?:=|is not set)", line):
            shown.add(table + found[1])
    tables = {
        "box",
        "palabra",
        "session",
        "time",
        "pair",
        "audio",
        "audio.input",
        "audio.output",
        "audio.output.route",
        "fallback",
        "lamps",
        "buttons",
        "http",
        "log",
    }
    pins = {".".join(keys) for keys in all_keys() if keys[-1] in ("pin", "line", "chip", "active_high")}
    assert shown == {".".join(keys) for keys in all_keys(into_lists=False)} - tables - pins


def test_what_differs_is_marked_with_the_default(tmp_path):
    marked = [line for line in effective(loaded(tmp_path, FULL)).splitlines() if "# default: " in line]
    assert marked == [
        'name = "Raum \\"4\\" é"  # default: "boothd"',
        'request_timeout = "1500ms"  # default: "10s"',
        "subscriber_count = 2  # default: 0",
        "publisher_can_subscribe = true  # default: false",
        "[[pair]]  # default: no pairs",
        'device = "wav:/srv/a b.wav"  # default: not set',
        "gain_db = -3.0  # default: 0.0",
        'mixer = { "Mic Boost" = "0%", Capture = "off" }  # default: not set',
        "[[audio.output.route]]  # default: no routes",
        "[[audio.output.route]]  # default: no routes",
        "alert = { pin = 13, active_high = false }  # default: not set",
        'languages = [{ pin = 19, active_high = true }, { line = "PA7", active_high = true }]  # default: not set',
        'live = { line = 7, chip = "1c20800.pinctrl" }  # default: not set',
        "mute = { pin = 22 }  # default: not set",
    ]
    assert "# default: " not in effective(Settings())


def test_credentials_are_named_and_masked(tmp_path):
    text = effective(loaded(tmp_path, "", PALABRA_CLIENT_ID="hunter1", PALABRA_CLIENT_SECRET="hunter2"))
    assert text.endswith("# Credentials:\n# palabra-client-id = ********\n# palabra-client-secret = ********\n")
    assert "hunter" not in text
    assert effective(Settings()).endswith("# Credentials:\n# none\n")


def test_differences_name_the_keys_that_differ(tmp_path):
    settings = loaded(tmp_path, FULL, PALABRA_API_KEY="one")
    assert differences(settings, loaded(tmp_path, FULL, PALABRA_API_KEY="one")) == ()
    other = loaded(tmp_path, FULL.replace("pin = 13", "pin = 12").replace("1500ms", "3s"), PALABRA_API_KEY="two")
    assert differences(settings, other) == ("palabra.request_timeout", "lamps.alert", "credentials")
    assert differences(Settings(), settings)[:2] == ("box.name", "palabra.request_timeout")
