"""The server rows of the conformance list, a column for each client that we did not write."""

from __future__ import annotations

from tests.conformance.rows import Row

CLIENTS = ("rust", "js-old", "js-current")
ALONE = "by hand"  # a plain socket in place of a client

ROWS: dict[int, Row] = {
    34: Row("joins, speaks, hears, writes, mutes, leaves", "first and last, with our client and another foreign one"),
    35: Row("v1 refused, any path", "no path, /, /livekit and /livekit/"),
    36: Row("killed socket, full reconnect"),
    37: Row("second holder of an identity"),
    38: Row("tokens refused", "twelve kinds by hand; each client shows two of them"),
    39: Row("attacks are limited", "by hand, while the client of the column sings and hears on"),
    40: Row("vanished, told and freed", "its process killed; its network silent, with pings every 2 s"),
}
