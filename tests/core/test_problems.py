import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from service.core.errors import CloudBusy, CloudRejected, CloudUnreachable, FaultCode
from service.core.problems import MAX_TEXT, Problem, clean, error_for, parse_problems, retry_after_s

NOW_S = 1_800_000_000.0
BALANCE = {
    "type": "https://docs.palabra.ai/docs/error_codes#forbiddenresource",
    "status": 403,
    "title": "Forbidden resource",
    "detail": "Insufficient balance",
    "instance": "/session-storage/session",
    "error_code": 100050,
}


def answer(*errors: object) -> bytes:
    return json.dumps({"ok": False, "errors": list(errors)}).encode()


def test_a_problem_of_the_schema_is_read_whole():
    assert parse_problems(403, answer(BALANCE)) == (Problem(**BALANCE),)


@pytest.mark.parametrize(
    ("body", "details"),
    [
        (b"", ["Bad Gateway"]),
        (b"<html>", ["Bad Gateway"]),
        (b"\xff\xfe\x00", ["Bad Gateway"]),
        (b"[" * 100_000, ["Bad Gateway"]),
        (b"[]", ["Bad Gateway"]),
        (b"null", ["Bad Gateway"]),
        (b'{"errors": null}', ["Bad Gateway"]),
        (b'{"errors": []}', ["Bad Gateway"]),
        (b'{"errors": 5}', ["Bad Gateway"]),
        (b'{"errors": [null, 5, [], {}]}', ["Bad Gateway"]),
        (b'{"errors": {"detail": "not in a list"}}', ["not in a list"]),
        (b'{"error": "the older shape"}', ["the older shape"]),
        (b'{"errors": [], "error": "the older shape"}', ["the older shape"]),
        (
            b'{"errors": ["a text", {"title": "only a title"}, {"status": 500}]}',
            ["a text", "only a title", "Bad Gateway"],
        ),
        (b'{"errors": [{"detail": ["x"], "title": 5}]}', ["Bad Gateway"]),
    ],
)
def test_whatever_comes_something_is_said(body, details):
    assert [problem.detail for problem in parse_problems(502, body)] == details


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("status", 399, 502),
        ("status", 600, 502),
        ("status", 400, 400),
        ("status", 599, 599),
        ("status", "403", 502),
        ("status", True, 502),
        ("error_code", "100050", None),
        ("error_code", 100050.0, 100050),
        ("error_code", None, None),
        ("type", 5, ""),
        ("type", "x" * 2083, "x" * (MAX_TEXT - 1) + "…"),
        ("title", None, "Bad Gateway"),
        ("detail", "", "Forbidden resource"),
        ("instance", {}, ""),
    ],
)
def test_a_field_outside_the_schema_is_filled_up(field, value, read):
    (problem,) = parse_problems(502, answer({**BALANCE, field: value}))
    assert getattr(problem, field) == read


def test_texts_are_made_fit_for_one_line():
    assert clean("a\nb\x1b[31m\x00\u202e\ud800c") == "a b [31m   c"
    assert clean("token=abc&x bearer eyJhbGciOi.J9.x_- and plbr_abc") == "token=[hidden]&x bearer [hidden] and [hidden]"
    assert clean("for client my-id", ("my-id",)) == "for client [hidden]"
    assert len(clean("x" * 5000)) == MAX_TEXT


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (301, CloudUnreachable, FaultCode.NETWORK),
        (307, CloudUnreachable, FaultCode.NETWORK),
        (400, CloudRejected, FaultCode.SERVICE),
        (401, CloudRejected, FaultCode.CREDENTIALS),
        (402, CloudRejected, FaultCode.CREDENTIALS),
        (403, CloudRejected, FaultCode.CREDENTIALS),
        (404, CloudRejected, FaultCode.CREDENTIALS),
        (408, CloudUnreachable, FaultCode.SERVICE),
        (409, CloudBusy, FaultCode.SERVICE),
        (413, CloudRejected, FaultCode.SERVICE),
        (422, CloudRejected, FaultCode.SERVICE),
        (429, CloudBusy, FaultCode.SERVICE),
        (500, CloudUnreachable, FaultCode.SERVICE),
        (503, CloudUnreachable, FaultCode.SERVICE),
        (999, CloudUnreachable, FaultCode.SERVICE),
        (100, CloudUnreachable, FaultCode.SERVICE),
    ],
)
def test_errors_are_sorted_by_who_mends_them(status, kind, code):
    error = error_for(status, parse_problems(status, b""))
    assert type(error) is kind
    assert error.code is code
    assert str(status) in str(error)


def test_the_error_says_every_detail():
    error = error_for(403, parse_problems(403, answer(BALANCE, {"detail": "and the key lacks rights"})))
    assert str(error) == "the cloud refuses a session (403): Insufficient balance [100050]; and the key lacks rights"
    many = error_for(403, parse_problems(403, answer(*[{"detail": f"reason {n}"} for n in range(12)])))
    assert str(many).endswith("reason 9; and 2 more")


def test_ok_false_is_judged_by_its_problem():
    assert error_for(201, parse_problems(201, answer(BALANCE))).code is FaultCode.CREDENTIALS
    assert isinstance(error_for(201, parse_problems(201, b'{"ok": false}')), CloudUnreachable)


def test_waits():
    assert error_for(429, (), 7.0).retry_after_s == 7.0
    assert error_for(429, (), None).retry_after_s == 30.0
    assert error_for(503, (), 7.0).retry_after_s == 7.0
    assert error_for(503, (), None).retry_after_s == 0.0
    assert error_for(401, ()).retry_s == 180.0
    assert error_for(403, ()).retry_s == 60.0


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("5", 5.0),
        (" 120 ", 120.0),
        ("0.5", 0.5),
        ("9" * 5000, 3600.0),
        ("٣", None),
        (format_datetime(datetime.fromtimestamp(NOW_S + 90, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW_S + 90, UTC)).replace("+0000", "-0000"), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW_S - 90, UTC), usegmt=True), 0.0),
        ("Fri, 99 Foo 99999 99:99:99 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 3600.0),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(header, wait_s):
    assert retry_after_s(header, NOW_S) == wait_s
