"""What dnslib writes is read back; what is cut or damaged is read sensibly or refused."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import Any

from dnslib import AAAA, CNAME, QTYPE, RR, A, DNSHeader, DNSQuestion, DNSRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.dissect import dns

labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_ABC", min_size=1, max_size=20)
names = st.lists(labels, min_size=1, max_size=6).map(".".join)
ttls = st.integers(0, 2**31 - 1)
addresses = st.builds(IPv4Address, st.integers(0, 2**32 - 1)) | st.builds(IPv6Address, st.integers(2**64, 2**128 - 1))


def packed(address: IPv4Address | IPv6Address) -> bytes:
    return address.packed if len(address.packed) == 16 else bytes(10) + b"\xff\xff" + address.packed


def record(name: str, ttl: int, address: IPv4Address | IPv6Address) -> RR:
    v4 = isinstance(address, IPv4Address)
    return RR(name, QTYPE.A if v4 else QTYPE.AAAA, ttl=ttl, rdata=A(str(address)) if v4 else AAAA(str(address)))


Built = tuple[bytes, str, str, list[tuple[bytes, int]]]


@st.composite
def answers(draw: st.DrawFn) -> Built:
    """A response with a chain of aliases in any order, and records that do not belong to it."""
    chain = draw(st.lists(names, min_size=1, max_size=6, unique_by=str.lower))
    stranger = "not-asked-for." + chain[0]
    message = DNSRecord(DNSHeader(id=7, qr=1), q=DNSQuestion(chain[0], QTYPE.A))
    records, least = [], 2**31 - 1
    for name, alias in pairwise(chain):
        ttl = draw(ttls)
        least = min(least, ttl)
        records.append(RR(name, QTYPE.CNAME, ttl=ttl, rdata=CNAME(alias)))
    ends = draw(st.lists(st.tuples(ttls, addresses), max_size=6))
    records += [record(chain[-1], ttl, address) for ttl, address in ends]
    records += [
        record(stranger, ttl, address) for ttl, address in draw(st.lists(st.tuples(ttls, addresses), max_size=2))
    ]
    for each in draw(st.permutations(records)):
        message.add_answer(each)
    cname = chain[-1].lower() if len(chain) > 1 else ""
    return bytes(message.pack()), chain[0].lower(), cname, sorted((packed(a), min(least, ttl)) for ttl, a in ends)


@settings(max_examples=200)
@given(answers())
def test_the_question_and_its_addresses_are_read_back(built: Built) -> None:
    data, qname, cname, want = built
    answer, found = dns.message(data)

    assert answer == "yes"
    assert found
    assert (found["qname"], found["cname"]) == (qname, cname)
    assert sorted(found["addresses"]) == want
    assert dns.stream(len(data).to_bytes(2, "big") + data) == (answer, found)


def sensible(result: tuple[str, dict[str, Any] | None]) -> None:
    answer, found = result
    assert answer in ("no", "more", "yes")
    assert (found is not None) == (answer == "yes")
    if found:
        assert len(found["qname"]) <= 253
        assert all(0x21 <= ord(c) <= 0x7E for c in found["qname"] + found["cname"])
        assert len(found["addresses"]) <= 1024
        assert all(len(a) == 16 for a, _ in found["addresses"])


@settings(max_examples=150)
@given(answers(), st.floats(0, 1), st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=4))
def test_a_cut_or_damaged_message_is_read_sensibly_or_refused(
    built: Built, share: float, changes: list[tuple[int, int]]
) -> None:
    broken = bytearray(built[0])
    for at, byte in changes:
        broken[at % len(broken)] = byte
    data = bytes(broken[: int(len(broken) * share)])
    sensible(dns.message(data))
    sensible(dns.stream(data))


@settings(max_examples=300)
@given(st.binary(max_size=120), st.booleans())
def test_any_bytes_are_answered(data: bytes, header: bool) -> None:
    if header:
        data = b"\x12\x34\x81\x80\0\1\0\2\0\0\0\0" + data
    sensible(dns.message(data))
    sensible(dns.stream(data))
