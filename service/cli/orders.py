"""The verbs that ask a running daemon for one thing: start, stop, pause, resume, lang, mute, floor, ack, identify."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from service.cli import options as common
from service.cli.exits import Failed, code_of
from service.core.errors import FaultCode
from service.core.exit_codes import OF_FAULTS, REFUSED_ARGUMENT, TRY_AGAIN, VENDOR_REFUSED
from service.web.client import fetch, follow, send

WAIT_S = 30.0
_ON = {"on": True, "off": False, "toggle": None}

Picture = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """One verb: where it goes, what it says, what tells that it has come about."""

    HELP: str
    path: str
    body: Callable[[argparse.Namespace, Picture], Picture | None]  # None: only say how things are
    told: Callable[[Picture], str]
    add_arguments: Callable[[argparse.ArgumentParser], object] = lambda verb: None
    done: Callable[[Picture, Picture], bool] | None = None  # for --wait: the picture, and what the daemon understood

    def add_options(self, verb: argparse.ArgumentParser) -> None:
        """What it is told."""
        common.add_config(verb)
        common.add_socket(verb)
        self.add_arguments(verb)
        if self.done is not None:
            verb.add_argument("--wait", action="store_true", help="until it has come about, or cannot")
            verb.add_argument(
                *("--timeout",),
                type=common.seconds,
                default=WAIT_S,
                metavar="SECONDS",
                help="for --wait: no longer than this (default: %(default)g)",
            )

    def run(self, options: argparse.Namespace) -> int:
        """Ask, perhaps wait, and say what came of it."""
        return code_of(options.verb, self._ask(options))

    async def _ask(self, options: argparse.Namespace) -> None:
        socket = common.socket_of(options)
        picture = await fetch(socket, "/v1/status")
        body = self.body(options, picture)
        if body is not None:
            understood = await send(socket, self.path, body)
            picture = await fetch(socket, "/v1/status")
            if self.done is not None and options.wait:
                picture = await self._wait(socket, understood, limit_s=options.timeout)
        print(_menu(picture) if body is None else self.told(picture))

    async def _wait(self, socket: Path, understood: Picture, *, limit_s: float) -> Picture:
        """The picture in which it has come about. Raises Failed."""
        assert self.done is not None
        picture: Picture = {}
        try:
            async with asyncio.timeout(limit_s), aclosing(follow(socket, "/v1/events")) as pictures:
                async for picture in pictures:
                    if self.done(picture, understood):
                        break
                    if picture["phase"] == "fault":
                        raise Failed(picture["fault"]["detail"], code(picture))
        except TimeoutError:
            now = f": {self.told(picture)}" if picture else ""
            raise Failed(f"not within {limit_s:g} s{now}", code(picture)) from None
        return picture


def code(picture: Picture) -> int:
    """What is in the way, as an exit code."""
    fault = picture.get("fault")
    if fault is None:
        return TRY_AGAIN
    code = FaultCode(fault["code"])
    if code is FaultCode.SERVICE and picture["phase"] == "fault":
        return VENDOR_REFUSED  # what time does not mend is a refusal
    return OF_FAULTS[code]


def _session(action: str, help_: str, phase: str) -> Order:
    return Order(
        help_,
        "/v1/session",
        lambda _, __: {"action": action},
        _phase,
        done=lambda picture, _: picture["phase"] == phase,
    )


def _phase(picture: Picture) -> str:
    fault = picture.get("fault")
    return f"{picture['phase']}: {fault['detail']}" if fault else str(picture["phase"])


def _switch(help_: str, path: str, told: Callable[[Picture], str]) -> Order:
    def add(verb: argparse.ArgumentParser) -> None:
        verb.add_argument("state", nargs="?", choices=_ON, default="toggle", help="default: %(default)s")

    return Order(help_, path, lambda options, _: {"on": _ON[options.state]}, told, add)


def _language(options: argparse.Namespace, picture: Picture) -> Picture | None:
    words: list[str] = options.pair
    name = " ".join(words)
    if not words:
        return None
    if name in [pair["name"] for pair in picture["menu"]]:
        return {"pair": name}
    if words in (["next"], ["previous"]):
        return {"step": words[0]}
    if len(words) == 2:
        return {"source": words[0].lower(), "target": words[1].lower()}
    return {"pair": name}


def _switched(picture: Picture, understood: Picture) -> bool:
    """Raises Failed where the pair that was asked for is wanted no more, or waits for the box to be on air."""
    asked = understood["wanted"]
    if picture["wanted"] != asked:
        other = f"{picture['wanted']} was asked for instead"
        raise Failed(picture["refusal"] or other, VENDOR_REFUSED if picture["refusal"] else TRY_AGAIN)
    if picture["phase"] in ("ready", "paused"):
        raise Failed(f"{asked} is kept until the box is on air: it is {picture['phase']}", TRY_AGAIN)
    return bool(picture["confirmed"] == asked)


def _paused(picture: Picture, _: Picture) -> bool:
    if picture["phase"] == "ready":
        raise Failed("off air there is nothing to pause", REFUSED_ARGUMENT)
    return bool(picture["phase"] == "paused")


def _pair_now(picture: Picture) -> str:
    wanted, confirmed = picture["wanted"], picture["confirmed"]
    if wanted == confirmed:
        return f"{wanted}, confirmed"
    return f"{wanted} wanted" + ("" if confirmed is None else f", {confirmed} confirmed")


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
    "start": _session("start", "go on air, or on after a pause", "live"),
    "stop": _session("stop", "end the session", "ready"),
    "pause": replace(_session("pause", "stop the meter, keep the session", "paused"), done=_paused),
    "resume": _session("resume", "go on after a pause", "live"),
    "lang": Order(
        "choose a language pair, or show the menu",
        "/v1/language",
        _language,
        _pair_now,
        _pair,
        done=_switched,
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
        lambda _, __: {},
        lambda picture: "acknowledged" if picture["acknowledged"] else "no alarm stands",
    ),
    "identify": Order(
        "let the lamps say which box it is, for ten seconds",
        "/v1/identify",
        lambda options, _: {"on": options.state == "on"},
        lambda picture: "its lamps are fast" if picture["identifying"] else "its lamps are as they were",
        lambda verb: verb.add_argument("state", nargs="?", choices=("on", "off"), default="on", help="default: on"),
    ),
}
