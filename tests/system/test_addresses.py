import socket

from service.system.addresses import host_addresses


def test_every_address_that_a_socket_can_have_is_there():
    addresses = host_addresses()
    assert "127.0.0.1" in addresses
    for address in addresses - {one for one in addresses if one.startswith("fe80")}:  # those need a scope
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.bind((address, 0))
