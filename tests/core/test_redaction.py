import base64
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest

from service.core.redaction import LEARNT, Secrets, forms, hide

CANARY = "c4n4ry/+pair=1&\"x'\\z"
WORDS = ("c4n4ry", "pair=1", "pair%3D1")


def known(*secrets: str) -> Secrets:
    one = Secrets()
    one.keep(secrets)
    return one


WAYS = {
    "as it is": lambda secret: f"refused {secret}: no",
    "percent": lambda secret: f"GET /x?key={quote(secret, safe='')}&y",
    "percent, slashes left": lambda secret: f"GET /{quote(secret)}/z",
    "form": lambda secret: urlencode({"a": "b c", "key": secret}),
    "plus": lambda secret: quote_plus(secret),
    "json": lambda secret: json.dumps({"secret": secret}),
    "repr": lambda secret: repr({"secret": secret}),
    "repr of a list of bytes": lambda secret: repr(secret)[1:-1],
    "hex": lambda secret: secret.encode().hex(),
    "twice": lambda secret: f"{secret}{secret}",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_known_in_every_form_it_is_written_in(way):
    text = known(CANARY).hide(WAYS[way](CANARY))
    assert "[hidden]" in text
    assert not any(word in text for word in WORDS) and CANARY.encode().hex()[:12] not in text


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "Basic ", "client:"])
@pytest.mark.parametrize("after", ["", "1", "12", "123"])
def test_a_secret_within_base64_is_found_wherever_it_begins(encode, before, after):
    whole = encode(f"{before}{CANARY}{after}".encode()).decode()
    kept = known(CANARY).hide(whole).split("[hidden]")
    assert len(kept) == 2  # and of these at most a character's bits are the secret's
    assert len(kept[0]) <= -(-len(before) * 8 // 6) and whole.startswith(kept[0])
    assert len(kept[1].rstrip("=")) <= -(-len(after) * 8 // 6) + 1 and whole.endswith(kept[1])


def test_the_longest_goes_first():
    assert known("alpha-beta", "alpha-beta-gamma").hide("alpha-beta-gamma, alpha-beta") == "[hidden], [hidden]"
    assert list(map(len, forms(["short", CANARY]))) == sorted(map(len, forms(["short", CANARY])), reverse=True)


def test_a_short_secret_is_hidden_as_it_stands_and_not_in_what_it_could_be_a_piece_of():
    assert forms(["ab", ""]) == ("ab",)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("wss://host/rtc?access_token=abc.1&sdk=go", "wss://host/rtc?access_token=[hidden]&sdk=go"),
        ("Bearer eyJhbGciOiJI.eyJpc3MiOi.x-_y ok", "Bearer [hidden] ok"),
        ("token%3DeyJhbGciOiJI.a", "token%3D[hidden]"),
        ("plbr_1234", "[hidden]"),
        (
            "a=ice-ufrag:abcd\r\na=ice-pwd:Zx9+/qwertyuiop\r\na=mid:0",
            "a=ice-ufrag:abcd\r\na=ice-pwd:[hidden]\r\na=mid:0",
        ),
        ("v=0\\r\\na=ice-pwd:Zx9qwertyuiop\\r\\n", "v=0\\r\\na=ice-pwd:[hidden]\\r\\n"),
        ("nothing of the kind", "nothing of the kind"),
    ],
)
def test_what_looks_like_one_is_hidden_though_nobody_knows_it(text, left):
    assert hide(text) == left


def test_what_sessions_bring_is_learnt_and_the_oldest_is_forgotten_while_credentials_stay():
    one = known("credential-1")
    for number in range(LEARNT + 1):
        one.learn([f"session-{number:04}"])
    assert one.hide("session-0000 session-0001 session-0064 credential-1") == (
        "session-0000 [hidden] [hidden] [hidden]"
    )
    one.keep(["credential-2"])
    assert one.hide("session-0064 credential-1 credential-2") == "[hidden] credential-1 [hidden]"


def test_a_word_is_not_learnt_and_nothing_twice():
    one = Secrets()
    one.learn(["live", "", "session-12345"])
    for _ in range(2 * LEARNT):
        one.learn(["another-123"])
    assert one.hide("live session-12345") == "live [hidden]"
