"""Every way in, in one table (appliance 5.3)."""

from __future__ import annotations

from aiohttp import web

from service.web.answers import Picture, current, looked_up, stream

LEVELS_EVERY_S = 0.1


def table(*, status: Picture, levels: Picture, devices: Picture) -> tuple[web.RouteDef, ...]:
    """What is served, and who does it. Each of them may raise `Refused`."""
    return (
        web.get("/v1/status", current(status)),
        web.get("/v1/levels", stream(levels, every_s=LEVELS_EVERY_S)),
        web.get("/v1/devices", looked_up(devices)),
    )
