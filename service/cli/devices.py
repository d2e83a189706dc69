"""`boothd devices`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Literal

from service import settings
from service.cli import options as common
from service.cli.exits import code_of
from service.core.audio import RATE_HZ
from service.core.devices import parse_device
from service.core.errors import BadSettings
from service.web.client import fetch

HELP = "every sound device, as the settings name it, and what it can do"

WAYS: tuple[tuple[str, Literal["input", "output"], str], ...] = (
    ("line-in", "input", "captures"),
    ("line-out", "output", "plays"),
)
HELD = f"in use by the daemon: {RATE_HZ} Hz"
BUSY = "Device or resource busy"


def add_options(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    common.add_config(verb)
    common.add_socket(verb)
    verb.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace) -> int:
    """Show every device. What the daemon has open is not touched."""
    return code_of("devices", _show(options))


async def _show(options: argparse.Namespace) -> None:
    socket = await common.daemon(options)
    if socket is None:
        source, picture = _own(options)
    else:
        source, picture = f"the daemon on {socket}", await fetch(socket, "/v1/devices")
    for device in picture["devices"]:  # one after the other: two names may mean one card, which then is busy
        await asyncio.to_thread(_look_at, device)
    if options.json:
        print(json.dumps({"settings_of": source, **picture}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(told(source, picture)))


def _own(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    from service import pictures

    try:
        return f"{options.config} (no daemon runs)", pictures.devices(settings.load(options.config, environ=os.environ))
    except BadSettings:  # whoever writes the settings needs this list
        return "nobody: no daemon runs, and they cannot be used yet, see boothd check", pictures.devices(None)


def _look_at(device: dict[str, Any]) -> None:
    """Add its mixer's controls, and what it can do each way that it has. What the daemon has open is left alone."""
    from service.sound.abilities import Ability, look

    has = [(use, way) for use, way, has_it in WAYS if device[has_it] is not False]
    opened = {one["use"]: one["channels"] for one in device["uses"] if one["open"]}
    held = {way: f"{HELD}; channels: {opened[use]}" for use, way in has if use in opened}
    found = look(parse_device(device["devices"][0]), [way for _, way in has if way not in held])
    abilities = found.ways | {way: Ability(problem=how) for way, how in held.items()}
    device["mixer"] = found.mixer
    for _, way, _ in WAYS:
        device[way] = None if way not in abilities else {**asdict(abilities[way]), "fits": abilities[way].fits}


def told(source: str, picture: dict[str, Any]) -> Iterator[str]:
    """The picture for a person, line by line."""
    yield f"The settings are those of {source}."
    for use in picture["uses"]:
        found = any(use in device["uses"] for device in picture["devices"])
        absent = not found and use["device"].startswith(("alsa:card=", "alsa:usb="))
        yield _row(use["use"], use["device"] + (": not there" if absent else f": {use['lost']}" if use["lost"] else ""))
        yield from (
            _row("", f"route {route['number']}: {route['target']}, {route['channel']}") for route in _named(use)
        )
    for device in picture["devices"]:
        yield ""
        yield device["name"] + "".join(f" [{use['use']}]" for use in device["uses"])
        yield _row("write", " or ".join(device["devices"]))
        for use, way, _ in WAYS:
            if device[way] is not None:
                yield _row(use, _can(device[way]))
                yield from _controls(device["mixer"][way])
    if not picture["devices"]:
        yield "\nALSA knows no sound device on this machine."


def _named(use: dict[str, Any]) -> list[dict[str, Any]]:
    """The routes that somebody has written: the one that is there without has no target."""
    return [route for route in use.get("routes", ()) if route["target"] is not None]


def _controls(mixer: dict[str, str]) -> Iterator[str]:
    """As the settings take it."""
    if mixer:
        written = ", ".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in mixer.items())
        yield _row("", f"mixer = {{ {written} }}")


def _row(name: str, text: str) -> str:
    return f"  {name:<9} {text}"


def _can(ability: dict[str, Any]) -> str:
    if ability["problem"] is not None:
        return "busy: another program has it open" if BUSY in ability["problem"] else str(ability["problem"])
    rates = (" to " if ability["every_rate_between"] else ", ").join(map(str, ability["rates_hz"]))
    channels = ", ".join(map(str, ability["channels"]))
    return f"{rates} Hz; channels: {channels}{'' if ability['fits'] else '; by way of conversions of ALSA'}"
