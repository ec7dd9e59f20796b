"""The messages of a kernel queue: what is read of them, and what is written."""

from __future__ import annotations

import struct

import pytest
from nfqueue_messages import (
    BATCH,
    CAP_LEN,
    HDR,
    HWADDR,
    INDEV,
    L2HDR,
    MARK,
    NESTED,
    NLMSG_ERROR,
    NLMSG_NOOP,
    OUTDEV,
    PACKET,
    PAYLOAD,
    PHYSINDEV,
    PHYSOUTDEV,
    SKB_INFO,
    TIMESTAMP,
    UID,
    VERDICT,
    VLAN,
    VLAN_PROTO,
    VLAN_TCI,
    attribute,
    message,
    packet,
    packet_header,
    word,
)  # fmt: skip

from dpi.capture.nfnetlink import parse_messages, verdict_message


def test_every_attribute_of_a_packet_is_read() -> None:
    data = packet(
        7,
        word(INDEV, 3),
        word(OUTDEV, 4),
        word(PHYSINDEV, 5),
        word(PHYSOUTDEV, 6),
        word(MARK, 0xDEADBEEF),
        attribute(VLAN | NESTED, attribute(VLAN_TCI, b"\x60\x2a") + attribute(VLAN_PROTO, b"\x81\x00")),
        attribute(L2HDR, bytes(range(14))),
        attribute(HWADDR, struct.pack("!HH", 6, 0) + bytes([2, 1, 2, 3, 4, 5, 0, 0])),
        attribute(TIMESTAMP, struct.pack("!QQ", 1_700_000_000, 123_456)),
        word(UID, 1000),
        word(CAP_LEN, 65226),
        word(SKB_INFO, 3),
        attribute(PAYLOAD, b"\x45abcde"),
    )
    assert parse_messages(data) == [
        {
            "kind": "packet", "sequence": 0, "error": 0, "id": 7, "protocol": 0x0800, "hook": 2, "family": 2,
            "indev": 3, "outdev": 4, "physindev": 5, "physoutdev": 6, "mark": 0xDEADBEEF,
            "vlan": 42, "vlan_protocol": 0x8100, "l2": bytes(range(14)), "sender": bytes([2, 1, 2, 3, 4, 5]),
            "time": 1_700_000_000_123_456_000, "length": 65226, "skb_info": 3, "payload": b"\x45abcde",
        }
    ]  # fmt: skip


def test_what_a_packet_does_not_say_is_zero() -> None:
    (found,) = parse_messages(packet(1))
    assert (found["mark"], found["indev"], found["time"], found["payload"], found["length"]) == (
        0, 0, 0, b"", 0,
    )  # fmt: skip


def test_a_packet_that_was_copied_whole_has_the_length_of_its_payload() -> None:
    (found,) = parse_messages(packet(1, attribute(PAYLOAD, bytes(52))))
    assert found["length"] == 52


def test_an_attribute_of_a_later_kernel_is_passed_over() -> None:
    (found,) = parse_messages(packet(1, attribute(99, b"new"), word(MARK, 5)))
    assert (found["kind"], found["mark"]) == ("packet", 5)


@pytest.mark.parametrize(
    "stamp", [(1 << 63, 0), (0, 1_000_000), (253402300800, 0)], ids=["negative", "micros", "year 10000"]
)
def test_a_senseless_timestamp_is_none(stamp: tuple[int, int]) -> None:
    (found,) = parse_messages(packet(1, attribute(TIMESTAMP, struct.pack("!QQ", *stamp))))
    assert (found["kind"], found["time"]) == ("packet", 0)


def test_several_messages_in_a_datagram_are_read_in_order() -> None:
    found = parse_messages(packet(1, attribute(PAYLOAD, b"abc")) + message(NLMSG_NOOP, b"") + packet(2))
    assert [(m["kind"], m.get("id")) for m in found] == [("packet", 1), ("other", None), ("packet", 2)]


def test_a_refusal_is_read_as_its_errno_and_sequence() -> None:
    (found,) = parse_messages(message(NLMSG_ERROR, struct.pack("=i", -2) + bytes(16), sequence=9))
    assert (found["kind"], found["error"], found["sequence"]) == ("error", 2, 9)


def test_an_error_number_that_has_no_negative_is_read() -> None:
    (found,) = parse_messages(bytes.fromhex("240000000200000001000000000000000000008000000100000000")[:20])
    assert found["kind"] == "error"


def test_a_packet_cut_off_anywhere_behind_its_id_is_damaged_and_its_id_known() -> None:
    data = packet(77, word(INDEV, 3), attribute(PAYLOAD, bytes(40)))
    behind_id = 16 + 4 + 12
    for n in range(behind_id, len(data)):
        (found,) = parse_messages(data[:n])
        assert (found["kind"], found["id"]) == ("damaged", 77), n
    for n in range(1, behind_id - 1):
        assert [m["kind"] for m in parse_messages(data[:n])] == ["malformed"], n


def test_an_attribute_longer_than_its_message_damages_the_packet_only() -> None:
    bad = packet(5, struct.pack("=HH", 400, MARK))
    found = parse_messages(bad + packet(6))
    assert [(m["kind"], m["id"]) for m in found] == [("damaged", 5), ("packet", 6)]


@pytest.mark.parametrize("size", [0, 1, 3])
def test_an_attribute_shorter_than_its_header_damages_the_packet(size: int) -> None:
    (found,) = parse_messages(packet(5, struct.pack("=HH", size, MARK)))
    assert (found["kind"], found["id"]) == ("damaged", 5)


def test_a_packet_without_an_id_is_malformed() -> None:
    (found,) = parse_messages(message(PACKET, bytes(4) + word(MARK, 1)))
    assert found["kind"] == "malformed"
    (found,) = parse_messages(message(PACKET, bytes(4) + packet_header(0)))  # ids start at 1
    assert found["kind"] == "malformed"


def test_a_header_attribute_too_short_for_an_id_is_malformed() -> None:
    (found,) = parse_messages(message(PACKET, bytes(4) + attribute(HDR, b"\0\0")))
    assert found["kind"] == "malformed"


def test_a_message_shorter_than_its_own_header_ends_the_datagram() -> None:
    found = parse_messages(struct.pack("=IHHII", 15, PACKET, 0, 0, 0) + packet(1))
    assert [m["kind"] for m in found] == ["malformed"]


def test_a_verdict_is_written_as_the_kernel_reads_it() -> None:
    assert verdict_message(3, 7, 1) == struct.pack("=IHHII", 32, VERDICT, 1, 0, 0) + b"\0\0\0\3" + struct.pack(
        "=HH", 12, 2
    ) + struct.pack("!II", 1, 7)


def test_a_batch_verdict_carries_its_mark() -> None:
    assert verdict_message(0xFFFF, 7, 0, mark=0x10000, batch=True) == struct.pack(
        "=IHHII", 40, BATCH, 1, 0, 0
    ) + b"\0\0\xff\xff" + struct.pack("=HH", 12, 2) + struct.pack("!II", 0, 7) + struct.pack(
        "=HH", 8, MARK
    ) + struct.pack("!I", 0x10000)
