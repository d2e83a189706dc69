"""Levels and mute switches of a card's mixer: many cards, HATs above all, are silent until somebody sets them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

import alsaaudio

log = logging.getLogger(__name__)


def set_controls(device: str, controls: Mapping[str, str], *, direction: int, key: str) -> None:
    """Set the controls by their names ("PCM,1" is the second of that name): "80%" of the range, which switches on as
    well, "on" or "off". What cannot be set is told, and sound goes on as it is."""
    if not controls:
        return
    try:
        names = alsaaudio.mixers(device=device)
    except alsaaudio.ALSAAudioError as problem:
        log.warning("%s: there is no mixer (%s)", key, problem)
        return
    for name, value in controls.items():
        base, _, number = name.partition(",")
        try:
            with contextlib.closing(alsaaudio.Mixer(base, int(number or 0), device=device)) as control:
                _set(control, value, direction)
        except (alsaaudio.ALSAAudioError, ValueError) as problem:
            there = ", ".join(dict.fromkeys(names)) or "none"
            log.warning('%s: "%s" cannot be set to "%s" (%s); controls: %s', key, name, value, problem, there)


def read_controls(device: str) -> dict[str, dict[str, str]]:
    """The controls of the "input" and of the "output" side, as the settings would write them."""
    found: dict[str, dict[str, str]] = {"input": {}, "output": {}}
    try:
        names = alsaaudio.mixers(device=device)
    except alsaaudio.ALSAAudioError:  # there is no mixer
        return found
    for place, base in enumerate(names):
        number = names[:place].count(base)
        with contextlib.closing(alsaaudio.Mixer(base, number, device=device)) as control:
            for side, direction in (("input", alsaaudio.PCM_CAPTURE), ("output", alsaaudio.PCM_PLAYBACK)):
                if (value := _read(control, direction)) is not None:
                    found[side][f"{base},{number}" if number else base] = value
    return found


def _read(control: Any, side: int) -> str | None:
    """None where the control has neither level nor switch on this side."""
    levels = control.getvolume(side)
    try:
        switches = control.getrec() if side == alsaaudio.PCM_CAPTURE else [not mute for mute in control.getmute()]
    except alsaaudio.ALSAAudioError:
        switches = []
    if switches and not any(switches):
        return "off"
    return f"{max(levels)}%" if levels else "on" if switches else None


def _set(control: Any, value: str, direction: int) -> None:
    def switch(side: int) -> None:
        if side == alsaaudio.PCM_CAPTURE:
            control.setrec(int(value != "off"))
        else:
            control.setmute(int(value == "off"))

    if value in ("on", "off"):
        _on_a_side(switch, direction)
        return
    percent = int(value.removesuffix("%"))
    _on_a_side(lambda side: control.setvolume(percent, alsaaudio.MIXER_CHANNEL_ALL, side), direction)
    with contextlib.suppress(alsaaudio.ALSAAudioError):  # not every level has a switch
        _on_a_side(switch, direction)


def _on_a_side(act: Callable[[int], object], direction: int) -> None:
    """On the side of this direction, or on the other one where a control has only that."""
    try:
        act(direction)
    except alsaaudio.ALSAAudioError:
        act(alsaaudio.PCM_PLAYBACK if direction == alsaaudio.PCM_CAPTURE else alsaaudio.PCM_CAPTURE)
