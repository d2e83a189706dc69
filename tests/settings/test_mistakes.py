"""The corpus of broken input: each mistake is one line with its place, its key and the remedy."""

import pytest

from service.core.errors import BadSettings
from service.settings import load

PAIR = '[[pair]]\nname = "a"\nsource = "en"\ntarget = "es"\n'
ROUTE = "[[audio.output.route]]\n"


def mistakes(tmp_path, text, **environ):
    path = tmp_path / "boothd.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadSettings) as caught:
        load(path, environ=environ)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


CORPUS = [
    # unknown keys
    ("nam = 1", "boothd.toml:1: nam: unknown key", "take it away, known here: schema, box"),
    ("[buttns]", "boothd.toml:1: buttns: unknown key", 'did you mean "buttons"?'),
    ("[Box]", "boothd.toml:1: Box: unknown key", 'did you mean "box"?'),
    ("\n[box]\n\nautostrat = 'off'", "boothd.toml:4: box.autostrat: unknown key", 'did you mean "autostart"?'),
    ("[box]\nbase_url = 'https://a'", "boothd.toml:2: box.base_url: unknown key", "belongs in [palabra]"),
    ("[box]\nschema = 1", "boothd.toml:2: box.schema: unknown key", "belongs at the top"),
    ("[audio]\nplayout_min_ms = 4", "boothd.toml:2: audio.playout_min_ms: unknown key", "known here: input, output"),
    ("[audio.output]\nplayout_min_ms = 4", "boothd.toml:2: audio.output.playout_min_ms", 'did you mean "playout_min"?'),
    (
        "[lamps]\nlink = { pin = 1, colour = 2 }",
        "boothd.toml:2: lamps.link.colour: unknown",
        "known here: pin, line, chip, active_high",
    ),
    ("[buttons]\nlang = { pin = 1, active_high = true }", "boothd.toml:2: buttons.lang.active_high", "known here: pin"),
    (PAIR + "x = 1", "boothd.toml:5: pair[1].x: unknown key", "known here: name, source, target"),
    ('"a\\nb" = 1', "boothd.toml:1: a?b: unknown key", "known here"),
    # secrets in the wrong place
    ("[palabra]\napi_key = 'hunter2'", "boothd.toml:2: palabra.api_key: is a secret", "credentials directory"),
    ("palabra-client-secret = 'hunter2'", "boothd.toml:1: palabra-client-secret: is a secret", "credentials directory"),
    ("[credentials]\napi_key = 'hunter2'", "boothd.toml:1: credentials: is a secret", "credentials directory"),
    ("[palabra]\nbase_url = 'https://u:hunter2@a'", "boothd.toml:2: palabra.base_url: must not hold", "credentials"),
    # types
    ("schema = 2", "boothd.toml:1: schema: this program reads schema 1", "write schema = 1"),
    ("schema = '1'", "boothd.toml:1: schema: must be a whole number", "without quotes"),
    ("box = 5", "boothd.toml:1: box: must be a table", "{ key = value }"),
    ("[box]\nname = 5", "boothd.toml:2: box.name: must be text", "in quotes"),
    ("[box]\nname = ''", "boothd.toml:2: box.name: must not be empty", "take the key away"),
    ('[box]\nname = "a\\u001bb"', "boothd.toml:2: box.name: must be plain text", "control characters"),
    ("[box]\nautostart = 'on'", "boothd.toml:2: box.autostart: must be", '"off", "always" or "resume"'),
    ("[box]\nautostart = true", "boothd.toml:2: box.autostart: must be", '"off", "always" or "resume"'),
    ("[session]\nsubscriber_count = 11", "boothd.toml:2: session.subscriber_count: must be", "10 or less"),
    ("[session]\nsubscriber_count = -1", "boothd.toml:2: session.subscriber_count: must be", "0 or more"),
    ("[session]\nsubscriber_count = 1.5", "boothd.toml:2: session.subscriber_count: must be", "whole number"),
    ("[session]\nsubscriber_count = true", "boothd.toml:2: session.subscriber_count: must be", "whole number"),
    ("[session]\nsubscriber_count = '3'", "boothd.toml:2: session.subscriber_count: must be", "without quotes"),
    ("[session]\nintent = 'API'", "boothd.toml:2: session.intent: must be", '"api", "broadcaster" or "desktop"'),
    ("[session]\npublisher_can_subscribe = 1", "boothd.toml:2: session.publisher_can_subscribe", "true or false"),
    ("[audio.input]\ngain_db = nan", "boothd.toml:2: audio.input.gain_db: must be", "finite number"),
    ("[audio.input]\nmixer = 9", "boothd.toml:2: audio.input.mixer: must be a table", "{ key = value }"),
    ("[audio.input]\nmixer = { Mic = 9 }", "boothd.toml:2: audio.input.mixer.Mic: must be text", "in quotes"),
    ("[audio.input.mixer]\n'Mic Boost' = '101%'", "boothd.toml:2: audio.input.mixer.Mic Boost: must be", '"on", "off"'),
    ("[audio.output]\nmixer = { A = '-6dB' }", "boothd.toml:2: audio.output.mixer.A: must be", '"0%" to "100%"'),
    ("[audio.input]\nchannel = 9", "boothd.toml:2: audio.input.channel: must be", "the number of a channel, 1 to 8"),
    ("[audio.input]\nchannel = true", "boothd.toml:2: audio.input.channel: must be", '"left", "right", "sum"'),
    ("[audio.input]\nchannel = 'mix'", "boothd.toml:2: audio.input.channel: must be", '"left", "right", "sum"'),
    ("[audio.input]\ngain_db = 61", "boothd.toml:2: audio.input.gain_db: must be", "60 or less"),
    ("[log]\nlevel = 'verbose'", "boothd.toml:2: log.level: must be", '"debug", "info", "warning" or "error"'),
    (
        "[palabra]\nbase_url = 'api.palabra.ai'",
        "boothd.toml:2: palabra.base_url: must start with https://",
        "https://api",
    ),
    ("[http]\nsocket = 'control.sock'", "boothd.toml:2: http.socket: must be an absolute path", "/run/boothd"),
    (f"[http]\nsocket = '/{'x' * 107}'", "boothd.toml:2: http.socket: must be a shorter path", "107 bytes"),
    # durations
    ("[palabra]\nrequest_timeout = 10", "boothd.toml:2: palabra.request_timeout: must be text with a unit", '"1s"'),
    ("[palabra]\nrequest_timeout = '10'", "boothd.toml:2: palabra.request_timeout: must be a number with", '"10s"'),
    ("[palabra]\nrequest_timeout = '1h'", "boothd.toml:2: palabra.request_timeout: must be", '"1s" to "2m"'),
    ("[audio.output]\nplayout_min = '10ms'", "boothd.toml:2: audio.output.playout_min: must be", '"20ms" to "500ms"'),
    # devices
    ("[audio.input]\ndevice = 'hw:1'", 'boothd.toml:2: audio.input.device: "hw:1" counts cards', "write alsa:card=ID"),
    ("[audio.output]\ndevice = 'plughw:0,0'", "boothd.toml:2: audio.output.device:", "write alsa:card=ID"),
    ("[audio.output]\ndevice = 'default'", "boothd.toml:2: audio.output.device:", "alsa:pcm=NAME or wav:PATH"),
    (
        "[session]\nidle_pause_after = '1m'\n[audio.input]\npre_roll = '0s'",
        'boothd.toml:4: audio.input.pre_roll: is "0s", and session.idle_pause_after would lose the first word',
        "2s or more",
    ),
    # routes
    ("[audio.output.route]\ntarget = 'es'", "boothd.toml:1: audio.output.route: must be", "[[audio.output.route]]"),
    ("[audio.output]\nroute = ['es']", "boothd.toml:2: audio.output.route[1]: must be a table", "{ key = value }"),
    (ROUTE + "target = 'auto'", 'boothd.toml:2: audio.output.route[1].target: "auto" is for the source', '"es"'),
    (
        ROUTE + "channel = 'middle'",
        "boothd.toml:2: audio.output.route[1].channel: must be",
        '"both", "left" or "right"',
    ),
    (ROUTE + "gain_db = 21", "boothd.toml:2: audio.output.route[1].gain_db: must be", "20 or less"),
    (ROUTE + "ramp = '30ms'", "boothd.toml:2: audio.output.route[1].ramp: unknown key here", "[audio.output]"),
    (
        PAIR + ROUTE + "target = 'de'",
        'boothd.toml:6: audio.output.route[1].target: no pair has the target "de"',
        "add it there",
    ),
    (ROUTE + ROUTE, "boothd.toml:2: audio.output.route[2]: is the same as route 1", "take one of them away"),
    (
        PAIR + ROUTE + "channel = 'left'\n" + ROUTE + "target = 'es'",
        'boothd.toml:7: audio.output.route[2]: es of the pair "a" would be heard over es of route 1',
        "another channel or device",
    ),
    # pairs
    ("[pair]\nname = 'a'", "boothd.toml:1: pair: must be a list of tables", "[[pair]]"),
    ("pair = ['en>es']", "boothd.toml:1: pair[1]: must be a table", "{ key = value }"),
    ("\n[[pair]]\nname = 'a'\ntarget = 'es'", "boothd.toml:2: pair[1].source: is missing", "add it"),
    (PAIR.replace("en", "vn"), "boothd.toml:3: pair[1].source:", 'the language is "vi"'),
    (PAIR.replace("es", "english"), "boothd.toml:4: pair[1].target:", '"pt-br"'),
    (PAIR.replace("es", "auto"), 'boothd.toml:4: pair[1].target: "auto" is for the source only', "name the language"),
    (PAIR + "targets = ['fr']", "boothd.toml:1: pair[1]: needs either target", "exactly one"),
    ("[[pair]]\nname = 'a'\nsource = 'en'", "boothd.toml:1: pair[1]: needs either target", "exactly one"),
    (PAIR.replace("target = ", "targets = "), "boothd.toml:4: pair[1].targets: must be a list", "[ ... ]"),
    (
        PAIR.replace('target = "es"', "targets = ['es', 'ES']"),
        "boothd.toml:4: pair[1].targets: names a lang",
        "each once",
    ),
    (
        PAIR.replace('"en"', '"auto"'),
        'boothd.toml:3: pair[1].source: "auto" needs detectable_languages',
        '["en", "es"]',
    ),
    (PAIR + "detectable_languages = ['en']", "boothd.toml:5: pair[1].detectable_languages: is for", "take it away"),
    (
        PAIR + "desired_queue_level = '9s'\nmax_queue_level = '9s'",
        "boothd.toml:6: pair[1].max_queue_level:",
        "must exceed",
    ),
    (PAIR + "voice_id = ''", "boothd.toml:5: pair[1].voice_id: must not be empty", "take the key away"),
    (PAIR + "hotwords_glossaries = 'g'", "boothd.toml:5: pair[1].hotwords_glossaries: must be a list", "[ ... ]"),
    (PAIR + PAIR, 'boothd.toml:6: pair[2].name: "a" is the name of an earlier pair', "its own"),
    # pins
    ("[lamps]\nlink = 5", "boothd.toml:2: lamps.link: must be a table with its pin", "{ pin = 17 }"),
    ("[lamps]\nlanguages = [5]", "boothd.toml:2: lamps.languages[1]: must be a table with its pin", "{ pin = 17 }"),
    (
        "[lamps]\nlink = { active_high = false }",
        "boothd.toml:2: lamps.link: must be a table with its pin",
        '{ line = "PA7" }',
    ),
    ("[buttons]\nlang = { pin = 28 }", "boothd.toml:2: buttons.lang.pin: must be", "27 or less"),
    (
        "[buttons]\nlang = { pin = 'GPIO17' }",
        "boothd.toml:2: buttons.lang.pin: must be a whole number",
        "without quotes",
    ),
    (
        "[lamps]\nlink = { pin = 5 }\nlanguages = [{ pin = 6 }, { pin = 5 }]",
        "boothd.toml:3: lamps.languages[2].pin: pin 5 is already lamps.link",
        "its own pin",
    ),
    (
        "[buttons]\nmute = { pin = 5 }\n[lamps]\nlive = { pin = 5 }",
        "boothd.toml:2: buttons.mute.pin: pin 5 is already lamps.live",
        "its own pin",
    ),
    (
        "[buttons]\nmute.pin = 5\nlang.pin = 5",
        "boothd.toml:2: buttons.mute.pin: pin 5 is already buttons.lang",
        "its own",
    ),
    # lines of other boards
    ("[lamps]\nlink = { line = '' }", "boothd.toml:2: lamps.link.line: must be the name of a line", '"PA7"'),
    ("[lamps]\nlink = { line = -1 }", "boothd.toml:2: lamps.link.line: must be the name of a line", '"PA7"'),
    ("[lamps]\nlink = { line = 7 }", "boothd.toml:2: lamps.link.line: is a number", "needs its chip"),
    ("[lamps]\nlink = { pin = 5, chip = 'a' }", "boothd.toml:2: lamps.link.chip: is for a line", "take it away"),
    ("[lamps]\nlink = { pin = 5, line = 'a' }", "boothd.toml:2: lamps.link: has a pin and a line", "keep the one"),
    (
        "[lamps]\nlink = { line = 'PA7' }\n[buttons]\nmute = { line = 'PA7' }",
        "boothd.toml:4: buttons.mute.line: line PA7 is already lamps.link",
        "its own line",
    ),
    (
        "[lamps]\nlink = { line = 7, chip = 'a' }\nlanguages = [{ line = 7, chip = 'b' }, { line = 7, chip = 'a' }]",
        "boothd.toml:3: lamps.languages[2].line: line 7 is already lamps.link",
        "its own line",
    ),
    # the text itself
    ("[box]\nname = unquoted", "boothd.toml:2: TOML syntax at column 8", 'text in "quotes"'),
    ("[box\n", "boothd.toml:1: TOML syntax at column 5", "key = value"),
    ("[box]\nname = 'a'\nname = 'b'\n", "boothd.toml:3: TOML syntax at column", "stands only once"),
    ("[box]\n[log]\n[box]", "boothd.toml:3: TOML syntax at column", "stands only once"),
    ('a = 1\nb = """\nnever closed', "boothd.toml:3: TOML syntax:", "key = value"),
    ("x = " + "[" * 5000, "boothd.toml:1: TOML syntax", "key = value"),
    ("x = " + "9" * 5000, "boothd.toml:1: TOML syntax", "key = value"),
    (b"[box]\nname = '\xe9'", "boothd.toml:2: not UTF-8", "save the file as UTF-8"),
    ("[box]".encode("utf-16"), "boothd.toml:1: not UTF-8", "save the file as UTF-8"),
]


