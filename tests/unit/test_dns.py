"""A DNS message says what was asked and which addresses answer it, and nothing else passes for one."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest

from dpi.dissect import dns

A, CNAME, AAAA, SVCB, HTTPS = 1, 5, 28, 64, 65
QUESTION = b"\3WWW\7Example\3org\0"
POINTER = b"\xc0\x0c"


def name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def v4(address: str) -> bytes:
    return bytes(map(int, address.split(".")))


def mapped(address: str) -> bytes:
    return bytes(10) + b"\xff\xff" + v4(address)


def record(owner: bytes, kind: int, data: bytes, ttl: int = 60, rclass: int = 1) -> bytes:
    return owner + struct.pack(">HHIH", kind, rclass, ttl, len(data)) + data


def message(
    *answers: bytes, flags: int = 0x8180, question: bytes = QUESTION, qtype: int = A, qclass: int = 1, qd: int = 1
) -> bytes:
    asked = question + struct.pack(">HH", qtype, qclass) if qd else b""
    return struct.pack(">6H", 0x1234, flags, qd, len(answers), 0, 0) + asked + b"".join(answers)


def query(**fields: Any) -> bytes:
    return message(flags=0x0100, **fields)


def read(data: bytes) -> dict[str, Any]:
    answer, found = dns.message(data)
    assert answer == "yes"
    assert found is not None
    return found


def refused(data: bytes) -> bool:
    return dns.message(data) == ("no", None)


def test_a_question_is_read_in_lower_case() -> None:
    found = read(query(qtype=AAAA))

    assert found["qname"] == "www.example.org"
    assert (found["id"], found["response"], found["opcode"], found["qtype"], found["qclass"]) == (
        0x1234,
        False,
        0,
        28,
        1,
    )
    assert (found["questions"], found["answers"], found["addresses"], found["cname"]) == (1, 0, [], "")


def test_the_root_has_an_empty_name() -> None:
    assert read(query(question=b"\0", qtype=2))["qname"] == ""


def test_addresses_of_both_families_are_answers() -> None:
    found = read(message(record(POINTER, A, v4("192.0.2.1"), 30), record(POINTER, AAAA, bytes(15) + b"\1", 40, 0x8001)))
    assert found["response"]
    assert found["addresses"] == [(mapped("192.0.2.1"), 30), (bytes(15) + b"\1", 40)]


CHAIN = [
    record(POINTER, CNAME, name("a.example.net"), 50),
    record(name("A.example.net"), CNAME, name("b.example.net"), 20),
    record(name("b.example.net"), A, v4("192.0.2.7"), 90),
]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_aliases_are_followed_in_any_order_with_the_least_time_to_live(order: tuple[int, ...]) -> None:
    found = read(message(*(CHAIN[i] for i in order)))

    assert found["addresses"] == [(mapped("192.0.2.7"), 20)]
    assert found["cname"] == "b.example.net"


def test_addresses_that_were_not_asked_for_are_not_answers() -> None:
    found = read(
        message(
            record(name("other.example"), A, v4("192.0.2.1")),
            record(POINTER, CNAME, name("a.example.net")),
            record(POINTER, A, v4("192.0.2.2")),
            record(name("a.example.net"), A, v4("192.0.2.3")),
            record(name("a.example.net"), A, v4("192.0.2.4"), rclass=3),
        )
    )
    assert found["addresses"] == [(mapped("192.0.2.3"), 60)]


def test_aliases_in_a_circle_end() -> None:
    circle = [record(POINTER, CNAME, name("a.b")), record(name("a.b"), CNAME, name("www.example.org"))]
    assert read(message(*circle * 20))["addresses"] == []
    assert read(message(record(POINTER, CNAME, POINTER)))["addresses"] == []


def test_a_chain_of_too_many_aliases_gives_no_addresses() -> None:
    names = ["www.example.org"] + [f"n{i}.example" for i in range(20)]
    links = [record(name(a), CNAME, name(b)) for a, b in pairwise(names)]
    assert read(message(*links[:16], record(name("n15.example"), A, v4("192.0.2.1"))))["addresses"]
    assert not read(message(*links[:17], record(name("n16.example"), A, v4("192.0.2.1"))))["addresses"]


def test_a_time_to_live_with_its_top_bit_set_is_none() -> None:
    assert read(message(record(POINTER, A, v4("192.0.2.1"), 0x80000000)))["addresses"][0][1] == 0


@pytest.mark.parametrize("size", [512, 1232, 4096, 16384], ids=["RFC 1035", "EDNS now", "EDNS once", "a stream"])
@pytest.mark.parametrize(("kind", "data"), [(A, v4("192.0.2.1")), (AAAA, bytes(15) + b"\1")], ids=["IPv4", "IPv6"])
def test_all_addresses_are_read_that_an_answer_of_that_size_has_room_for(size: int, kind: int, data: bytes) -> None:
    chain = [record(POINTER, CNAME, name("a.example.net")), record(name("a.example.net"), CNAME, name("b.example.net"))]
    alias = b"\xc0" + bytes([message(*chain).rindex(name("b.example.net"))])
    each = record(alias, kind, data)
    n = (size - len(message(*chain))) // len(each)
    found = read(message(*chain, *[each] * n))
    assert (found["cname"], len(found["addresses"])) == ("b.example.net", n)


def test_no_more_than_1024_addresses_are_kept() -> None:
    hints = struct.pack(">HBHH", 1, 0, 4, 4 * 1100) + v4("192.0.2.1") * 1100
    assert len(read(message(record(POINTER, HTTPS, hints), qtype=HTTPS))["addresses"]) == 1024


def test_what_an_answer_before_had_more_is_not_told_again() -> None:
    assert len(read(message(*[record(POINTER, A, v4("192.0.2.1"))] * 40))["addresses"]) == 40
    assert len(read(message(record(POINTER, A, v4("192.0.2.1"))))["addresses"]) == 1


@pytest.mark.parametrize("kind", [HTTPS, SVCB])
def test_hints_and_ech_of_service_records_are_found(kind: int) -> None:
    parameters = [(1, b"\2h3"), (4, v4("192.0.2.1") + v4("192.0.2.2")), (5, b"keys"), (6, bytes(15) + b"\1")]
    data = struct.pack(">H", 1) + b"\0" + b"".join(struct.pack(">HH", k, len(v)) + v for k, v in parameters)
    found = read(message(record(POINTER, kind, data), qtype=kind))

    assert found["ech"]
    assert [a for a, _ in found["addresses"]] == [mapped("192.0.2.1"), mapped("192.0.2.2"), bytes(15) + b"\1"]


@pytest.mark.parametrize(
    ("kind", "priority", "target", "expected"),
    [
        (HTTPS, 1, "svc.pool.example", "svc.pool.example"),
        (HTTPS, 0, "svc.pool.example", "svc.pool.example"),  # an alias
        (HTTPS, 1, "", ""),  # the name itself
        (HTTPS, 1, "www.example.org", ""),
        (SVCB, 1, "svc.pool.example", ""),  # of another service: its name is not what is asked for there
    ],
)
def test_a_service_records_target_is_whose_addresses_are_asked_for_next(
    kind: int, priority: int, target: str, expected: str
) -> None:
    data = struct.pack(">H", priority) + name(target)
    found = read(
        message(record(POINTER, kind, data), record(POINTER, kind, b"\0\2" + name("other.example")), qtype=kind)
    )
    assert found["cname"] == (expected or ("" if kind == SVCB or target else "other.example"))


def test_a_service_record_that_is_cut_inside_gives_what_is_whole() -> None:
    data = b"\0\1\0" + b"\0\4\0\4" + v4("192.0.2.1") + b"\0\5\0\x40ke"
    found = read(message(record(POINTER, HTTPS, data), qtype=HTTPS))
    assert (len(found["addresses"]), found["ech"]) == (1, False)


def test_bytes_that_are_no_text_cannot_pass_for_another_name() -> None:
    assert read(query(question=b"\5a.b\0c\3org\0"))["qname"] == "a?b?c.org"
    assert read(query(question=b"\2\xc3\xa9\3org\0"))["qname"] == "??.org"


def test_the_longest_name_is_read_and_a_longer_one_refused() -> None:
    longest = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61 + b"\0"
    assert len(read(query(question=longest))["qname"]) == 253
    assert refused(query(question=b"\1a" + longest))


def test_a_message_without_a_question_is_about_its_first_record() -> None:
    found = read(message(record(name("Printer.local"), A, v4("192.0.2.1"), 120, 0x8001), flags=0x8400, qd=0))
    assert (found["qname"], found["addresses"]) == ("printer.local", [])

    assert refused(message(flags=0x8400, qd=0))
    assert refused(message(b"\5hello", flags=0x8400, qd=0))
    assert refused(message(record(b"\1a\0", A, v4("192.0.2.1"), rclass=77), flags=0x8400, qd=0))


def test_several_questions_are_all_checked() -> None:
    two = struct.pack(">6H", 1, 0, 2, 0, 0, 0) + QUESTION + b"\0\x0c\x80\1" + b"\4_ipp" + b"\xc0\x10" + b"\0\x0c\0\1"
    assert read(two)["qname"] == "www.example.org"
    assert refused(two[:-2])
    assert refused(two[:-1] + b"\7")


def test_pointers_must_lead_backwards_and_end_soon() -> None:
    assert refused(query(question=b"\xc0\x0c"))
    assert refused(query(question=b"\xc0\x40" + bytes(60)))
    assert refused(query(question=b"\xc0\0"))
    head = message(record(POINTER, A, v4("192.0.2.1")))
    forward = record(b"\xc0\xff", A, v4("192.0.2.1"))
    assert read(message(forward))["addresses"] == []
    assert read(head)["addresses"] != []

    ladder = POINTER
    start = len(message())
    for i in range(100):
        ladder += struct.pack(">H", 0xC000 | start + 11 + 2 * i if i else 0xC00C)
    top = struct.pack(">H", 0xC000 | start + 11 + 2 * 99)
    answers = record(b"\0", 16, ladder), record(top, A, v4("192.0.2.1"))
    assert read(message(*answers))["addresses"] == []


def test_an_answer_that_was_cut_gives_the_addresses_that_are_there() -> None:
    whole = message(record(POINTER, A, v4("192.0.2.1")), record(POINTER, A, v4("192.0.2.2")))
    assert [a for a, _ in read(whole[:-1])["addresses"]] == [mapped("192.0.2.1")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 11,
        b"\0" * 12,
        b"\xff" * 60,
        bytes(60),
        query()[:-1],
        query(qtype=0),
        query(qclass=9),
        query(question=b"\x41a\0"),
        query(question=b"\7short\0"),
        message(flags=0x1800),
        message(flags=0x3800),
        message(flags=0x8040),
        message(flags=0x818F),
        message(flags=0x0103),
        query()[:4] + b"\0\x40" + query()[6:],
        query()[:6] + b"\x10\0" + query()[8:],
        b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n",
        b"\x16\3\1\2\0\1\0\1\xfc\3\3" + bytes(40),
        b"\x80\x60" + bytes(10) + b"rtp" * 20,
    ],
)
def test_other_payloads_are_refused(data: bytes) -> None:
    assert refused(data)


@pytest.mark.parametrize("rcode", range(12))
def test_every_response_code_is_a_response(rcode: int) -> None:
    found = read(message(record(POINTER, A, v4("192.0.2.1")), flags=0x8180 | rcode))
    assert found["rcode"] == rcode
    assert len(found["addresses"]) == (rcode == 0)


def test_over_tcp_a_message_is_behind_its_length() -> None:
    whole = message(record(POINTER, A, v4("192.0.2.1")))
    framed = len(whole).to_bytes(2, "big") + whole

    assert dns.stream(framed) == dns.message(whole)
    assert dns.stream(framed + b"the next one") == dns.message(whole)
    assert {dns.stream(framed[:cut])[0] for cut in range(len(framed))} == {"more"}


def test_over_tcp_what_is_no_message_is_refused_at_once() -> None:
    for other in (b"GET / HTTP/1.1\r\n", b"\x16\3\1\2\0\1\0\1\xfc\3\3\0\0\0", b"\0\x0b" + bytes(11), b"\0\0"):
        assert dns.stream(other)[0] == "no"
    assert dns.stream((40).to_bytes(2, "big") + query() + bytes(40))[0] == "yes"
