"""Every way in, in one table (appliance 5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from service.core import lamp_words
from service.core.commands import Acknowledge, Command, Floor, Identify, Mute
from service.core.languages import Menu
from service.web.answers import Body, Watch, command, current, events, looked_up, stream
from service.web.orders import IdentifyOrder, LanguageOrder, Nothing, SessionOrder, Switch, ToneOrder

LEVELS_EVERY_S = 0.1


class Served(Protocol):
    """Who is shown and asked. Each of them may raise `Refused`."""

    def picture(self) -> dict[str, Any]:
        """All there is to show."""

    def levels(self) -> dict[str, Any]:
        """How loud it is."""

    def devices(self) -> dict[str, Any]:
        """The sound devices; reads files."""

    def tone(self, order: ToneOrder) -> None:
        """Play it."""

    def menu(self) -> Menu:
        """The pairs."""

    def ask(self, command: Command) -> None:
        """Take a wish."""


@dataclass(frozen=True, slots=True)
class _Post:
    body: type[Body]
    obey: Any


def table(served: Served, *, watch: Watch) -> tuple[web.RouteDef, ...]:
    """What is served."""

    def asks(body: type[Any], told: str, understood: Any) -> _Post:
        def obey(order: Any) -> dict[str, Any]:
            served.ask(understood(order))
            return {told: served.picture()[told]}

        return _Post(body, obey)

    posts = {
        "/v1/session": asks(SessionOrder, "phase", lambda order: order.command()),
        "/v1/language": asks(LanguageOrder, "wanted", lambda order: order.command(served.menu())),
        "/v1/mute": asks(Switch, "muted", lambda order: Mute(order.on)),
        "/v1/floor": asks(Switch, "floor", lambda order: Floor(order.on)),
        "/v1/alert/ack": asks(Nothing, "acknowledged", lambda _: Acknowledge()),
        "/v1/identify": asks(IdentifyOrder, "identifying", lambda order: Identify(order.on)),
        "/v1/tone": _Post(ToneOrder, served.tone),
    }

    def schemas() -> dict[str, Any]:
        return {path: post.body.model_json_schema() for path, post in posts.items()}

    pictures: dict[str, Any] = {
        "/v1/status": current(served.picture),
        "/v1/events": events(served.picture, watch),
        "/v1/levels": stream(served.levels, every_s=LEVELS_EVERY_S),
        "/v1/devices": looked_up(served.devices),
        "/v1/lamps": current(lamp_words.as_json),
        "/v1/schema": current(schemas),
    }
    return (
        *(web.get(path, answer) for path, answer in pictures.items()),
        *(web.post(path, command(post.body, post.obey)) for path, post in posts.items()),
    )
