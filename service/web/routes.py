"""Every way in, in one table (appliance 5.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from aiohttp import web
from pydantic import Field

from service.web.answers import Body, Picture, command, current, looked_up, stream

LEVELS_EVERY_S = 0.1


class ToneOrder(Body):
    """A test tone on line-out: on all its cards, or where one of the settings' routes leads, the first being 1.

    The level is that of its peaks. No seconds end the one that sounds.
    """

    seconds: float = Field(default=3.0, ge=0, le=60, allow_inf_nan=False)
    level_dbfs: float = Field(default=-20.0, ge=-80, le=0, allow_inf_nan=False)
    hz: float = Field(default=440.0, ge=20, le=20_000, allow_inf_nan=False)
    channel: Literal["left", "right", "both"] | None = None
    route: int | None = Field(default=None, ge=1)
    force: bool = False  # also over a translation that people listen to


def table(
    *, status: Picture, levels: Picture, devices: Picture, tone: Callable[[ToneOrder], None]
) -> tuple[web.RouteDef, ...]:
    """What is served, and who does it. Each of them may raise `Refused`."""
    return (
        web.get("/v1/status", current(status)),
        web.get("/v1/levels", stream(levels, every_s=LEVELS_EVERY_S)),
        web.get("/v1/devices", looked_up(devices)),
        web.post("/v1/tone", command(ToneOrder, tone)),
    )
