"""The routes of line-out beside the language pairs: what cannot be meant, and what is heard nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from service.core.languages import LanguagePair
from service.core.routes import Route, unheard
from service.settings.clashes import Clash


def clashes(routes: Sequence[Route], pairs: Sequence[LanguagePair]) -> Iterator[Clash]:
    """At most one for each route, by its place in the list."""
    for place, route in enumerate(routes):
        if pairs and all(route.target_of(pair.targets) is None for pair in pairs):
            yield Clash(
                (place, "target"), f'no pair has the target "{route.target}"; take the route away or add it there'
            )
        elif route in routes[:place]:
            yield Clash((place,), f"is the same as route {routes.index(route) + 1}; take one of them away")
        else:
            yield from _meetings(place, routes, pairs)


def _meetings(place: int, routes: Sequence[Route], pairs: Sequence[LanguagePair]) -> Iterator[Clash]:
    route = routes[place]
    for earlier, other in enumerate(routes[:place], 1):
        for pair in pairs:
            heard = route.target_of(pair.targets), other.target_of(pair.targets)
            if route.meets(other) and None not in heard:
                yield Clash(
                    (place,),
                    f'{heard[0]} of the pair "{pair.name}" would be heard over {heard[1]} of route {earlier}; '
                    "give it another channel or device",
                )
                return


def unheard_targets(routes: Sequence[Route], pairs: Sequence[LanguagePair]) -> list[str]:
    """Which pairs have targets that no route takes anywhere; one line each, with the remedy."""
    return [
        f'audio.output: {target} of the pair "{pair.name}" is not heard: no route takes it anywhere; add '
        f'[[audio.output.route]] with target = "{target}"'
        for pair in pairs
        for target in unheard(pair.targets, routes)
    ]
