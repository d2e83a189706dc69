import os

import pytest

from service.settings import fingerprint


@pytest.fixture
def house(tmp_path):
    (tmp_path / "boothd.toml").write_text("schema = 1\n")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10-a.toml").write_text("")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "palabra-api-key").write_text("key")
    return tmp_path


def seen(house):
    return fingerprint(house / "boothd.toml", environ={"CREDENTIALS_DIRECTORY": str(house / "secrets")})


def replace_with_same_size_and_time(house):
    path = house / "boothd.toml"
    before = path.stat()
    (house / "new").write_text("schema = 2\n")
    os.utime(house / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (house / "new").rename(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda house: (house / "boothd.toml").write_text("schema = 1\n\n"),
        lambda house: (house / "boothd.toml").unlink(),
        replace_with_same_size_and_time,
        lambda house: (house / "boothd.toml").chmod(0o600),
        lambda house: (house / "conf.d" / "20-b.toml").write_text(""),
        lambda house: (house / "conf.d" / "10-a.toml").unlink(),
        lambda house: (house / "conf.d" / "10-a.toml").rename(house / "conf.d" / "11-a.toml"),
        lambda house: (house / "secrets" / "palabra-client-id").write_text("id"),
        lambda house: (house / "secrets" / "palabra-api-key").write_text("other"),
    ],
)
def test_each_change_is_seen(house, change):
    before = seen(house)
    assert seen(house) == before
    change(house)
    assert seen(house) != before


def test_strangers_files_do_not_matter(house):
    before = seen(house)
    (house / "other.toml").write_text("")
    (house / "secrets" / "other").write_text("")
    assert seen(house) == before


def test_it_never_raises(tmp_path):
    (tmp_path / "conf.d").write_text("not a directory")
    fingerprint(tmp_path / "boothd.toml", environ={"BOOTHD_SECRETS_DIR": "/nowhere"})
    assert fingerprint(None, environ={}) == ()
