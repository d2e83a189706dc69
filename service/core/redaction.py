"""What must appear in no text: secrets that are known, in whatever form they come, and what looks like one."""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
LEARNT = 64  # of the latest sessions: ids and tokens
LEAST = 8  # shorter ones are no ids but words, and their other forms would be found anywhere

# Tokens, keys and the passwords of ICE by their looks, for texts that repeat what they were given (palabra-api 1.5).
# No word boundary: in "token%3DeyJ..." or after an escaped line end there is none.
_LOOKS = re.compile(r"(?<=token=)[^\s&\"']+|(?<=ice-pwd:)[\w+/]+|(?:eyJ|plbr_)[\w.~+/=-]+")


def hide(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these, as they stand there, and without what looks like a secret."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return _LOOKS.sub(HIDDEN, text)


def forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """Each secret as it is, and as it stands in URLs, JSON, Python's own words and base64; the longest first."""
    found = {form for secret in secrets if secret for form in _forms(secret)}
    return tuple(sorted(found, key=len, reverse=True))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    if len(secret) < LEAST:
        return
    yield from (quote(secret, safe=""), quote(secret), quote_plus(secret))
    yield from (json.dumps(secret)[1:-1], repr(secret)[1:-1], secret.encode().hex())
    yield from _base64(secret.encode())


def _base64(secret: bytes) -> Iterator[str]:
    """As it stands in a longer text that is encoded, at each of the three places it may begin."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret).decode().rstrip("=")
        # Characters at both ends hold bits of the neighbours as well.
        core = whole[-(-8 * before // 6) : 8 * (before + len(secret)) // 6]
        yield from (core, core.replace("+", "-").replace("/", "_"))


class Secrets:
    """All that one process knows. For every thread."""

    def __init__(self) -> None:
        self._kept: tuple[str, ...] = ()
        self._learnt: deque[str] = deque(maxlen=LEARNT)
        self._forms: tuple[str, ...] = ()

    def keep(self, secrets: Iterable[str]) -> None:
        """The credentials, in the place of those before."""
        self._kept = tuple(secrets)
        self._forms = forms((*self._kept, *self._learnt))

    def learn(self, secrets: Iterable[str]) -> None:
        """What a session has brought; the latest are known."""
        self._learnt.extend(secret for secret in secrets if len(secret) >= LEAST and secret not in self._learnt)
        self._forms = forms((*self._kept, *self._learnt))

    def hide(self, text: str) -> str:
        """The text without any of them."""
        return hide(text, self._forms)
