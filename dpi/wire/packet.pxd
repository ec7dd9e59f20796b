"""A packet as the decoder leaves it: the innermost IP packet, named field by field.

Pointers look into the caller's memory and are valid for one call of process().
Addresses are always 16 bytes; IPv4 is mapped (::ffff:a.b.c.d, RFC 4291, 2.5.5.2),
so that everything behind the decoder handles both alike.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t


cdef enum:
    IP_ICMP = 1
    IP_TCP = 6
    IP_UDP = 17
    IP_ICMPV6 = 58
    IP_SCTP = 132


cdef enum:
    TCP_FIN = 0x01
    TCP_SYN = 0x02
    TCP_RST = 0x04
    TCP_PSH = 0x08
    TCP_ACK = 0x10
    TCP_URG = 0x20


cdef enum Tunnel:
    TUNNEL_NONE
    TUNNEL_GRE
    TUNNEL_IPIP             # IP-in-IP, 6in4, 4in6
    TUNNEL_GTP
    TUNNEL_VXLAN            # and VXLAN-GPE
    TUNNEL_CAPWAP
    TUNNEL_GENEVE
    TUNNEL_MPLS             # MPLS in IP, MPLS in UDP
    TUNNEL_L2TP             # version 2: PPP
    TUNNEL_ETHERNET         # Ethernet in IP: EtherIP, segment routing's (SRv6)
    TUNNEL_ERSPAN           # what a switch mirrors, in GRE
    TUNNEL_TZSP             # what a router's sniffer mirrors, in UDP


cdef enum Fragment:
    FRAGMENT_NONE           # a whole packet
    FRAGMENT_FIRST          # its ports are known, its payload is a part: count it, it may name its flow already
    FRAGMENT_LATER          # addresses and protocol only: not to be counted, but for fragments_add()
    FRAGMENT_JOINED         # put together again: to be looked at, and not to be counted


cdef enum Origin:
    ORIGIN_UNKNOWN          # a capture does not tell
    ORIGIN_LAN
    ORIGIN_WAN


cdef enum Summed:          # what its checksum is worth
    SUM_AS_CAPTURED         # it may be one that the card was to fill in
    SUM_LEFT                # nothing: the card fills it in, or has looked at it
    SUM_OPEN                # nobody has looked at it, and it should be right


cdef struct Packet:
    int64_t time            # ns since 1970
    uint8_t src[16]
    uint8_t dst[16]
    uint16_t sport          # 0 where the transport has none
    uint16_t dport
    uint16_t vlan           # outermost VLAN id, 0 for none; on a router that of the LAN's device on its way
    uint8_t version         # 4 or 6
    uint8_t proto           # IP protocol number, behind extension headers
    uint8_t dscp            # 6 bits
    uint8_t ttl
    uint8_t tcp_flags
    uint8_t tunnel          # Tunnel: the innermost that was opened
    uint8_t fragment        # Fragment
    uint8_t icmp_type
    uint8_t origin          # Origin: which of our interfaces it came in by
    uint8_t behind          # others of its flow may wait behind it in the queue
    uint8_t summed          # Summed
    uint32_t seq            # TCP
    uint32_t ack
    uint32_t length         # bytes of this IP packet on the wire, header included
    uint32_t payload_len    # bytes behind the transport header on the wire
    uint32_t hash           # of the flow, by hint(); 0: not computed yet
    uint32_t n              # … of which this many were captured
    uint32_t ip_n           # bytes captured from ip on
    const uint8_t *payload  # behind the transport header
    const uint8_t *sender   # MAC addresses of the frame, 6 bytes each; NULL where it has none or nobody says
    const uint8_t *receiver
    const uint8_t *ip       # this IP packet's header; of a fragment that holds a tunnel, the fragmented packet's


cdef inline bint is_multicast(const uint8_t *address) noexcept nogil:
    """RFC 4291, 2.7, and RFC 5771 in the 16 bytes of an IPv4 address (::ffff:224.0.0.0/100)."""
    return address[0] == 0xff or (address[0] == 0 and address[10] == 0xff and address[12] & 0xf0 == 0xe0)
