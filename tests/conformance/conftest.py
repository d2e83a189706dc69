"""Every test with a `server` runs on all three; the table of rows is printed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from service.room import peers
from tests.conformance import rows, servers
from tests.conformance.servers import Server
from tests.conformance.wire import Wire, wire_to


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """The URL of a real server of this version, started when it is first asked for."""
    urls: dict[str, str] = {}
    with ExitStack() as stack:

        def url(version: str) -> str:
            if version not in urls:
                log = tmp_path_factory.mktemp("livekit") / f"{version}.log"
                urls[version] = stack.enter_context(servers.real(version, log))
            return urls[version]

        yield url


@pytest.fixture(
    params=[pytest.param(name, marks=[] if name == servers.EMBEDDED else [pytest.mark.slow]) for name in servers.NAMES]
)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """A running server, and a room of this test's own on it."""
    if request.param == servers.EMBEDDED:
        async with servers.embedded() as embedded:
            yield embedded
    else:
        yield Server(request.param, request.getfixturevalue("real_server")(request.param))
    await peers.closed()


@pytest.fixture
async def wire(server: Server) -> AsyncIterator[Wire]:
    """A relay in front of the server's signalling."""
    async with wire_to(server.url) as relay:
        yield relay


_results = rows.Results()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _results.add(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _results:
        terminalreporter.section("client rows of livekit-signalling 8")
        terminalreporter.write_line(_results.table())
