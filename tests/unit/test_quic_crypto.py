"""The published vectors: RFC 9001, appendix A, and RFC 9369, appendix A."""

from __future__ import annotations

import pytest
import quic_packets as qp

from dpi.dissect.quic_crypto import initial_keys, open_initial, retry_is_genuine

DCID = bytes.fromhex("8394c8f03e515708")
HELLO = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c0"
    "00000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e0005000501"
    "00000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304"
    "000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07"
    "048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff"
)
SERVER_FRAMES = bytes.fromhex(
    "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a120013010000"
    "2e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304"
)
# version: (header, its first 38 bytes once protected, the last 16, the server's packet, its Retry)
PACKETS = {
    0x00000001: (
        "c300000001088394c8f03e5157080000449e00000002",
        "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b",
        "e221af44860018ab0856972e194cd934",
        "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f"
        "5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795"
        "d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee",
        "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba",
    ),
    0x6B3343CF: (
        "d36b3343cf088394c8f03e5157080000449e00000002",
        "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071",
        "a18b2faa745b6fe189cf772a9f84cbfc",
        "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf87263017915358"
        "230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2c984c707f0a0812d"
        "8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140",
        "cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6",
    ),
}
KEYS = {
    (0x00000001, False): ("1f369613dd76d5467730efcbe3b1a22d fa044b2f42a3fd3b46fb255c 9f50449e04a0e810283a1e9933adedd2"),
    (0x00000001, True): ("cf3a5331653c364c88f0f379b6067e37 0ac1493ca1905853b0bba03e c206b8d9b9f0f37644430b490eeaa314"),
    (0x6B3343CF, False): ("8b1a0bc121284290a29e0971b5cd045d 91f73e2351d8fa91660e909f 45b95e15235d6f45a6b19cbcb0294ba9"),
    (0x6B3343CF, True): ("82db637861d55e1d011f19ea71d5d2a7 dd13c276499c0249d3310652 edf6d05c83121201b436e16877593c3a"),
}


def client_initial(version: int) -> bytes:
    """The RFC's packet, sealed by `cryptography`; what the RFC prints of it is compared by a test below."""
    header = bytes.fromhex(PACKETS[version][0])
    return qp.seal(header, HELLO.ljust(1162, b"\0"), 4, 2, qp.keys(version, DCID))


@pytest.mark.parametrize(("version", "server"), KEYS)
def test_keys_are_those_of_the_rfcs(version: int, server: bool) -> None:
    assert initial_keys(version, DCID, server) == tuple(map(bytes.fromhex, KEYS[version, server].split()))


@pytest.mark.parametrize("version", PACKETS)
def test_the_tests_own_sealing_makes_the_rfcs_packet(version: int) -> None:
    packet = client_initial(version)
    assert len(packet) == 1200
    assert packet.hex().startswith(PACKETS[version][1])
    assert packet.hex().endswith(PACKETS[version][2])


@pytest.mark.parametrize("version", PACKETS)
def test_the_clients_initial_of_the_rfcs_opens(version: int) -> None:
    assert open_initial(client_initial(version), DCID) == (2, HELLO.ljust(1162, b"\0"))


@pytest.mark.parametrize("version", PACKETS)
def test_the_servers_initial_of_the_rfcs_opens(version: int) -> None:
    assert open_initial(bytes.fromhex(PACKETS[version][3]), DCID, server=True) == (1, SERVER_FRAMES)


@pytest.mark.parametrize("version", PACKETS)
def test_the_retry_of_the_rfcs_is_genuine_and_no_changed_one_is(version: int) -> None:
    retry = bytes.fromhex(PACKETS[version][4])
    assert retry_is_genuine(retry, DCID)
    assert not retry_is_genuine(retry, DCID[::-1])
    for i in range(5, len(retry)):
        assert not retry_is_genuine(retry[:i] + bytes([retry[i] ^ 1]) + retry[i + 1 :], DCID)


@pytest.mark.parametrize("version", qp.SALTS)
@pytest.mark.parametrize("server", [False, True])
def test_every_version_has_the_keys_of_its_draft(version: int, server: bool) -> None:
    for n in (0, 1, 8, 20):
        assert initial_keys(version, bytes(range(n)), server) == qp.keys(version, bytes(range(n)), server)


@pytest.mark.parametrize("number_len", [1, 2, 3, 4])
def test_packet_numbers_of_every_length_open(number_len: int) -> None:
    packet = qp.initial(b"\x01", number=77, number_len=number_len, pad=0)
    opened = open_initial(packet, DCID)
    assert opened is not None and opened[0] == 77


def test_versions_nobody_knows_have_no_keys() -> None:
    for version in (0, 2, 0xFF000001, 0xFF000023, 0x0A0A0A0A, 0xFFFFFFFF):
        assert initial_keys(version, DCID) is None


def test_cut_or_changed_packets_do_not_open() -> None:
    packet = qp.initial(b"\x01", pad=0)
    for i in range(len(packet)):
        assert open_initial(packet[:i], DCID) is None
        assert open_initial(packet[:i] + bytes([packet[i] ^ 0x10]) + packet[i + 1 :], DCID) is None
