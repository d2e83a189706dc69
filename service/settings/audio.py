"""The tables of sound: line-in and line-out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from service.settings import values
from service.settings.section import Device, Section
from service.settings.values import Duration


class AudioInput(Section):
    device: Device | None = None
    channel: Annotated[Literal["left", "right", "sum"] | int, BeforeValidator(values.channel)] = "left"
    gain_db: float = Field(default=0.0, ge=-60, le=60, allow_inf_nan=False)
    silence_dbfs: float = Field(default=-50.0, ge=-100, le=-20, allow_inf_nan=False)
    silence_alarm_after_s: Annotated[float, Duration("1s", "1h", per_s=True)] = Field(
        default=30.0, alias="silence_alarm_after"
    )


class AudioOutput(Section):
    device: Device | None = None
    playout_min_ms: Annotated[int, Duration("20ms", "500ms")] = Field(default=40, alias="playout_min")


class Audio(Section):
    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()
