"""coturn, Debian's TURN server, over UDP and TLS on loopback."""

import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conformance.servers import free_port, installed, ready
from tests.fakes.certificates import Authority

HOST = "127.0.0.1"
USER, PASSWORD = "box", "a-turn-secret"


class Turn:
    """A running coturn. `authority` is a file with the certificate of whom its own is signed by."""

    def __init__(self, ports: dict[str, int], authority: Path, log: Path) -> None:
        self._ports, self.authority, self.log = ports, authority, log

    def url(self, way: str) -> str:
        """As a LiveKit server tells it."""
        scheme, transport = ("turns", "tcp") if way == "tls" else ("turn", way)
        return f"{scheme}:{HOST}:{self._ports[way]}?transport={transport}"

    def told(self, way: str) -> dict[str, Any]:
        """One of `rtc.turn_servers` in a LiveKit server's settings."""
        return turn_server(way, self._ports[way])


def turn_server(way: str, port: int) -> dict[str, Any]:
    """The same for any port."""
    return {"host": HOST, "port": port, "protocol": way, "username": USER, "credential": PASSWORD}


@contextmanager
def coturn(folder: Path) -> Iterator[Turn]:
    """A TURN server that relays to loopback, killed at the end."""
    program = installed("turnserver", package="coturn")
    authority = Authority(folder)
    authority.server()  # leaves certificate and key in the folder
    (known,) = authority.trust.get_ca_certs(binary_form=True)
    trusted = folder / "authority.pem"
    trusted.write_text(ssl.DER_cert_to_PEM_cert(known))
    plain, tls = free_port(), free_port()
    options = {
        "listening-ip": HOST,
        "relay-ip": HOST,
        "listening-port": plain,
        "tls-listening-port": tls,
        "cert": folder / "server.pem",
        "pkey": folder / "server.pem",
        "user": f"{USER}:{PASSWORD}",
        "realm": "boothd",
        "pidfile": folder / "coturn.pid",
        "userdb": folder / "coturn.db",
        "log-file": "stdout",
    }
    flags = ["-n", "--lt-cred-mech", "--allow-loopback-peers", "--no-cli", "--no-dtls", "--verbose"]
    log = folder / "coturn.log"
    with log.open("w") as output:
        command = [program, *flags, *(f"--{name}={value}" for name, value in options.items())]
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "TZ": "UTC"})
    try:
        ready(lambda: f"opened on : {HOST}:{tls}" in log.read_text(), process, log)
        yield Turn({"udp": plain, "tcp": plain, "tls": tls}, trusted, log)
    finally:
        process.kill()
        process.wait()