@pytest.mark.parametrize(("text", "place", "remedy"), CORPUS)
def test_one_mistake_in_the_file_is_one_line(tmp_path, text, place, remedy):
    lines = mistakes(tmp_path, text)
    assert len(lines) == 1
    assert lines[0].startswith(place) and remedy in lines[0]
    assert "hunter2" not in lines[0]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("BOOTHD_SESSION__SUBSCRIBER_COUNT", "11", "session.subscriber_count: must be 10 or less"),
        ("BOOTHD_SESSION__SUBSCRIBER_COUNT", "many", "session.subscriber_count: must be a whole number"),
        ("BOOTHD_LOG__CAPTIONS", "perhaps", "log.captions: must be true or false"),
        ("BOOTHD_BOX", "name", "box: must be a table"),
        ("BOOTHD_BOX__NAME", "", "box.name: must not be empty"),
        ("BOOTHD_PAIR", "en>es", "pair: must be a list"),
        ("BOOTHD_PAIR", '[{"name": "a", "source": "en"}]', "pair[1]: needs either target"),
        ("BOOTHD_LAMPS__LINK__PIN", "99", "lamps.link.pin: must be 27 or less"),
        ("BOOTHD_AUDIO__INPUT__DEVICE", "hw:0", 'audio.input.device: "hw:0" counts cards'),
        ("BOOTHD_PALABRA__REQUEST_TIMEOUT", "10", "palabra.request_timeout: must be"),
    ],
)
def test_one_mistake_in_a_variable_is_one_line(tmp_path, name, text, said):
    (line,) = mistakes(tmp_path, PAIR, **{name: text})
    assert line.startswith(f"{name}: {said}")


