"""The tables of sound: line-in and line-out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from service.core.routes import OutputChannel, Route
from service.settings import values
from service.settings.section import Device, Section, Target
from service.settings.values import Duration

Controls = dict[str, Annotated[str, AfterValidator(values.control)]]


class AudioInput(Section):
    device: Device | None = None
    channel: Annotated[Literal["left", "right", "sum"] | int, BeforeValidator(values.channel)] = "left"
    gain_db: float = Field(default=0.0, ge=-60, le=60, allow_inf_nan=False)
    mixer: Controls = {}
    pre_roll_s: Annotated[float, Duration("0s", "4s", per_s=True)] = Field(default=2.5, alias="pre_roll")
    silence_dbfs: float = Field(default=-50.0, ge=-100, le=-20, allow_inf_nan=False)
    silence_alarm_after_s: Annotated[float, Duration("1s", "1h", per_s=True)] = Field(
        default=30.0, alias="silence_alarm_after"
    )


OutputGain = Annotated[float, Field(ge=-60, le=20, allow_inf_nan=False)]


class OutputRoute(Section):
    """One target's way out; what it leaves out it takes from [audio.output]."""

    target: Target | None = None
    device: Device | None = None
    channel: OutputChannel | None = None
    gain_db: OutputGain | None = None


class AudioOutput(Section):
    device: Device | None = None
    channel: OutputChannel = "both"
    gain_db: OutputGain = 0.0
    mixer: Controls = {}
    max_dbfs: float = Field(default=-3.0, ge=-40, le=0, allow_inf_nan=False)
    spl_at_full_scale: Annotated[float, Field(ge=80, le=150, allow_inf_nan=False)] | None = None
    ramp_ms: Annotated[int, Duration("20ms", "50ms")] = Field(default=30, alias="ramp")
    playout_min_ms: Annotated[int, Duration("20ms", "500ms")] = Field(default=20, alias="playout_min")
    off_air: Literal["silence", "floor"] = "silence"
    floor_mix_db: Annotated[float, Field(ge=-60, le=0, allow_inf_nan=False)] | None = None
    floor_mix_delay_ms: Annotated[int, Duration("0ms", "20s")] = Field(default=0, alias="floor_mix_delay")
    route: Annotated[tuple[OutputRoute, ...], Strict(False)] = ()

    def routes(self) -> tuple[Route, ...]:
        """Those that are given, or else the one of the first target. A device that nobody has named is ""."""
        return tuple(
            Route(
                device=route.device or self.device or "",
                target=route.target,
                channel=route.channel or self.channel,
                gain_db=self.gain_db if route.gain_db is None else route.gain_db,
            )
            for route in self.route or (OutputRoute(),)
        )


class Fallback(Section):
    """What stands in for a translation that is gone."""

    mode: Literal["floor", "silence", "tone"] = "floor"
    after_s: Annotated[float, Duration("1s", "10m", per_s=True)] = Field(default=6.0, alias="after")
    return_after_s: Annotated[float, Duration("0ms", "10m", per_s=True)] = Field(default=3.0, alias="return_after")
    crossfade_ms: Annotated[int, Duration("20ms", "2s")] = Field(default=250, alias="crossfade")


class Audio(Section):
    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()
