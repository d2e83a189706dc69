"""The verbs that ask a running daemon for one thing: start, stop, pause, resume, lang, mute, floor, ack, identify."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from service.cli import options as common
from service.cli.exits import Failed, code_of
from service.core.errors import FaultCode
from service.core.exit_codes import OF_FAULTS, TRY_AGAIN, VENDOR_REFUSED
from service.web.client import fetch, follow, send

WAIT_S = 30.0
_ON = {"on": True, "off": False, "toggle": None}

Picture = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """One verb: where it goes, what it says, what tells that it has come about."""

    HELP: str
    path: str
    body: Callable[[argparse.Namespace], Picture | None]  # None: only say how things are
    told: Callable[[Picture], str]
    add_arguments: Callable[[argparse.ArgumentParser], object] = lambda verb: None
    done: Callable[[Picture], bool] | None = None  # for --wait

    def add_options(self, verb: argparse.ArgumentParser) -> None:
        """What it is told."""
        common.add_config(verb)
        common.add_socket(verb)
        self.add_arguments(verb)
        if self.done is not None:
            verb.add_argument(
                *("--wait",),
                nargs="?",
                type=common.seconds,
                const=WAIT_S,
                metavar="SECONDS",
                help=f"until it has come about, or cannot (without a number: {WAIT_S:g} s)",
            )

    def run(self, options: argparse.Namespace) -> int:
        """Ask, perhaps wait, and say what came of it."""
        return code_of(options.verb, self._ask(options))

    async def _ask(self, options: argparse.Namespace) -> None:
        socket = common.socket_of(options)
        body = self.body(options)
        picture = await fetch(socket, "/v1/status")
        if body is not None:
            await send(socket, self.path, body)
            picture = await fetch(socket, "/v1/status")
        if self.done is not None and options.wait is not None:
            try:
                async with asyncio.timeout(options.wait):
                    async for picture in follow(socket, "/v1/events"):
                        if self.done(picture):
                            break
                        _raise_fault(picture)
            except TimeoutError:
                raise Failed(f"not within {options.wait:g} s: {self.told(picture)}", TRY_AGAIN) from None
        print(self.told(picture))


def _raise_fault(picture: Picture) -> None:
    if picture["phase"] == "fault":
        fault = picture["fault"]
        raise Failed(fault["detail"], OF_FAULTS[FaultCode(fault["code"])])
    if picture.get("refusal") is not None:
        raise Failed(picture["refusal"], VENDOR_REFUSED)


def _session(action: str, help_: str, done: Callable[[Picture], bool]) -> Order:
    return Order(help_, "/v1/session", lambda _: {"action": action}, _phase, done=done)


def _phase(picture: Picture) -> str:
    fault = picture.get("fault")
    return f"{picture['phase']}: {fault['detail']}" if fault else str(picture["phase"])


def _switch(help_: str, path: str, told: Callable[[Picture], str]) -> Order:
    def add(verb: argparse.ArgumentParser) -> None:
        verb.add_argument("state", nargs="?", choices=_ON, default="toggle", help="default: %(default)s")

    return Order(help_, path, lambda options: {"on": _ON[options.state]}, told, add)


def _language(options: argparse.Namespace) -> Picture | None:
    words: list[str] = options.pair
    if not words:
        return None
    if words in (["next"], ["previous"]):
        return {"step": words[0]}
    if len(words) == 2 and all(len(word) <= 8 for word in words):
        return {"source": words[0].lower(), "target": words[1].lower()}
    return {"pair": " ".join(words)}


def _menu(picture: Picture) -> str:
    marks = {picture["wanted"]: "wanted", picture["confirmed"]: "confirmed"}
    lines = []
    for pair in picture["menu"]:
        name = pair["name"]
        lines.append(f"{name:<24} {pair['source']} to {', '.join(pair['targets']):<12} {marks.get(name, '')}".rstrip())
    return "\n".join(lines)


def _pair(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "pair",
        nargs="*",
        metavar="PAIR",
        help="a name of the menu, or two languages, or next, or previous; none: the menu",
    )


VERBS = {
    "start": _session("start", "go on air, or on after a pause", lambda picture: picture["phase"] == "live"),
    "stop": _session("stop", "end the session", lambda picture: picture["phase"] == "ready"),
    "pause": _session("pause", "stop the meter, keep the session", lambda picture: picture["phase"] == "paused"),
    "resume": _session("resume", "go on after a pause", lambda picture: picture["phase"] == "live"),
    "lang": Order(
        "choose a language pair, or show the menu",
        "/v1/language",
        _language,
        _menu,
        _pair,
        done=lambda picture: picture["wanted"] == picture["confirmed"],
    ),
    "mute": _switch("silence line-out", "/v1/mute", lambda picture: "muted" if picture["muted"] else "not muted"),
    "floor": _switch(
        "let line-out play the speaker's own sound",
        "/v1/floor",
        lambda picture: f"floor {'' if picture['floor']['chosen'] else 'not '}chosen",
    ),
    "ack": Order(
        "say that the alarm was seen",
        "/v1/alert/ack",
        lambda _: {},
        lambda picture: "acknowledged" if picture["acknowledged"] else "no alarm stands",
    ),
    "identify": Order(
        "let the lamps say which box it is, for ten seconds",
        "/v1/identify",
        lambda options: {"on": options.state == "on"},
        lambda picture: "its lamps are fast" if picture["identifying"] else "its lamps are as they were",
        lambda verb: verb.add_argument("state", nargs="?", choices=("on", "off"), default="on", help="default: on"),
    ),
}
