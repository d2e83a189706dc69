"""Every test with a `client` runs with each of the three; the table of rows is printed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from typing import Any

import pytest

from service.room import peers
from tests.conformance.rows import Results
from tests.foreign import browser, rust, stage
from tests.foreign.people import Join
from tests.foreign.rows import ALONE, CLIENTS, ROWS
from tests.foreign.stage import Stage


@pytest.fixture(scope="session")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Where Chromium is driven; started when it is first asked for."""
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(browser.chromium(tmp_path_factory.mktemp("chromium"))))


def _way(name: str, devtools: Callable[[], str], *, of_rust: Join, of_page: Callable[..., Any]) -> Join:
    if name == CLIENTS[0]:
        return of_rust
    script = browser.packages() / name.replace("js", "livekit-client") / "dist" / "livekit-client.umd.js"
    return partial(of_page, devtools(), script)


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, devtools: Callable[[], str]) -> Join:
    """How a client that we did not write joins."""
    return _way(request.param, devtools, of_rust=rust.rust, of_page=browser.browser)


@pytest.fixture
def partner(request: pytest.FixtureRequest, devtools: Callable[[], str]) -> Join:
    """Another one than `client`."""
    name = CLIENTS[(CLIENTS.index(request.node.callspec.params["client"]) + 1) % len(CLIENTS)]
    return _way(name, devtools, of_rust=rust.rust, of_page=browser.browser)


@pytest.fixture(params=CLIENTS)
def vanishing(request: pytest.FixtureRequest, devtools: Callable[[], str]) -> Join:
    """As `client`, but it sings at 440 Hz, cannot be asked for anything, and vanishes without leave at the end."""
    return _way(request.param, devtools, of_rust=rust.killed, of_page=browser.crashed)


@pytest.fixture
async def server() -> AsyncIterator[Stage]:
    """The embedded room, running."""
    async with stage.embedded() as one:
        yield one
    await peers.closed()


_results = Results(ROWS, (*CLIENTS, ALONE))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _results.add(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _results:
        terminalreporter.section("server rows of livekit-signalling 8, on the embedded room")
        terminalreporter.write_line(_results.table())
