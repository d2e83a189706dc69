"""Every knob: its key, its default, its limits. `deploy/boothd.toml` is the manual of the same keys.

The key in TOML is the field's name or its alias; a duration is text with a unit there ("30ms") and a number with the
unit in its name here (`playout_min_ms`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    Strict,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from service.core.languages import AUTO, LanguagePair, Menu
from service.core.session import ENCRYPTED
from service.core.switching import conflicts
from service.settings import pins, routes, values
from service.settings.audio import Audio, Fallback
from service.settings.clashes import Clash, refuse
from service.settings.pins import Buttons, Lamps
from service.settings.section import Section, Source, Target, Text, Texts
from service.settings.values import Duration

SCHEMA = 1
INSTANT = 'session.switching = "instant"; make both the same, or write "task"'

QueueLevelMs = Annotated[int, Duration("100ms", "2m")]


def _schema(number: int) -> int:
    if number != SCHEMA:
        raise ValueError(f"this program reads schema {SCHEMA}; write schema = {SCHEMA} and compare with the sample")
    return number


class Box(Section):
    name: Text = "boothd"
    autostart: Literal["off", "always", "resume"] = "off"


class Palabra(Section):
    base_url: Annotated[str, AfterValidator(values.base_url)] = "https://api.palabra.ai"
    request_timeout_s: Annotated[float, Duration("1s", "2m", per_s=True)] = Field(default=10.0, alias="request_timeout")

    @property
    def is_encrypted(self) -> bool:
        """Whether certificates, and so their dates, are looked at."""
        return urlsplit(self.base_url).scheme in ENCRYPTED


class Session(Section):
    subscriber_count: int = Field(default=0, ge=0, le=10)
    intent: Literal["api", "broadcaster", "desktop"] = "api"
    control: Literal["auto", "websocket", "datachannel"] = "auto"
    transport: Literal["auto", "webrtc", "websocket"] = "auto"
    transport_fallback_after_s: Annotated[float, Duration("5s", "10m", per_s=True)] = Field(
        default=20.0, alias="transport_fallback_after"
    )
    switching: Literal["task", "instant"] = "task"
    publisher_can_subscribe: bool = False
    max_session_s: Annotated[float | None, Duration("1m", "720h", per_s=True)] = Field(
        default=None, alias="max_session"
    )
    end_timeout_s: Annotated[float, Duration("100ms", "10s", per_s=True)] = Field(default=2.0, alias="end_timeout")
    idle_pause_after_s: Annotated[float | None, Duration("30s", "1h", per_s=True)] = Field(
        default=None, alias="idle_pause_after"
    )


class Time(Section):
    wait_for_sync_s: Annotated[float, Duration("0s", "10m", per_s=True)] = Field(default=90.0, alias="wait_for_sync")


class Pair(Section):
    name: Text
    source: Source
    target: Target | None = None
    targets: Annotated[tuple[Target, ...], Strict(False)] = ()
    detectable_languages: Annotated[tuple[Target, ...], Strict(False)] = ()
    voice_id: Text | None = None
    hotwords_glossaries: Texts = ()
    verification_glossaries: Texts = ()
    translation_glossaries: Texts = ()
    desired_queue_level_ms: QueueLevelMs | None = Field(default=None, alias="desired_queue_level")
    max_queue_level_ms: QueueLevelMs | None = Field(default=None, alias="max_queue_level")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        refuse(self._clashes())
        return self

    def _clashes(self) -> Iterator[Clash]:
        if (self.target is None) == (not self.targets):
            yield Clash((), 'needs either target = "es" or targets = ["es", "fr"], exactly one of the two')
        if len(set(self.targets)) < len(self.targets):
            yield Clash(("targets",), "names a language twice; name each once")
        if self.source == AUTO and not self.detectable_languages:
            yield Clash(("source",), '"auto" needs detectable_languages = ["en", "es"], the few that may be spoken')
        if self.source != AUTO and self.detectable_languages:
            yield Clash(("detectable_languages",), 'is for source = "auto" only; take it away')
        desired_ms, max_ms = self.desired_queue_level_ms, self.max_queue_level_ms
        if desired_ms is not None and max_ms is not None and max_ms <= desired_ms:
            yield Clash(("max_queue_level",), "must exceed desired_queue_level; raise this or lower that")

    def language_pair(self) -> LanguagePair:
        """The same as the core's word."""
        return LanguagePair(
            name=self.name,
            source=self.source,
            targets=(self.target,) if self.target else self.targets,
            detectable=self.detectable_languages,
            voice_id=self.voice_id,
            hotwords_glossary_ids=self.hotwords_glossaries,
            verification_glossary_ids=self.verification_glossaries,
            translation_glossary_ids=self.translation_glossaries,
            desired_queue_level_ms=self.desired_queue_level_ms,
            max_queue_level_ms=self.max_queue_level_ms,
        )


