"""Where each target is heard: on which device, on which of its channels, how loud."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from service.core.languages import base_code, same_language

OutputChannel = Literal["both", "left", "right"]


class NoSuchRoute(Exception):
    """A person names a route that the settings do not have; one sentence."""


@dataclass(frozen=True, slots=True)
class Route:
    """One target's way out. Without a `target` it is that of whatever pair runs: its first one."""

    device: str
    target: str | None = None
    channel: OutputChannel = "both"
    gain_db: float = 0.0

    def target_of(self, targets: Sequence[str]) -> str | None:
        """Which of a pair's targets is heard here."""
        if self.target is None:
            return targets[0] if targets else None
        return same_language(self.target, targets)

    def may_take(self, language: str, known: Iterable[str]) -> bool:
        """Whether a track of this language could ever be heard here, `known` being all that may be asked for."""
        stranger = same_language(language, known) is None
        return self.target is None or stranger or base_code(language) == base_code(self.target)

    def meets(self, other: Route) -> bool:
        """Whether both come out of one jack."""
        sides = {self.channel, other.channel}
        return self.device == other.device and (len(sides) == 1 or "both" in sides)


def unheard(targets: Sequence[str], routes: Iterable[Route]) -> tuple[str, ...]:
    """Those of a pair's targets that no route takes anywhere."""
    heard = {route.target_of(targets) for route in routes}
    return tuple(target for target in targets if target not in heard)


def channel_names(channels: int) -> tuple[str, ...]:
    """The channels of a card as people call them."""
    return ("mono",) if channels == 1 else ("left", "right", *map(str, range(3, channels + 1)))[:channels]
