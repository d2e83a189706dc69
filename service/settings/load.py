"""From the sources to the settings, or to all the mistakes at once."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from pydantic_settings import InitSettingsSource

from service.core.errors import BadSettings, Cause, FaultCode
from service.settings.environment import SECRETS_DIR, environment_layer
from service.settings.files import Unreadable, drop_ins, file_layer
from service.settings.layer import Layer
from service.settings.mistakes import explain
from service.settings.model import Settings
from service.settings.secrets import secrets_layer

RUNTIME_DIRECTORY = "RUNTIME_DIRECTORY"
NO_CREDENTIALS = (
    "credentials: none; write palabra-client-id and palabra-client-secret, or palabra-api-key, into systemd's "
    f"credentials or into a directory named by {SECRETS_DIR}, or set PALABRA_API_KEY"
)


class BadCredentials(BadSettings):
    """The credentials are all that is wrong; `others` are the settings without them."""

    code, cause = FaultCode.CREDENTIALS, Cause.CREDENTIALS

    def __init__(self, text: str, *, others: Settings) -> None:
        super().__init__(text)
        self.others = others


def load(path: pathlib.Path | None, *, environ: Mapping[str, str], for_run: bool = False) -> Settings:
    """The settings of the main file at `path` with all that stands over and under it.

    None reads no file: with an empty environment that gives the defaults. `for_run` asks for what a session needs
    besides (`missing_for_run`). Raises BadSettings; its text is one line per mistake, each with its place (file and
    line, or variable), the key, what is wrong and the remedy, and never a secret. BadCredentials, where they are all.
    """
    layers, mistakes, of_credentials, unread = _layers(path, environ)
    settings, wrong = _settings(layers, whole=not unread)
    mistakes = unread + mistakes + of_credentials + wrong
    if settings is not None and for_run and not mistakes:
        mistakes = missing_for_run(settings)
    text = "\n".join(map(_one_line, mistakes))
    if settings is not None and mistakes and set(mistakes) <= {*of_credentials, NO_CREDENTIALS}:
        raise BadCredentials(text, others=settings)
    if settings is None or mistakes:
        raise BadSettings(text)
    return settings


def defaults(environ: Mapping[str, str]) -> Settings:
    """What holds where nobody has written anything; of the environment only systemd's choice for sockets counts."""
    return load(None, environ={name: text for name, text in environ.items() if name == RUNTIME_DIRECTORY})


def missing_for_run(settings: Settings) -> list[str]:
    """What `boothd run` needs and nobody has set; one line each, with the remedy."""
    credentials = settings.credentials
    missing = []
    if not settings.pair:
        missing.append('pair: no languages; add [[pair]] with name = "EN to ES", source = "en", target = "es"')
    devices = {
        "input": settings.audio.input.device,
        "output": all(each.device for each in settings.audio.output.routes()),
    }
    for key, named in devices.items():
        if not named:
            missing.append(f'audio.{key}.device: no sound card; set it, for example device = "alsa:card=Device"')
    if credentials.client_id is None and credentials.api_key is None:
        missing.append(NO_CREDENTIALS)
    return missing


def _layers(
    path: pathlib.Path | None, environ: Mapping[str, str]
) -> tuple[list[Layer], list[str], list[str], list[str]]:
    """Highest first; the mistakes that are no matter of the model, and those of credentials; and the files that could
    not be read."""
    variables, mistakes = environment_layer(environ)
    secrets, of_credentials = secrets_layer(environ)
    files: list[Layer] = []
    unread: list[str] = []
    paths: list[pathlib.Path] = []
    if path is not None:
        paths.append(path)
        try:
            paths += drop_ins(path)
        except Unreadable as error:
            unread.append(str(error))
    for each in paths:
        try:
            layer, wrong = file_layer(each)
        except Unreadable as error:
            unread.append(str(error))
            continue
        files.insert(0, layer)
        mistakes += wrong
    return [variables, secrets, *files, *_runtime_directory(environ)], mistakes, of_credentials, unread


def _one_line(mistake: str) -> str:
    """A key or name with control characters must not break the line, nor reach a terminal."""
    return "".join(character if character.isprintable() else "?" for character in mistake)


def _runtime_directory(environ: Mapping[str, str]) -> list[Layer]:
    """systemd's choice for sockets stands above the default only."""
    directory = environ.get(RUNTIME_DIRECTORY, "").split(":")[0]
    if not directory:
        return []
    return [Layer({"http": {"socket": f"{directory}/control.sock"}}, lambda path: RUNTIME_DIRECTORY)]


def _settings(layers: Sequence[Layer], *, whole: bool) -> tuple[Settings | None, list[str]]:
    sources = tuple(InitSettingsSource(Settings, layer.data) for layer in layers)
    try:
        # mypy sees the fields only, not BaseSettings' own arguments.
        return Settings(_build_sources=(sources, {})), []  # type: ignore[call-arg]
    except ValidationError as error:
        # What is missing may stand in the file that could not be read.
        return None, explain(error, layers, missing=whole)