class Http(Section):
    socket: Annotated[str, AfterValidator(values.socket_path)] = "/run/boothd/control.sock"


class Log(Section):
    captions: bool = False
    level: Literal["trace", "debug", "info", "warning", "error"] = "info"


class Credentials(Section):
    """Never in a settings file: see secrets.py."""

    client_id: SecretStr | None = None
    client_secret: SecretStr | None = None
    api_key: SecretStr | None = None


class Settings(BaseSettings):
    """Every setting of the box. `Settings()` is the defaults; `load` reads what people wrote."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        case_sensitive=True,
        env_prefix="BOOTHD_",
        env_nested_delimiter="__",
    )

    schema_version: Annotated[int, AfterValidator(_schema)] = Field(default=SCHEMA, alias="schema")
    box: Box = Box()
    palabra: Palabra = Palabra()
    session: Session = Session()
    time: Time = Time()
    pair: Annotated[tuple[Pair, ...], Strict(False)] = ()
    audio: Audio = Audio()
    fallback: Fallback = Fallback()
    lamps: Lamps = Lamps()
    buttons: Buttons = Buttons()
    http: Http = Http()
    log: Log = Log()
    credentials: Credentials = Credentials()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read behind the caller's back: `load` hands over the sources, in their order."""
        return (init_settings,)

    @field_validator("pair")
    @classmethod
    def _names_differ(cls, pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
        names = [pair.name for pair in pairs]
        refuse(
            Clash((index, "name"), f'"{name}" is the name of an earlier pair; give each pair its own')
            for index, name in enumerate(names)
            if name in names[:index]
        )
        return pairs

    @field_validator("pair")
    @classmethod
    def _can_be_switched(cls, pairs: tuple[Pair, ...], info: ValidationInfo) -> tuple[Pair, ...]:
        if info.data.get("session", Session()).switching == "instant":
            found = conflicts(Menu(tuple(pair.language_pair() for pair in pairs)))
            refuse(
                Clash((one.place, one.key), f'differs from "{one.earlier}", with which it is one task while {INSTANT}')
                for one in found
            )
        return pairs

    @field_validator("lamps", "buttons")
    @classmethod
    def _pins_differ(cls, section: Lamps | Buttons, info: ValidationInfo) -> Lamps | Buttons:
        lamps = info.data.get("lamps", Lamps()) if isinstance(section, Buttons) else Lamps()
        refuse(pins.clashes([("lamps", lamps), (str(info.field_name), section)]))
        return section

    @field_validator("audio")
    @classmethod
    def _first_words_are_kept(cls, audio: Audio, info: ValidationInfo) -> Audio:
        if info.data.get("session", Session()).idle_pause_after_s is not None and not audio.input.pre_roll_s:
            text = 'is "0s", and session.idle_pause_after would lose the first word after a silence; give it 2s or more'
            refuse([Clash(("input", "pre_roll"), text)])
        return audio

    @field_validator("audio")
    @classmethod
    def _routes_fit(cls, audio: Audio, info: ValidationInfo) -> Audio:
        pairs = [pair.language_pair() for pair in info.data.get("pair", ())]
        if audio.output.route:
            found = routes.clashes(audio.output.routes(), pairs)
            refuse(Clash(("output", "route", *clash.at), clash.text) for clash in found)
        return audio

    def menu(self) -> Menu:
        """The pairs in the order of the LANG button. Empty only where `missing_for_run` says so."""
        return Menu(tuple(pair.language_pair() for pair in self.pair))

    def unheard(self) -> list[str]:
        """Targets that no route of line-out takes anywhere: no mistake, but hardly meant. A line each."""
        return routes.unheard_targets(self.audio.output.routes(), self.menu().pairs)
