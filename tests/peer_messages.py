"""BitTorrent's messages that tell of peers, put together as the BEPs say."""

from __future__ import annotations

import ipaddress
import struct

Peer = tuple[str, int]
PING = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"  # BEP 5
GET_PEERS = b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe"
CONNECT = struct.pack(">QII", 0x41727101980, 0, 7)  # BEP 15
HANDSHAKE = b"\x13BitTorrent protocol" + bytes(8) + b"h" * 20 + b"-XX1234-abcdefghijkl"  # BEP 3


def packed(peers: list[Peer]) -> list[bytes]:
    """Each as its address and its port (BEP 23, BEP 7)."""
    return [ipaddress.ip_address(host).packed + struct.pack(">H", port) for host, port in peers]


def bencoded(text: bytes) -> bytes:
    return b"%d:" % len(text) + text


def tracker_request(port: int) -> bytes:
    """BEP 3: an announce."""
    return (
        b"GET /announce?info_hash=%%aa%%bb&peer_id=-XX1234-abcdefghijkl&port=%d&uploaded=0&compact=1 HTTP/1.1\r\n"
        b"Host: tracker.example\r\nUser-Agent: client/1\r\n\r\n" % port
    )


def tracker_answer(peers: list[Peer], peers6: list[Peer] | None = None) -> bytes:
    body = b"d8:completei1e10:incompletei3e8:intervali1800e5:peers" + bencoded(b"".join(packed(peers)))
    if peers6 is not None:
        body += b"6:peers6" + bencoded(b"".join(packed(peers6)))
    body += b"e"
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def udp_announce(port: int) -> bytes:
    """BEP 15: connection, action, transaction, torrent, peer, three counts, event, address, key, wanted, port."""
    counts = (0, 5, 0, 2, 0, 1, -1, port)
    return struct.pack(">QII20s20sQQQIIIiH", 7, 1, 9, b"h" * 20, b"-XX1234-abcdefghijkl", *counts)


def udp_answer(peers: list[Peer]) -> bytes:
    """BEP 15: action, transaction, interval, leechers, seeders, peers."""
    return struct.pack(">IIIII", 1, 9, 1800, 3, 1) + b"".join(packed(peers))


def dht_values(peers: list[Peer]) -> bytes:
    """BEP 5: the answer to get_peers."""
    values = b"".join(map(bencoded, packed(peers)))
    return b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl" + values + b"ee1:t2:aa1:y1:re"


def dht_announce(port: int) -> bytes:
    """BEP 5: announce_peer."""
    return (
        b"d1:ad2:id20:abcdefghij012345678912:implied_porti0e9:info_hash20:mnopqrstuvwxyz1234564:porti%de5:token8:aoeusnthe"
        b"1:q13:announce_peer1:t2:aa1:y1:qe" % port
    )


def extended(body: bytes, number: int) -> bytes:
    """BEP 10: a message of type 20, its own number, a dictionary."""
    return struct.pack(">IBB", len(body) + 2, 20, number) + body


def hello(port: int) -> bytes:
    """BEP 10: what a peer can do, and its port."""
    return extended(b"d1:md6:ut_pexi1ee1:pi%de1:v8:client/1e" % port, 0)


def exchange(peers: list[Peer], peers6: list[Peer]) -> bytes:
    """BEP 11."""
    body = b"d5:added" + bencoded(b"".join(packed(peers))) + b"7:added.f" + bencoded(bytes(len(peers)))
    return extended(body + b"6:added6" + bencoded(b"".join(packed(peers6))) + b"e", 1)


def local(port: int) -> bytes:
    """BEP 14."""
    return b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: %d\r\nInfohash: %s\r\n\r\n\r\n" % (
        port,
        b"ab" * 20,
    )


PEERS: list[Peer] = [("198.51.100.20", 51413), ("198.51.100.21", 6881)]
PEERS6: list[Peer] = [("2001:db8::20", 51413)]
MESSAGES = [
    tracker_request(6881),
    tracker_answer(PEERS, PEERS6),
    udp_announce(6881),
    udp_answer(PEERS),
    dht_values(PEERS),
    dht_announce(6881),
    hello(6881),
    exchange(PEERS, PEERS6),
    local(6881),
]
