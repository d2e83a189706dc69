import tomllib

from service.settings.toml_lines import toml_lines

TEXT = '''# a comment
schema = 1

[box]
name = """
autostart = "not a key"
"""
autostart = "off"   # [lamps]

[[pair]]
name = "a"
options.voice = "x"
[[pair]]
name = "b"
[pair.more]
"quoted key" = 1

[lamps]
link = { pin = 5 }
languages = [
  { pin = 1 },
  { pin = 2 },  # ]
]
[audio.input]
device = "x"
'''


def test_each_key_has_its_line():
    lines = toml_lines(TEXT)
    assert lines[("schema",)] == 2
    assert lines[("box",)] == 4
    assert lines[("box", "name")] == 5
    assert lines[("box", "autostart")] == 8
    assert lines[("pair",)] == lines[("pair", 0)] == 10
    assert lines[("pair", 0, "name")] == 11
    assert lines[("pair", 0, "options", "voice")] == 12
    assert lines[("pair", 1)] == 13
    assert lines[("pair", 1, "name")] == 14
    assert lines[("pair", 1, "more", "quoted key")] == 16
    assert lines[("lamps", "link", "pin")] == 19
    assert lines[("lamps", "languages", 1, "pin")] == 20
    assert lines[("audio", "input")] == 24
    assert lines[("audio", "input", "device")] == 25


def test_windows_line_ends_count_the_same():
    assert toml_lines(TEXT.replace("\n", "\r\n")) == toml_lines(TEXT)


def test_it_finds_every_path_of_the_document_and_no_other():
    def paths(value, above=()):
        if above:
            yield above
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            yield from paths(inner, (*above, key))

    assert set(toml_lines(TEXT)) == set(paths(tomllib.loads(TEXT)))
