import pytest

from service.settings.secrets import secret_files, secrets_layer


@pytest.fixture
def directory(tmp_path):
    def write(**files):
        for name, content in files.items():
            (tmp_path / f"palabra-{name.replace('__', '.').replace('_', '-')}").write_bytes(content)
        return {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    return write


def read(environ):
    layer, mistakes = secrets_layer(environ)
    return {key: secret.get_secret_value() for key, secret in layer.data["credentials"].items()}, mistakes


def test_files_lose_their_closing_newline(directory):
    environ = directory(client_id=b"id\n", client_secret=b"secret\r\n")
    assert read(environ) == ({"client_id": "id", "client_secret": "secret"}, [])
    assert read(directory(api_key=b"key"))[0]["api_key"] == "key"


def test_a_directory_of_our_own_goes_before_systemds(directory, tmp_path):
    environ = {**directory(api_key=b"key"), "CREDENTIALS_DIRECTORY": "/nowhere", "BOOTHD_SECRETS_DIR": str(tmp_path)}
    assert read(environ) == ({"api_key": "key"}, [])
    assert secret_files(environ)[0] == tmp_path / "palabra-client-id"


def test_one_that_systemd_has_decrypted_has_a_name_of_its_own(directory):
    assert read(directory(api_key__encrypted=b"key")) == ({"api_key": "key"}, [])


def test_the_vendors_variables_serve_where_there_is_no_file(directory):
    desk = {"PALABRA_CLIENT_ID": "id", "PALABRA_CLIENT_SECRET": "secret", "PALABRA_API_KEY": ""}
    assert read(desk) == ({"client_id": "id", "client_secret": "secret"}, [])
    assert read({**desk, **directory()}) == ({"client_id": "id", "client_secret": "secret"}, [])


def test_files_and_variables_do_not_mix(directory):
    environ = {"PALABRA_CLIENT_ID": "id", "PALABRA_CLIENT_SECRET": "secret", **directory(api_key=b"key")}
    assert read(environ) == ({"api_key": "key"}, [])
    environ = {"PALABRA_API_KEY": "key", **directory(api_key=b"")}
    assert read(environ)[0] == {}  # a broken file is mended, not passed over


def test_none_is_no_mistake_here(directory):
    assert read({}) == ({}, [])
    assert read(directory()) == ({}, [])


@pytest.mark.parametrize(
    ("files", "fragments"),
    [
        ({"api_key": b""}, ["palabra-api-key: is empty", "write the credential"]),
        ({"api_key": b"\n"}, ["palabra-api-key: is empty"]),
        ({"client_id": b"   \n", "client_secret": b"s"}, ["palabra-client-id: is empty"]),
        ({"api_key": b"hunter2\nhunter2\n"}, ["palabra-api-key: is not one word of plain", "one line"]),
        ({"api_key": b"hunter2=\nhunter2\n"}, ["systemd-creds has to end in .encrypted"]),
        ({"api_key": b"hunter2", "api_key__encrypted": b"hunter2"}, ["palabra-api-key; keep one of them"]),
        ({"api_key": b"key = hunter2"}, ["palabra-api-key: is not one word of plain"]),
        ({"api_key": b"hunter2\xff"}, ["palabra-api-key: is not one word of plain"]),
        ({"api_key": "hunter2é".encode()}, ["palabra-api-key: is not one word of plain"]),
        ({"client_id": b"hunter2"}, ["palabra-client-id: half of a credential", "palabra-client-secret is missing"]),
        (
            {"client_secret": b"hunter2"},
            ["palabra-client-secret: half of a credential", "palabra-client-id is missing"],
        ),
        ({"api_key": b"hunter2", "client_id": b"hunter2"}, ["palabra-api-key: two kinds", "not both"]),
        ({"api_key": b"hunter2", "client_id": b"i", "client_secret": b"s"}, ["two kinds", "keep the API key or"]),
    ],
)
def test_a_bad_file_is_named_by_its_path_and_never_by_its_content(directory, tmp_path, files, fragments):
    _, mistakes = read(directory(**files))
    assert len(mistakes) == 1
    assert str(tmp_path) in mistakes[0] and "hunter2" not in mistakes[0]
    for fragment in fragments:
        assert fragment in mistakes[0]


def test_what_cannot_be_read_is_named(directory, tmp_path):
    (tmp_path / "palabra-api-key").mkdir()
    assert "palabra-api-key: cannot be read (Is a directory)" in read(directory())[1][0]


def test_variables_are_judged_alike():
    assert (
        "PALABRA_CLIENT_ID, PALABRA_API_KEY: two kinds"
        in read({"PALABRA_CLIENT_ID": "i", "PALABRA_API_KEY": "k"})[1][0]
    )
    assert "PALABRA_API_KEY: is not one word" in read({"PALABRA_API_KEY": "k\n"})[1][0]
    assert "PALABRA_CLIENT_ID: half" in read({"PALABRA_CLIENT_ID": "i"})[1][0]


def test_a_directory_that_is_not_there_is_a_mistake():
    assert read({"BOOTHD_SECRETS_DIR": "/nowhere/at/all"})[1][0].startswith("BOOTHD_SECRETS_DIR: /nowhere/at/all is no")