def test_all_mistakes_are_told_at_once(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10-a.toml").write_text("[log]\nlevel = 1")
    (tmp_path / "conf.d" / "20-b.toml").write_text("[log")
    lines = mistakes(
        tmp_path,
        "[box]\nx = 1\nautostart = 'no'\n[lamps]\nlink.pin = 1\nlive.pin = 1\nalert.pin = 1\n[buttons]\nlang = {}",
        BOOTHD_BOGUS="1",
        BOOTHD_HTTP__SOCKET="x",
        PALABRA_CLIENT_ID="hunter2",
    )
    expected = [
        "conf.d/20-b.toml:1: TOML syntax",
        "BOOTHD_BOGUS: unknown variable",
        "PALABRA_CLIENT_ID: half of a credential",
        "boothd.toml:3: box.autostart:",
        "boothd.toml:2: box.x:",
        "boothd.toml:6: lamps.live.pin:",
        "boothd.toml:7: lamps.alert.pin:",
        "BOOTHD_HTTP__SOCKET: http.socket:",
        "conf.d/10-a.toml:2: log.level:",
    ]
    # The pin of buttons.lang may stand in the file that cannot be read, so it is not called missing.
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected


def test_a_list_from_above_hides_the_one_below(tmp_path):
    (line,) = mistakes(tmp_path, PAIR, BOOTHD_PAIR='[{"name": "b", "target": "es"}]')
    assert line.startswith("BOOTHD_PAIR: pair[1].source: is missing")
