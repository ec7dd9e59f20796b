"""The elements of the subscribers' maps in the kernel: read, and changed in one transaction.

They are packed here: twenty thousand of them take nft seconds, and us some tenths of one.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Container, Iterator, Mapping

from dpi.enforce.names import Family
from dpi.enforce.netlink import (
    ACK,
    ATTRIBUTE,
    REQUEST,
    Netlink,
    attribute,
    attributes,
    message,
    nested,
    netfilter,
    nfgen,
)
from dpi.enforce.nft.elements import BATCH_BEGIN, BATCH_END, CREATE, DELETE_ELEMENT, FAMILIES, NEW_ELEMENT, NFTABLES
from dpi.enforce.nft.host_maps import ASLEEP, LEARNT, TABLE, WANTED, Hosts, branch_number, kernel_number, packed
from dpi.enforce.nft.view import family
from dpi.errors import KernelError
from dpi.policy.plan import Branch, KernelPlan

GET_ELEMENT = NFTABLES << 8 | 13
ADDRESSES = 1000  # elements of one message, whose attributes cannot be longer than 64 kB


def change(kernel: Netlink, name: Family, before: Mapping[str, Hosts], after: Mapping[str, Hosts]) -> int:
    """From the elements of some maps to others; → 0, or the errno of the kernel's refusal."""
    parts = [message(BATCH_BEGIN, REQUEST, kernel.next(), nfgen(0, NFTABLES))]
    expected = set()
    for map_, new in after.items():
        old = before.get(map_, {})
        named = attribute(1, TABLE.encode() + b"\0") + attribute(2, map_.encode() + b"\0")
        gone = [nested(1, nested(1, attribute(1, key))) for key, value in old.items() if new.get(key) != value]
        fresh = [_element(key, value) for key, value in new.items() if old.get(key) != value]
        for kind, flags, elements in ((DELETE_ELEMENT, 0, gone), (NEW_ELEMENT, CREATE, fresh)):
            for at in range(0, len(elements), ADDRESSES):
                sequence = kernel.next()
                expected.add(sequence)
                payload = nfgen(FAMILIES[name]) + named + nested(3, *elements[at : at + ADDRESSES])
                parts.append(message(kind, REQUEST | ACK | flags, sequence, payload))
    parts.append(message(BATCH_END, REQUEST, kernel.next(), nfgen(0, NFTABLES)))
    if not expected:
        return 0
    data = b"".join(parts)
    kernel.socket.setsockopt(socket.SOL_SOCKET, 32, len(data) * 2 + (1 << 20))  # SO_SNDBUFFORCE: it is one message
    answers = kernel.errors(data, expected)
    return next((code for code in answers.values() if code), 0)


def _element(key: bytes, number: int) -> bytes:
    value = struct.pack("=I", kernel_number(number))
    return nested(1, nested(1, attribute(1, key)), nested(2, attribute(1, value)))  # NFTA_SET_ELEM_KEY, _DATA


def learnt(plan: KernelPlan, addresses: Mapping[str, Branch], asleep: Container[str] = ()) -> None:
    """Makes the maps of what is learnt hold these addresses, each with the branch that it is of.  One transaction.

    `asleep`: names of subscribers without classes.  Raises KernelError; where the table is not there nothing is done,
    for it will be put back.
    """
    name = family(plan)
    wanted: dict[str, Hosts] = {map_: {} for map_ in LEARNT.values()}
    for address, branch in addresses.items():
        number = branch.number | (ASLEEP if branch.name in asleep else 0)
        wanted[LEARNT[6 if ":" in address else 4]][packed(address)] = number
    try:
        held = {map_: read_hosts(name, map_) for map_ in wanted}
        with netfilter() as kernel:
            code = change(kernel, name, held, wanted)
    except OSError as error:
        code = error.errno or errno.EIO
    if code and code != errno.ENOENT:
        raise KernelError(f"nft table {name} {TABLE}: what is learnt: {os.strerror(code)}")


def read_hosts(name: Family, map_: str) -> Hosts:
    """What a map holds."""
    with netfilter() as kernel:
        return {key: branch_number(value) for key, value in _read(kernel, name, map_)}


def read_wanted(kernel: Netlink, name: Family) -> list[int]:
    """Numbers of the branches that have traffic and no classes."""
    return [branch_number(struct.unpack("=I", key)[0]) & ~ASLEEP for key, _ in _read(kernel, name, WANTED)]


def _read(kernel: Netlink, name: Family, set_: str) -> Iterator[tuple[bytes, int]]:
    payload = nfgen(FAMILIES[name]) + attribute(1, TABLE.encode() + b"\0") + attribute(2, set_.encode() + b"\0")
    for data, start, end in kernel.dump(GET_ELEMENT, payload):
        for kind, a, b in attributes(data, start + 4, end):
            if kind == 3:  # NFTA_SET_ELEM_LIST_ELEMENTS
                yield from _elements(data, a, b)


def _elements(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    """NFTA_LIST_ELEM of NFTA_SET_ELEM_KEY and _DATA, each of NFTA_DATA_VALUE: written out, as there are thousands."""
    head = ATTRIBUTE.unpack_from
    while start + 4 <= end:
        length = head(data, start)[0]
        if length < 4 or start + length > end:
            return
        key, value, at, last = b"", 0, start + 4, start + length
        while at + 8 <= last:
            size, kind = head(data, at)
            if size < 8 or at + size > last:
                break
            if kind & 0x3FFF == 1:
                key = data[at + 8 : at + size]
            elif kind & 0x3FFF == 2 and size >= 12:
                value = int.from_bytes(data[at + 8 : at + 12], sys.byteorder)
            at += (size + 3) & ~3
        yield key, value
        start += (length + 3) & ~3
