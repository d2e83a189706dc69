"""Palabra's credentials: files of a directory, or at a desk the vendor's own variables. Exactly one kind."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from pydantic import SecretStr

from service.settings.environment import SECRETS_DIR
from service.settings.layer import Layer, Path

FILES = {
    "client_id": "palabra-client-id",
    "client_secret": "palabra-client-secret",
    "api_key": "palabra-api-key",
}
KEYS = {name: key for key, name in FILES.items()}
ENCRYPTED = ".encrypted"  # ends the name of a file that systemd decrypted for us: see systemd/boothd.service
VARIABLES = {key: name.upper().replace("-", "_") for key, name in FILES.items()}


def secret_files(environ: Mapping[str, str]) -> list[pathlib.Path]:
    """Where the credentials may stand: in BOOTHD_SECRETS_DIR, else in systemd's CREDENTIALS_DIRECTORY."""
    directory = environ.get(SECRETS_DIR) or environ.get("CREDENTIALS_DIRECTORY")
    names = [f"{name}{ending}" for name in FILES.values() for ending in ("", ENCRYPTED)]
    return [pathlib.Path(directory) / name for name in names] if directory else []


def secrets_layer(environ: Mapping[str, str]) -> tuple[Layer, list[str]]:
    """The credentials and the mistakes in them. Files and variables do not mix: any file hides all the variables."""
    secrets: dict[str, SecretStr] = {}
    places: dict[str, str] = {}
    mistakes: list[str] = []
    if environ.get(SECRETS_DIR) and not pathlib.Path(environ[SECRETS_DIR]).is_dir():
        mistakes.append(f"{SECRETS_DIR}: {environ[SECRETS_DIR]} is no directory; create it or unset the variable")
    for path in secret_files(environ):
        key = KEYS[path.name.removesuffix(ENCRYPTED)]
        try:
            text = _read(path)
            if text is not None and key in secrets:
                raise ValueError(f"stands beside {places[key]}; keep one of them")
            if text is not None:
                secrets[key], places[key] = _secret(text), str(path)
        except ValueError as error:
            mistakes.append(f"{path}: {error}")
    if not secrets and not mistakes:
        for key, name in VARIABLES.items():
            try:
                if environ.get(name):
                    secrets[key], places[key] = _secret(environ[name]), name
            except ValueError as error:
                mistakes.append(f"{name}: {error}")
    if not mistakes:
        mistakes = _kinds(places)

    def place(at: Path) -> str:
        return next((places[key] for key in map(str, at) if key in places), "credentials")

    return Layer({"credentials": secrets}, place), mistakes


def _read(path: pathlib.Path) -> str | None:
    try:
        return path.read_bytes().decode("latin-1").rstrip("\r\n")  # decodes anything; _secret judges it
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}); mend its type or permissions") from None


def _secret(text: str) -> SecretStr:
    if not text.strip():
        raise ValueError("is empty; write the credential into it or remove it")
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError(
            "is not one word of plain characters; write the credential alone into it, as one line; "
            f"the name of one encrypted by systemd-creds has to end in {ENCRYPTED}"
        )
    return SecretStr(text)


def _kinds(places: Mapping[str, str]) -> list[str]:
    """Both kinds at once, or half of one."""
    names = ", ".join(places.values())
    if "api_key" in places and len(places) > 1:
        return [f"{names}: two kinds of credentials; keep the API key or the client id with its secret, not both"]
    for key, other in (("client_id", "client_secret"), ("client_secret", "client_id")):
        if key in places and other not in places:
            return [f"{names}: half of a credential; {FILES[other]} is missing beside it"]
    return []
