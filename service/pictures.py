"""Levels and devices as JSON data: for the socket, and for the verbs that work without a box."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from service.core import loudness
from service.core.audio import Level
from service.core.devices import parse_device
from service.core.routes import channel_names
from service.settings import Settings
from service.sound.capture import Capture
from service.sound.enumeration import listing
from service.sound.line_out import LineOut
from service.sound.playback import Playback


def levels(settings: Settings, *, line_in: Capture, line_out: LineOut | None = None) -> dict[str, Any]:
    """How loud it is on every channel of what is open."""
    return {
        "inputs": [_heard(settings, line_in)],
        "outputs": [_loud(device, playback, _played(playback)) for device, playback in _outputs(settings, line_out)],
    }


def devices(
    settings: Settings | None, *, line_in: Capture | None = None, line_out: LineOut | None = None
) -> dict[str, Any]:
    """Every device of this machine, and what the settings use. Reads files."""
    uses = [] if settings is None else list(_uses(settings, line_in, line_out))
    return {"uses": uses, "devices": listing((parse_device(use["device"]), use) for use in uses)}


def _heard(settings: Settings, line_in: Capture) -> dict[str, Any]:
    """Every channel as the card gives it, and in its place the one that is heard as it goes on from there."""
    device, channel = str(settings.audio.input.device), str(settings.audio.input.channel)
    given = line_in.channel_levels
    channels = dict(zip(channel_names(len(given)), given, strict=True)) if len(given) > 1 else {}
    return {**_loud(device, line_in, channels | {channel: line_in.level}), "heard": channel}


def _uses(settings: Settings, line_in: Capture | None, line_out: LineOut | None) -> Iterator[dict[str, Any]]:
    if settings.audio.input.device is not None:
        channels = () if line_in is None else line_in.channel_levels
        yield {"use": "line-in", **_state(settings.audio.input.device, line_in), "channels": len(channels)}
    for device, playback in _outputs(settings, line_out):
        state = {**_state(device, playback), "channels": len(_played(playback))}
        yield {"use": "line-out", **state, "routes": list(_routes(settings, device))}


def _routes(settings: Settings, device: str) -> Iterator[dict[str, Any]]:
    """Those that lead to this device, by their numbers in the settings."""
    for number, route in enumerate(settings.audio.output.routes(), 1):
        if route.device == device:
            yield {"number": number, "target": route.target, "channel": route.channel}


def _outputs(settings: Settings, line_out: LineOut | None) -> list[tuple[str, Playback | None]]:
    if line_out is not None:
        return [(device, card.playback) for device, card in line_out.cards.items()]
    return [
        (device, None) for device in dict.fromkeys(route.device for route in settings.audio.output.routes()) if device
    ]


def _played(playback: Playback | None) -> dict[str, Level]:
    levels = () if playback is None else playback.levels
    return dict(zip(channel_names(len(levels)), levels, strict=True))


def _loud(device: str, line: Capture | Playback | None, levels: Mapping[str, Level]) -> dict[str, Any]:
    state = _state(device, line)
    shown = levels if state["open"] else {}
    return {**state, "levels": {name: loudness.as_json(level) for name, level in shown.items()}}


def _state(device: str, line: Capture | Playback | None) -> dict[str, Any]:
    """Whether it is open here; if it should be and is not, why."""
    lost = None if line is None else line.lost
    return {"device": device, "open": line is not None and lost is None, "lost": lost}
