"""Addresses and prefixes as they are written, and as the 16 bytes and numbers that tables have of them.

IPv4 is mapped (::ffff:a.b.c.d), as everywhere behind the decoder.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from dpi.wire.bits cimport popcount


cdef extern from "arpa/inet.h" nogil:
    int inet_pton(int family, const char *text, void *to)
    int AF_INET
    int AF_INET6


cdef inline bint read_address(str text, uint8_t *raw, uint8_t *family, Wide *value):
    """An address, IPv4 in the lower 32 bits of value.low."""
    cdef bytes address
    if not text.isascii() or "\0" in text:
        return False
    address = text.encode("ascii")
    if inet_pton(AF_INET, address, raw) == 1:
        family[0] = 4
        value.high = 0
        value.low = <uint32_t>raw[0] << 24 | <uint32_t>raw[1] << 16 | <uint32_t>raw[2] << 8 | raw[3]
        return True
    if inet_pton(AF_INET6, address, raw) == 1:
        family[0] = 6
        value.high = be64(raw)
        value.low = be64(raw + 8)
        return True
    return False


cdef str parse(str text, Net *net):
    """Reads "192.0.2.0/24", "2001:db8::/32", a lone address or one with a mask.  What is wrong with it, or ""."""
    cdef uint8_t raw[16]
    cdef uint8_t family
    cdef int bits
    cdef Wide behind        # the bits that the prefix leaves free
    behind.high = behind.low = 0
    head, slash, tail = text.partition("/")
    memset(net, 0, sizeof(Net))
    if not read_address(head, raw, &net.family, &net.first):
        return "not an address or prefix"
    if net.family == 6 and memcmp(raw, dpi_mapped, 12) == 0:
        return "an IPv4 address in IPv6 clothes: write it as IPv4"
    bits = 32 if net.family == 4 else 128
    net.length = bits
    if slash and not tail.isdigit() and read_address(tail, raw, &family, &net.mask):
        if family != net.family:
            return "the mask is of the other kind of address"
        if raw[0] != 0xFF:
            return "a mask begins with eight bits that are set"
        if net.first.high & ~net.mask.high or net.first.low & ~net.mask.low:
            return "bits that the mask leaves free are set"
        net.masked = 1
        net.length = popcount(net.mask.high) + popcount(net.mask.low)
        return ""
    if slash:
        if not (tail.isascii() and tail.isdigit() and len(tail) <= 3 and int(tail) <= bits):
            return f"the prefix length is not 0 to {bits}, nor is it a mask"
        net.length = int(tail)
    net.last = net.first
    if bits == 32:
        behind.low = (<uint64_t>1 << (32 - net.length)) - 1
    elif net.length < 64:
        behind.high = ~<uint64_t>0 >> net.length
        behind.low = ~<uint64_t>0
    elif net.length < 128:
        behind.low = ~<uint64_t>0 >> (net.length - 64)
    if net.first.high & behind.high or net.first.low & behind.low:
        return "bits behind the prefix are set"
    net.last.high |= behind.high
    net.last.low |= behind.low
    return ""


def problem(text: str) -> str:
    """What is wrong with a prefix's spelling; "" where it is right."""
    cdef Net net
    return parse(text, &net)


def fixes(text: str, address: bytes) -> int:
    """How many bits of an address (16 bytes) an entry fixes that holds it; -1 where it does not.

    Raises ValueError for an entry that problem() finds fault with.
    """
    cdef Net net
    cdef Wide key
    cdef const uint8_t *raw = address
    wrong = parse(text, &net)
    if wrong or len(address) != 16:
        raise ValueError(f"{text}: {wrong or 'asked for an address that has not 16 bytes'}")
    key.high, key.low = be64(raw), be64(raw + 8)
    if memcmp(raw, dpi_mapped, 12) == 0:
        if net.family == 6:
            return -1
        key.high, key.low = 0, key.low & 0xFFFFFFFF
    elif net.family == 4:
        return -1
    if net.masked:
        held = key.high & net.mask.high == net.first.high and key.low & net.mask.low == net.first.low
    else:
        held = not less(key, net.first) and not less(net.last, key)
    return net.length if held else -1


def pack(text: str) -> bytes:
    """An address as the 16 bytes that tables use.  Raises ValueError where it is none."""
    cdef uint8_t raw[16]
    cdef uint8_t family
    cdef Wide value
    if not read_address(text, raw, &family, &value):
        raise ValueError(f"{text}: not an address")
    return bytes(10) + b"\xff\xff" + raw[:4] if family == 4 else raw[:16]
