import subprocess
import sys
from pathlib import Path

import pytest

from service.cli import main

GOOD = """
[[pair]]
name = "EN to ES"
source = "en"
target = "es"
[audio]
input.device = "alsa:usb=1-1.2"
output.device = "alsa:card=Device"
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Runs `boothd check` on a text; its exit code, lines of stdout and of stderr."""
    for name in ("BOOTHD_SECRETS_DIR", "CREDENTIALS_DIRECTORY", "RUNTIME_DIRECTORY", "PALABRA_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PALABRA_API_KEY", "hunter2")
    path = tmp_path / "boothd.toml"

    def run(text):
        if text is not None:
            path.write_text(text)
        with pytest.raises(SystemExit) as caught:
            main(["check", "--config", str(path)])
        out, err = capsys.readouterr()
        assert "hunter2" not in out + err
        return caught.value.code, out.splitlines(), err.splitlines()

    return run


def test_good_settings_are_shown(check):
    code, out, err = check(GOOD)
    assert (code, err) == (0, [])
    assert 'device = "alsa:usb=1-1.2"  # default: not set' in out
    assert "# palabra-api-key = ********" in out


def test_a_target_that_is_heard_nowhere_is_told_and_is_no_mistake(check):
    code, out, err = check(GOOD.replace('target = "es"', 'targets = ["es", "fr"]'))
    assert code == 0 and 'targets = ["es", "fr"]' in out
    assert len(err) == 1 and "fr of the pair" in err[0] and "is not heard" in err[0]


def test_mistakes_go_to_stderr_alone(check, tmp_path):
    code, out, err = check(GOOD + "x = 1\n[box]\nname = 1\n")
    assert (code, out) == (78, [])
    assert err[0].startswith(f"{tmp_path}/boothd.toml:11: box.name: ")
    assert err[1].startswith(f"{tmp_path}/boothd.toml:9: audio.x: ")


def test_a_missing_file_is_a_mistake(check, tmp_path):
    assert check(None)[2][0].startswith(f"{tmp_path}/boothd.toml: no such file")


def test_what_a_run_would_need_is_told_beside_the_settings(check, monkeypatch):
    monkeypatch.delenv("PALABRA_API_KEY")
    code, out, err = check(GOOD)
    assert code == 78 and "# none" in out
    assert len(err) == 1 and err[0].startswith("credentials: none; write palabra-client-id")


def test_the_sample_lacks_only_what_it_marks_as_examples(check):
    sample = Path(__file__).parents[1] / "deploy" / "boothd.toml"
    code, _, err = check(sample.read_text())
    assert code == 78
    assert [line.split(":")[0] for line in err] == ["pair", "audio.input.device", "audio.output.device"]


def test_no_verb_is_a_question_of_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 1
    assert "check" in capsys.readouterr().out


LEFT_BEHIND = """
import sys, threading, time
import numpy, soxr
from service.cli import command_line

def work():
    stream = soxr.ResampleStream(48000 * 1.001, 48000, 1, dtype="float32", quality="HQ", vr=True)
    while True:
        stream.resample_chunk(numpy.zeros(4800, numpy.float32))

threading.Thread(target=work, name="line-out alsa:card=Hall", daemon=True).start()
time.sleep(0.05)
print("done", end="")
command_line.leave_threads(3)
"""


def test_a_card_thread_that_was_left_behind_does_not_abort_the_end():
    ended = subprocess.run([sys.executable, "-c", LEFT_BEHIND], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "done", "")
