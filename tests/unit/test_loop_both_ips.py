"""What a machine looks up over one version of IP is its own lookup where it connects over the other."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, ip_address

from dpi.core import Core
from tests.cores import SECOND, SYN, TCP, UDP, VIDEO, as_flow, core, dns_name, label_by, method, question, risks_of
from tests.handshakes import openssl_hello

PHONE, TELEVISION, ROUTER, MODEM = (bytes.fromhex("0200000000" + end) for end in ("01", "02", "aa", "bb"))
PHONE_4, PHONE_6, PHONE_6_TOO = "10.0.0.1", "2001:db8:1::1", "2001:db8:1::abcd"
TELEVISION_4, TELEVISION_6 = "10.0.0.2", "2001:db8:1::2"
SERVER_4, SERVER_6, RESOLVER_4, RESOLVER_6 = "198.51.100.9", "2001:db8:2::9", "192.0.2.53", "2001:db8:3::53"
HOUR = 3600 * SECOND
LAN, WAN = 1, 2


def wide(text: str) -> bytes:
    """An address as the engine keeps it."""
    address = ip_address(text)
    return bytes(10) + b"\xff\xff" + address.packed if isinstance(address, IPv4Address) else address.packed


def send(
    one: Core, mac: bytes, src: str, dst: str, sport: int, dport: int, proto: int, payload: bytes = b"", *,
    time: int = SECOND, back: bool = False, **more: int,
) -> None:  # fmt: skip
    """A packet of a machine's behind a router, or (back) one to it: then the frame's sender is not the machine."""
    if back:
        src, dst, sport, dport = dst, src, dport, sport
    one.feed(
        src=wide(src), sport=sport, dst=wide(dst), dport=dport, proto=proto, payload=payload, time=time,
        version=ip_address(src).version, origin=WAN if back else LAN, sender=MODEM if back else mac, **more,
    )  # fmt: skip


def reply(name: str, *addresses: str) -> bytes:
    records = b"".join(
        b"\xc0\x0c" + struct.pack(">HHIH", 28 if len(data) == 16 else 1, 1, 300, len(data)) + data
        for data in (ip_address(each).packed for each in addresses)
    )
    return struct.pack(">HHHHHH", 1, 0x8180, 1, len(addresses), 0, 0) + dns_name(name) + b"\0\1\0\1" + records


def resolve(
    one: Core, mac: bytes, client: str, *addresses: str, name: str = "www.video.example", time: int = SECOND
) -> None:
    resolver = RESOLVER_4 if ip_address(client).version == 4 else RESOLVER_6
    sport = 50000 + time // HOUR
    send(one, mac, client, resolver, sport, 53, UDP, question(name), time=time)
    send(one, mac, client, resolver, sport, 53, UDP, reply(name, *addresses), time=time, back=True)


def connect(one: Core, mac: bytes, client: str, server: str, sport: int = 40000, time: int = SECOND) -> tuple[str, int]:
    """How sure the app of a connection is at its first packet."""
    send(one, mac, client, server, sport, 443, TCP, flags=SYN, time=time)
    flow = as_flow(one.find((wide(client), sport, wide(server), 443, 0, TCP)))
    assert flow["app"] == VIDEO
    return method(flow["app_method"]), flow["app_confidence"]


def test_a_lookup_over_ipv4_is_the_clients_own_where_it_connects_over_ipv6() -> None:
    one = core()
    resolve(one, PHONE, PHONE_4, SERVER_4, SERVER_6)
    assert connect(one, PHONE, PHONE_6, SERVER_6) == ("dns", 85)
    assert connect(one, PHONE, PHONE_6_TOO, SERVER_6) == ("dns", 85)
    assert connect(one, TELEVISION, TELEVISION_6, SERVER_6) == ("dns", 70)


def test_one_over_ipv6_is_where_it_connects_over_ipv4_or_from_another_address_of_ipv6() -> None:
    one = core()
    send(one, PHONE, PHONE_4, SERVER_4, 41000, 123, UDP, b"x")
    resolve(one, PHONE, PHONE_6, SERVER_4, SERVER_6)
    assert connect(one, PHONE, PHONE_4, SERVER_4) == ("dns", 85)
    assert connect(one, PHONE, PHONE_6_TOO, SERVER_6) == ("dns", 85)
    assert connect(one, TELEVISION, TELEVISION_4, SERVER_4) == ("dns", 70)


def test_who_has_no_address_of_ipv4_has_those_of_its_lookups_alone() -> None:
    one = core()
    resolve(one, PHONE, PHONE_6, SERVER_6)
    assert connect(one, PHONE, PHONE_6, SERVER_6) == ("dns", 85)
    assert connect(one, PHONE, PHONE_6_TOO, SERVER_6) == ("dns", 70)


def test_behind_a_router_in_the_lan_nobody_is_taken_for_another() -> None:
    """Its MAC address is that of all behind it, of which each has an address of IPv4."""
    one = core()
    send(one, ROUTER, TELEVISION_4, SERVER_4, 41000, 123, UDP, b"x")
    resolve(one, ROUTER, PHONE_4, SERVER_4, SERVER_6)
    assert connect(one, ROUTER, TELEVISION_6, SERVER_6) == ("dns", 70)


def test_a_machine_that_got_another_address_is_known_by_it_an_hour_later() -> None:
    one = core()
    send(one, PHONE, "10.0.0.77", SERVER_4, 41000, 123, UDP, b"x")
    resolve(one, PHONE, PHONE_4, SERVER_4, SERVER_6)
    assert connect(one, PHONE, PHONE_6, SERVER_6) == ("dns", 70)
    later = SECOND + HOUR + SECOND
    resolve(one, PHONE, PHONE_4, SERVER_4, SERVER_6, time=later)
    assert connect(one, PHONE, PHONE_6, SERVER_6, 40001, later) == ("dns", 85)


def test_what_a_machine_says_before_it_has_an_address_counts_for_none() -> None:
    one = core()
    send(one, PHONE, "0.0.0.0", "255.255.255.255", 68, 67, UDP, b"x")
    send(one, PHONE, "169.254.3.4", SERVER_4, 41000, 123, UDP, b"x")
    resolve(one, PHONE, PHONE_4, SERVER_4, SERVER_6)
    assert connect(one, PHONE, PHONE_6, SERVER_6) == ("dns", 85)


def test_an_address_that_was_seen_long_ago_is_the_machines_no_longer() -> None:
    one = core()
    send(one, PHONE, PHONE_4, SERVER_4, 41000, 123, UDP, b"x")
    later = 2 * HOUR
    resolve(one, TELEVISION, PHONE_4, SERVER_4, SERVER_6, time=later)  # who has it now
    assert connect(one, PHONE, PHONE_6, SERVER_6, time=later) == ("dns", 70)


def test_what_is_in_a_tunnel_has_not_the_tunnels_machine() -> None:
    one = core()
    resolve(one, PHONE, PHONE_4, SERVER_4, SERVER_6)
    send(one, PHONE, PHONE_6, SERVER_6, 40000, 443, TCP, flags=SYN, tunnel=3)
    assert as_flow(one.find((wide(PHONE_6), 40000, wide(SERVER_6), 443, 0, TCP)))["app_confidence"] == 70


def test_without_frames_an_address_is_all_that_is_known_of_a_machine() -> None:
    one = core()
    resolve(one, b"", PHONE_4, SERVER_4, SERVER_6)
    assert connect(one, b"", PHONE_6, SERVER_6) == ("dns", 70)


def test_who_connects_from_outside_is_not_the_machine_that_it_connects_to() -> None:
    """A bridge knows that one with the first packet: what it looked up names nobody else's connections."""
    one = core()
    resolve(one, PHONE, PHONE_4, SERVER_4, SERVER_6)
    one.feed(
        src=wide(PHONE_6), sport=40000, dst=wide(SERVER_6), dport=443, proto=TCP, flags=SYN, time=SECOND, version=6,
        origin=WAN, sender=MODEM, receiver=PHONE,
    )  # fmt: skip
    assert as_flow(one.find((wide(PHONE_6), 40000, wide(SERVER_6), 443, 0, TCP)))["app_confidence"] == 70


def test_a_hello_of_another_app_than_was_looked_up_over_the_other_version_is_odd() -> None:
    one = core()
    label_by(one, hosts=[("video.example", VIDEO)], category=bytes([0] * VIDEO + [1]))
    resolve(one, PHONE, PHONE_4, SERVER_4, SERVER_6, name="proxy.other.example")
    for mac, client, risk in ((TELEVISION, TELEVISION_6, set()), (PHONE, PHONE_6, {"dns-name"})):
        send(one, mac, client, SERVER_6, 40000, 443, TCP, flags=SYN, seq=99)
        send(one, mac, client, SERVER_6, 40000, 443, TCP, openssl_hello("www.video.example"), flags=24, seq=100)
        assert risks_of(as_flow(one.find((wide(client), 40000, wide(SERVER_6), 443, 0, TCP)))) == risk
