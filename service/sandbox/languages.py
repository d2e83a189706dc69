"""The language codes that set_task accepts, as the service itself lists them in a refusal (palabra-api 4.8)."""

from __future__ import annotations

SOURCES = tuple(
    """
    af am ar as auto az be bg bn bs ca ceb cs cy da de el en es et eu fa fi fil fr ga gl gu ha he hi hr hu hy id ig
    is it ja jv ka kk km kn ko ku ky lb lg ln lo lt lv mi mk ml mn mr ms mt my ne nl no ny or pa pl ps pt ro ru sd
    sk sl sn so sq sr sv sw ta te tg th tl tr ug uk ur uz vi wo xh yue zh zu
    """.split()
)

TARGETS = tuple(
    """
    af ar ar-ae ar-sa az be bg bn bs ca cs cy da de el en en-au en-ca en-gb en-us es es-ar es-ch es-co es-eu es-la
    es-mx et fa fi fil fr fr-ca fr-eu gl gu he hi hr hu hy id is it ja ka kk kn ko lt lv mi mk ml mr ms ne nl no pa
    pl pt pt-br pt-eu pt-la ro ru sk sl sr sv sw ta te th tl tr uk ur vi zh zh-hans zh-hant
    """.split()
)

_FILLED_IN = {"en": "en-us", "zh": "zh-hans"}


def plain_source(code: str) -> str:
    """A source as the service takes it: without its region."""
    return code.split("-", 1)[0]


def full_target(code: str) -> str:
    """A target as the service names it in echoes, tracks and captions: with the region it fills in, if any."""
    return _FILLED_IN.get(code, code)
