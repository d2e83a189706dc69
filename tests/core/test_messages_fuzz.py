"""Whatever the cloud says is a message or malformed; see tests/fuzz.py."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from service.core import messages
from tests.fuzz import damaged

GOLDEN = Path(__file__).parents[1] / "golden" / "messages"
SAID = [json.loads(path.read_text()).get("message", {}) for path in sorted(GOLDEN.glob("*.json"))]
KINDS = sorted({str(one.get("message_type")) for one in SAID if isinstance(one, dict)})
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.sampled_from(KINDS), inner),
    max_leaves=8,
)
envelopes = st.fixed_dictionaries({"message_type": st.sampled_from(KINDS), "data": values | values.map(json.dumps)})
told = st.one_of(
    damaged([json.dumps(one).encode() for one in SAID]),
    values.map(lambda value: json.dumps(value).encode()),
    envelopes.map(lambda envelope: json.dumps(envelope).encode()),
)


@given(told)
def test_a_payload_is_a_message_or_malformed(payload):
    try:
        message = messages.decode(payload)
    except messages.MalformedMessage as problem:
        assert len(str(problem)) < 200
    else:
        assert isinstance(message, messages.Message) and len(repr(message)) < 100_000
