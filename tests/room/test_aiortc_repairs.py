"""Guards: these fail when a private name of aiortc or aioice has gone, before a box does."""

import ast
import asyncio
import inspect
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import aioice
import aioice.ice
from aiortc import RTCIceTransport, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.codecs import CODECS
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtcrtpreceiver import NackGenerator
from aiortc.rtp import RtpPacket

import service
from service.room import aioice_repairs, aiortc_repairs


def test_private_members_live_in_two_files():
    """Names with a leading underscore on objects of aiortc or aioice occur in these two only."""
    repairs = [Path(module.__file__) for module in (aiortc_repairs, aioice_repairs)]
    private = {
        node.attr
        for path in repairs
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
    } - {"_ssrc", "_push"}
    for path in Path(service.__file__).parent.rglob("*.py"):
        if path in repairs:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr not in private, f"{path.name}:{node.lineno} uses {node.attr}"


def test_the_members_exist():
    sender, receiver = inspect.getsource(RTCRtpSender), inspect.getsource(RTCRtpReceiver)
    for name in ("rtp_started", "rtp_exited", "rtp_history", "mid", "rtp_header_extensions_map"):
        assert f"self.__{name}" in sender
    for name in ("ntp_timestamp", "rtp_timestamp", "octet_count", "packet_count"):
        assert f"self.__{name}" in sender
    for name in ("jitter_buffer", "nack_generator", "decoder_queue"):
        assert f"self.__{name}" in receiver
    assert "self._run_rtp(" in sender and "self._stream_id" in sender and "self._track_id" in sender
    assert hasattr(RTCPeerConnection, "_RTCPeerConnection__connect")
    assert {"ssrc_table", "senders"} <= set(vars(RtpRouter()))
    assert {"_nominated", "_check_list"} <= set(vars(aioice.Connection(ice_controlling=True)))
    assert {"_local_username", "_local_password"} <= set(vars(aioice.Connection(ice_controlling=True)))
    assert "self._connection" in inspect.getsource(RTCIceTransport)
    assert "self._query_consent_task" in inspect.getsource(aioice.ice.Connection)
    assert "get_host_addresses(" in inspect.getsource(aioice.ice.Connection)


class PionLike(asyncio.DatagramProtocol):
    """The controlling end of a connection, as far as the controlled one sees it: its check came first, and it chooses
    when another check comes after the answer to that."""

    def __init__(self) -> None:
        self.checks = 0

    def datagram_received(self, data, addr):
        self.checks += 1


@asynccontextmanager
async def controlled():
    """A connection with one pair that works; what its far end has received."""
    far = PionLike()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: far, local_addr=("127.0.0.1", 0))
    connection = aioice.Connection(ice_controlling=False)
    connection.remote_username, connection.remote_password = "far", "a password of 22 chars"
    (local,) = await connection.get_component_candidates(1, ["127.0.0.1"])
    host, port = transport.get_extra_info("sockname")
    remote = aioice.Candidate("1", 1, "udp", 1, host, port, "host")
    connection._local_candidates.append(local)
    pair = aioice.ice.CandidatePair(connection._protocols[0], remote)
    connection._check_list.append(pair)
    pc = SimpleNamespace(
        sctp=SimpleNamespace(transport=SimpleNamespace(transport=SimpleNamespace(_connection=connection))),
        connectionState="connecting",
    )
    try:
        yield pc, connection, pair, far
    finally:
        await connection.close()
        transport.close()


async def test_a_pair_that_works_is_checked_until_the_far_end_has_chosen_one():
    async with controlled() as (pc, connection, pair, far):
        hastening = asyncio.ensure_future(aioice_repairs.hasten_nomination(pc))
        await asyncio.sleep(0.05)
        assert far.checks == 0  # the pair does not work yet: that is the affair of the first check
        pair.state = aioice.ice.CandidatePair.State.SUCCEEDED
        async with asyncio.timeout(5):
            while far.checks < 3:
                await asyncio.sleep(0.01)
        connection._nominated[1] = pair
        async with asyncio.timeout(5):
            await hastening


async def test_a_closed_connection_is_not_hastened():
    async with controlled() as (pc, _, pair, far):
        pair.state, pc.connectionState = aioice.ice.CandidatePair.State.SUCCEEDED, "closed"
        await aioice_repairs.hasten_nomination(pc)
        assert far.checks == 0


def test_install_is_idempotent_and_offers_nack_and_fec():
    aiortc_repairs.install()
    aiortc_repairs.install()
    opus = CODECS["audio"][0]
    assert [feedback.type for feedback in opus.rtcpFeedback].count("nack") == 1
    assert opus.parameters["useinbandfec"] == 1


def test_loopback_is_a_candidate_only_where_there_is_nothing_else(monkeypatch):
    monkeypatch.setattr(aioice_repairs, "_host_addresses", lambda ipv4, ipv6: [])
    assert aioice_repairs._host_addresses_or_loopback(True, True) == ["127.0.0.1"]
    monkeypatch.setattr(aioice_repairs, "_host_addresses", lambda ipv4, ipv6: ["10.0.0.2"])
    assert aioice_repairs._host_addresses_or_loopback(True, True) == ["10.0.0.2"]


def packet(sequence: int, ssrc: int) -> RtpPacket:
    made = RtpPacket(sequence_number=sequence)
    made.ssrc = ssrc
    return made


async def no_asking(ssrc, lost):
    raise AssertionError(f"{lost} of {ssrc} are asked for")


async def test_nacks_start_anew_with_a_new_stream():
    nacks: NackGenerator = aiortc_repairs._NackPerStream(no_asking, connected=lambda: True)
    assert not nacks.add(packet(1, ssrc=7)) and nacks.add(packet(3, ssrc=7))
    assert nacks.missing == {2}
    assert not nacks.add(packet(40000, ssrc=8)) and nacks.missing == set()


async def test_what_is_overdue_is_asked_for_while_nothing_comes():
    asked, connected = asyncio.Queue(), True

    async def ask(ssrc, lost):
        asked.put_nowait((ssrc, lost))

    nacks: NackGenerator = aiortc_repairs._NackPerStream(ask, connected=lambda: connected)
    for sequence in range(1000):  # at once: none has let wait for itself
        nacks.add(packet(sequence, ssrc=7))
    ssrc, lost = await asked.get()
    assert (ssrc, lost[0]) == (7, 1000)
    while len(lost) < 3:  # and more of them, and the first ones again
        ssrc, lost = await asked.get()
    assert lost[:3] == [1000, 1001, 1002]
    connected = False  # who has left asks for nothing, nor leaves a question behind
    await asyncio.sleep(0.05)
    while not asked.empty():
        asked.get_nowait()
    await asyncio.sleep(0.1)
    assert asked.empty()
