"""The addresses of this host: what changes when a cable or a network does."""

from __future__ import annotations

import ifaddr


def host_addresses() -> frozenset[str]:
    """Every address of every interface, IPv4 and IPv6, loopback included."""
    return frozenset(str(ip.ip if ip.is_IPv4 else ip.ip[0]) for adapter in ifaddr.get_adapters() for ip in adapter.ips)
