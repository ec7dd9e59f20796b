"""What DHCP clients show of themselves."""

from __future__ import annotations

import struct

import pytest

from dpi.dissect.dhcp import Shown, shown
from tests.dhcp_messages import IPHONE, MAC, asked, message, option, option6, packet, packet6

NAME = b"\x05phone\x07example\x00"


def test_a_client_shows_what_it_asks_for_its_vendor_class_and_its_name() -> None:
    sent = message(asked(IPHONE), option(60, b"android-dhcp-14"), option(12, b"phone"))
    assert shown(packet(sent), MAC) == Shown(4, IPHONE, "android-dhcp-14", "phone")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"\x04\0\0" + NAME, "phone.example"),
        (b"\x04\0\0\x05phone", "phone"),
        (b"\x00\0\0phone.example", "phone.example"),
        (b"\x04\0\0\x3fshort", "short"),
        (b"", ""),
    ],
)
def test_a_name_may_be_fully_qualified(value: bytes, name: str) -> None:
    found = shown(packet(message(asked("1,3"), option(81, value))), MAC)
    assert found and found.name == name


def test_options_stand_in_the_fields_for_names_too_where_the_client_says_so() -> None:
    sent = message(option(52, b"\3"), file=option(12, b"phone") + b"\xff", sname=asked("1,3,6") + b"\xff")
    assert shown(packet(sent), MAC) == Shown(4, "1,3,6", "", "phone")
    assert shown(packet(message(file=option(12, b"phone"), sname=asked("1,3,6"))), MAC) is None


def test_an_option_may_come_in_parts() -> None:
    found = shown(packet(message(asked("1,3"), asked("6,15"))), MAC)
    assert found and found.options == "1,3,6,15"


def test_what_is_shown_is_bounded_and_can_be_printed() -> None:
    sent = message(option(55, bytes([7]) * 600), option(60, b"\x1b[2J" + b"v" * 600), option(12, b"caf\xe9\0"))
    found = shown(packet(sent), MAC)
    assert found and found.options.count(",") == 127
    assert len(found.vendor) == 64 and found.vendor.isprintable() and found.name == "caf\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "sent",
    [
        message(asked("1,3"), relay=b"\x0a\0\0\1"),
        message(asked("1,3"), mac=bytes.fromhex("020000000001")),
        message(asked("1,3"), kind=5),
        b"\2" + message(asked("1,3"))[1:],
        message(),
        message(asked("1,3"))[:236],
        b"",
    ],
    ids=["relayed", "of another", "acknowledged", "a reply", "nothing shown", "BOOTP", "empty"],
)
def test_what_is_no_message_of_the_frames_sender_shows_nothing(sent: bytes) -> None:
    assert shown(packet(sent), MAC) is None


def test_a_group_is_no_device() -> None:
    for mac in (b"\x03" + bytes(5), bytes(6)):
        assert shown(packet(message(asked("1,3"), mac=mac)), mac) is None


def test_a_message_whose_end_is_missing_tells_what_stood_before() -> None:
    whole = packet(message(asked("1,3,6"), option(12, b"phone"), option(60, b"vendor")))
    assert shown(whole[: whole.index(b"vendor") - 2], MAC) == Shown(4, "1,3,6", "", "phone")


def test_a_client_of_ipv6_shows_the_same() -> None:
    vendor = struct.pack(">I", 311) + struct.pack(">H", 8) + b"MSFT 5.0"
    sent = packet6(
        option6(1, b"\0\1" + bytes(12)),
        option6(39, b"\0" + NAME),
        option6(16, vendor),
        option6(6, struct.pack(">HHH", 17, 23, 256)),
    )
    assert shown(sent, MAC) == Shown(6, "17,23,256", "MSFT 5.0", "phone.example")
    for kind in (2, 7, 12, 13):  # of a server, of a relay
        assert shown(packet6(option6(6, b"\0\x17"), kind=kind), MAC) is None
