"""Property tests: bounded and the same in every run; `HYPOTHESIS_PROFILE=long python -m pytest -k fuzz` looks for new
examples for minutes."""

import os
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

settings.register_profile("default", max_examples=80, derandomize=True, database=None, deadline=None)
settings.register_profile(
    "long", max_examples=20_000, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def damaged(valid: list[bytes]) -> st.SearchStrategy[bytes]:
    """Arbitrary bytes, and valid messages that were cut, spliced and overwritten."""

    def cut(one: bytes, other: bytes, at: int, junk: bytes) -> bytes:
        place = at % (len(one) + 1)
        return one[:place] + junk + (other[place:] if at % 2 else one[place + len(junk) :])

    some = st.sampled_from(valid)
    return st.one_of(
        st.binary(max_size=200), some, st.builds(cut, some, some, st.integers(0, 500), st.binary(max_size=6))
    )


def messages(kind: type[Message], *, depth: int = 4) -> st.SearchStrategy[Message]:
    """Every field of a protobuf message may be set, enumerations to numbers that no name exists for."""
    return st.builds(lambda draw: _filled(kind(), draw, depth), st.randoms(use_true_random=False))


def _filled(message: Any, random: Any, depth: int) -> Any:
    fields = message.DESCRIPTOR.fields
    for field in random.sample(list(fields), min(len(fields), random.randint(0, 4))):
        if field.type == field.TYPE_MESSAGE:
            if depth and not (field.message_type and field.message_type.GetOptions().map_entry):
                inner = getattr(message, field.name)
                _filled(inner.add() if field.is_repeated else inner, random, depth - 1)
                if not field.is_repeated:
                    inner.SetInParent()
            continue
        value = _VALUES[field.cpp_type](random)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value if field.type != field.TYPE_BYTES else str(value).encode())
    return message


_TEXTS = ("", "a", "PA_1", "TR_1", "_reliable", "\x00", "é" * 40, "{}", "candidate:1 1 udp 1 1.2.3.4 5 typ host")
_VALUES: dict[int, Callable[[Any], object]] = {
    1: lambda random: random.choice((0, 1, -1, 2**31 - 1, -(2**31))),  # CPPTYPE_INT32
    2: lambda random: random.choice((0, 1, -1, 2**63 - 1, -(2**63))),  # INT64
    3: lambda random: random.choice((0, 1, 2, 2**32 - 1)),  # UINT32
    4: lambda random: random.choice((0, 1, 2**64 - 1)),  # UINT64
    5: lambda random: random.choice((0.0, -1.0, float("inf"), float("nan"))),  # DOUBLE
    6: lambda random: random.choice((0.0, 1.0, float("inf"))),  # FLOAT
    7: lambda random: random.random() < 0.5,  # BOOL
    8: lambda random: random.choice((0, 1, 2, 3, 99, 2**31 - 1)),  # ENUM, open in proto3
    9: lambda random: random.choice(_TEXTS),  # STRING
}


def unknown_field(number: int, content: bytes) -> bytes:
    """A field of bytes on the wire."""
    tag, head = number << 3 | 2, b""
    while tag > 127:
        head += bytes([tag & 127 | 128])
        tag >>= 7
    return head + bytes([tag, len(content)]) + content
