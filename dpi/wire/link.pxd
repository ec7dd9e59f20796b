"""Layer 2: from a capture's link type to the IP header.

Every header ends in saying what comes next, as an EtherType or as something that we map to one.  So one loop takes
off whatever is stacked up, a bounded number of times: VLAN tags (802.1Q, 802.1ad), MPLS labels, PPPoE, service
function chains (NSH), and the Ethernet inside of MPLS pseudowires.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.wire.cursor cimport Cursor, alive, be16, left, skip, take, u8, u16, u24, u32
from dpi.wire.ip cimport claims
from dpi.wire.view cimport (
    BAD_HEADER, FINE, NOT_IP, TOO_DEEP, TRUNCATED, UNKNOWN_LINK, Fault, View, on_wire, trim, view_of,
)


cdef enum:
    LINK_NULL = 0           # www.tcpdump.org/linktypes.html
    LINK_ETHERNET = 1
    LINK_PPP = 9
    LINK_RAW_BSD = 12
    LINK_RAW_OPENBSD = 14
    LINK_PPP_SERIAL = 50
    LINK_PPP_ETHER = 51
    LINK_RAW = 101
    LINK_CHDLC = 104
    LINK_802_11 = 105
    LINK_FRELAY = 107
    LINK_LOOP = 108
    LINK_SLL = 113
    LINK_PFLOG = 117
    LINK_RADIOTAP = 127
    LINK_PPI = 192
    LINK_PPP_DIRECTED = 204     # these three have a byte in front: sent or received
    LINK_CHDLC_DIRECTED = 205
    LINK_FRELAY_DIRECTED = 206
    LINK_IPV4 = 228
    LINK_IPV6 = 229
    LINK_NFLOG = 239
    LINK_PKTAP = 258
    LINK_SLL2 = 276

    ETHER_LENGTHS = 0x0600  # below, the field is an 802.3 length
    ETHER_IPV4 = 0x0800
    ETHER_TEB = 0x6558      # a whole Ethernet frame
    ETHER_VLAN = 0x8100
    ETHER_IPV6 = 0x86dd
    ETHER_PPP = 0x880b
    ETHER_MPLS = 0x8847
    ETHER_MPLS_UPSTREAM = 0x8848
    ETHER_PPPOE = 0x8864
    ETHER_QINQ = 0x88a8
    ETHER_NSH = 0x894f
    ETHER_QINQ_OLD = 0x9100

    PPP_IPV4 = 0x0021
    PPP_IPV6 = 0x0057
    PPP_MPLS = 0x0281

    NOTHING = 0             # no EtherType: not IP
    RAW_IP = 1              # no EtherType: the version nibble tells

    NLPID_IPV6 = 0x8e       # ISO/IEC TR 9577
    NLPID_SNAP = 0x80
    NLPID_IPV4 = 0xcc
    NLPID_PPP = 0xcf

    AF_INET = 2             # Linux's
    AF_INET6 = 10
    NFULA_PACKET_HDR = 1    # linux/netfilter/nfnetlink_log.h
    NFULA_PAYLOAD = 9

    NFLOG_ATTRIBUTES_MAX = 32
    SHIMS_MAX = 8
    LABELS_MAX = 16


cdef inline uint32_t snap(Cursor *c) noexcept nogil:
    """An EtherType; or a bridge's Ethernet frame, with its check sequence or without (RFC 2427, 4.2)."""
    cdef uint32_t owner = u24(c)
    cdef uint32_t kind = u16(c)
    if owner == 0:
        return kind
    return ETHER_TEB if owner == 0x0080c2 and (kind == 1 or kind == 7) else NOTHING


cdef inline uint32_t llc(Cursor *c) noexcept nogil:
    """802.2 LLC, and SNAP where it names an EtherType (RFC 1042)."""
    cdef uint32_t access = u24(c)
    if access == 0xaaaa03:
        return snap(c)
    return ETHER_IPV4 if access == 0x060603 else NOTHING


cdef inline uint32_t ethernet(Cursor *c) noexcept nogil:
    cdef uint32_t kind
    skip(c, 12)
    kind = u16(c)
    return kind if kind >= ETHER_LENGTHS else llc(c)


cdef inline uint32_t ppp(Cursor *c) noexcept nogil:
    """RFC 1661; address and control (RFC 1662) and the protocol's high byte may be compressed away."""
    cdef uint32_t kind
    if left(c) >= 2 and c.p[0] == 0xff and c.p[1] == 0x03:
        skip(c, 2)
    kind = u8(c)
    if not kind & 1:
        kind = kind << 8 | u8(c)
    if kind == PPP_IPV4:
        return ETHER_IPV4
    if kind == PPP_IPV6:
        return ETHER_IPV6
    return ETHER_MPLS if kind == PPP_MPLS else NOTHING


cdef inline uint32_t pppoe(View *v) noexcept nogil:
    """A session's packet, RFC 2516, 4."""
    cdef uint32_t version = u8(&v.c)
    cdef uint32_t code = u8(&v.c)
    cdef uint32_t length
    skip(&v.c, 2)
    length = u16(&v.c)
    if version != 0x11 or code != 0:
        return NOTHING
    if length and length <= on_wire(v):     # it is too short in front of packets that the card is to segment
        trim(v, length)
    return ppp(&v.c)


cdef inline uint32_t mpls(Cursor *c) noexcept nogil:
    """Labels to the bottom of the stack (RFC 3032), then IP, or a pseudowire's control word (RFC 4385, 3)."""
    cdef int _i
    for _i in range(LABELS_MAX):
        if u32(c) & 0x100 or not alive(c):
            break
    else:
        return NOTHING
    if left(c) and c.p[0] >> 4 == 0:
        skip(c, 4)
        return ETHER_TEB
    return RAW_IP


cdef inline uint32_t by_next(uint32_t protocol) noexcept nogil:
    """The Next Protocol of VXLAN-GPE and of NSH."""
    if protocol == 1:
        return ETHER_IPV4
    if protocol == 2:
        return ETHER_IPV6
    if protocol == 3:
        return ETHER_TEB
    if protocol == 4:
        return ETHER_NSH
    return ETHER_MPLS if protocol == 5 else NOTHING


cdef inline uint32_t nsh(Cursor *c) noexcept nogil:
    """RFC 8300, 2: version 0, a length in words; type 1 has four words of context, 2 as many as it says."""
    cdef uint32_t base = u16(c)
    cdef uint32_t kind = u8(c) & 0x0f
    cdef uint32_t protocol = u8(c)
    cdef uint32_t words = base & 0x3f
    if base & 0xc000 or not (kind == 1 and words == 6 or kind == 2 and words >= 2):
        return NOTHING
    skip(c, <Py_ssize_t>words * 4 - 4)
    return by_next(protocol)


cdef inline uint32_t family(uint32_t af) noexcept nogil:
    """AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 24, 28 or 30 on BSDs, in the writer's byte order."""
    if af > 0xffff:
        af = af >> 24 | (af >> 8 & 0xff00)
    if af == 2:
        return ETHER_IPV4
    return ETHER_IPV6 if af in (10, 24, 28, 30) else NOTHING


cdef inline uint32_t wifi(Cursor *c) noexcept nogil:
    """An IEEE 802.11 data frame in the clear.  Some CAPWAP controllers swap the two bytes of frame control."""
    cdef uint32_t control = u8(c)
    cdef uint32_t flags = u8(c)
    if control & 0x0f != 0x08:      # version 0, type data
        control, flags = flags, control
    if control & 0x0f != 0x08 or control & 0x40 or flags & 0x40:    # … that has data and is not encrypted
        return NOTHING
    skip(c, 22)
    if flags & 0x03 == 0x03:        # between access points: a fourth address
        skip(c, 6)
    if control & 0x80:              # QoS
        if u16(c) & 0x8000:         # several frames in one (A-MSDU)
            return NOTHING
        if flags & 0x80:            # HT control
            skip(c, 4)
    return llc(c)


cdef inline uint32_t u16_little(Cursor *c) noexcept nogil:
    cdef uint32_t v = u16(c)
    return v >> 8 | (v & 0xff) << 8


cdef inline uint32_t u32_little(Cursor *c) noexcept nogil:
    cdef uint32_t v = u16_little(c)
    return u16_little(c) << 16 | v


cdef inline uint32_t radiotap(Cursor *c) noexcept nogil:
    cdef uint32_t length
    skip(c, 2)
    length = u16_little(c)
    skip(c, <Py_ssize_t>length - 4)
    return wifi(c)


cdef inline uint32_t ppi(Cursor *c) noexcept nogil:
    """Per-packet information: its length, then the link type of what follows, which it returns, little-endian."""
    cdef uint32_t length, linktype
    skip(c, 2)
    length = u16_little(c)
    linktype = u16_little(c)
    skip(c, <Py_ssize_t>length - 6)
    return linktype


cdef inline uint32_t pktap(Cursor *c) noexcept nogil:
    """macOS' header with the process: its length, the kind of record, the link type of what follows, little-endian."""
    cdef uint32_t length = u32_little(c)
    cdef uint32_t linktype
    skip(c, 4)
    linktype = u32_little(c)
    skip(c, <Py_ssize_t>length - 12)
    return linktype


cdef inline uint32_t pflog(Cursor *c) noexcept nogil:
    """The log of the BSDs' pf: the header's length without its padding to four bytes, the address family."""
    cdef uint32_t length = u8(c)
    cdef uint32_t af = u8(c)
    skip(c, <Py_ssize_t>((length + 3) & 0x1fc) - 2)
    return family(af)


cdef inline uint32_t nflog(View *v) noexcept nogil:
    """Linux' netfilter log: address family, version, group; then attributes: length, type, value, padded to four bytes.

    They are in the order of the writer's bytes, which the type tells: it is below 64, but for flags in its two high bits.
    What is logged may be less than there was, and only its own header says so.  Other families' (a bridge's, a device's)
    EtherType is in the first attribute.
    """
    cdef uint32_t af = u8(&v.c)
    cdef uint32_t kind = NOTHING
    cdef uint32_t length, what
    cdef const uint8_t *q
    cdef int _i
    skip(&v.c, 3)
    for _i in range(NFLOG_ATTRIBUTES_MAX):
        q = take(&v.c, 4)
        if q == NULL:
            return NOTHING
        if q[3] & 0x3f:
            length = be16(q)
            what = q[3]
        else:
            length = <uint32_t>q[1] << 8 | q[0]
            what = q[2]
        if length < 4:
            return NOTHING
        if what == NFULA_PAYLOAD:
            break
        if what == NFULA_PACKET_HDR and left(&v.c) >= 2:
            kind = be16(v.c.p)
        skip(&v.c, <Py_ssize_t>((length + 3) & 0x1fffc) - 4)
    else:
        return NOTHING
    trim(v, length - 4)
    if af == AF_INET or af == AF_INET6:
        length = claims(&v.c)
        if length > on_wire(v):
            v.beyond = length - <uint32_t>left(&v.c)
        return RAW_IP
    return kind


cdef inline uint32_t hdlc(Cursor *c) noexcept nogil:
    """Cisco HDLC: address, control, EtherType."""
    skip(c, 2)
    return u16(c)


cdef inline uint32_t frame_relay(Cursor *c) noexcept nogil:
    """Q.922's address of two to four bytes, the last one odd; then RFC 2427's NLPID (3), or Cisco's EtherType."""
    cdef uint32_t kind
    cdef int size = 1
    while not u8(c) & 1 and size < 5:
        size += 1
    if not 2 <= size <= 4:
        return NOTHING
    kind = u8(c)
    if kind != 0x03:        # unnumbered information
        return kind << 8 | u8(c)
    kind = u8(c)
    if kind == 0:           # padding
        kind = u8(c)
    if kind == NLPID_SNAP:
        return snap(c)
    if kind == NLPID_PPP:   # RFC 1973
        return ppp(c)
    if kind == NLPID_IPV4:
        return ETHER_IPV4
    return ETHER_IPV6 if kind == NLPID_IPV6 else NOTHING


cdef inline uint32_t cooked(Cursor *c) noexcept nogil:
    skip(c, 14)
    return u16(c)


cdef inline uint32_t cooked2(Cursor *c) noexcept nogil:
    cdef uint32_t kind = u16(c)
    skip(c, 18)
    return kind


cdef inline Fault shims(View *v, uint32_t kind, uint16_t *vlan) noexcept nogil:
    """Takes off what is between a header that announced `kind` and IP; notes the first VLAN id."""
    cdef int _i
    cdef uint32_t tag
    for _i in range(SHIMS_MAX):
        if kind in (ETHER_IPV4, ETHER_IPV6, RAW_IP):
            return FINE if alive(&v.c) else TRUNCATED
        if kind in (ETHER_VLAN, ETHER_QINQ, ETHER_QINQ_OLD):
            tag = u16(&v.c) & 0x0fff
            if vlan[0] == 0:
                vlan[0] = <uint16_t>tag
            kind = u16(&v.c)
            if kind < ETHER_LENGTHS:
                kind = llc(&v.c)
        elif kind in (ETHER_MPLS, ETHER_MPLS_UPSTREAM):
            kind = mpls(&v.c)
        elif kind == ETHER_PPPOE:
            kind = pppoe(v)
        elif kind == ETHER_PPP:
            kind = ppp(&v.c)
        elif kind == ETHER_TEB:
            kind = ethernet(&v.c)
        elif kind == ETHER_NSH:
            kind = nsh(&v.c)
        else:
            return NOT_IP if alive(&v.c) else TRUNCATED
    return TOO_DEEP


cdef inline Fault link(View *v, uint32_t linktype, uint16_t *vlan) noexcept nogil:
    """Leaves v at the IP header."""
    cdef uint32_t kind
    if linktype != LINK_ETHERNET:       # what nearly all captures have
        if linktype == LINK_PPI:
            linktype = ppi(&v.c)
        elif linktype == LINK_PKTAP:
            linktype = pktap(&v.c)
        if linktype in (LINK_PPP_DIRECTED, LINK_CHDLC_DIRECTED, LINK_FRELAY_DIRECTED):
            skip(&v.c, 1)
    if linktype == LINK_ETHERNET:
        kind = ethernet(&v.c)
    elif linktype in (LINK_RAW, LINK_RAW_BSD, LINK_RAW_OPENBSD, LINK_IPV4, LINK_IPV6):
        kind = RAW_IP
    elif linktype == LINK_SLL:
        kind = cooked(&v.c)
    elif linktype == LINK_SLL2:
        kind = cooked2(&v.c)
    elif linktype in (LINK_NULL, LINK_LOOP):
        kind = family(u32(&v.c))
    elif linktype in (LINK_PPP, LINK_PPP_SERIAL, LINK_PPP_DIRECTED):
        # The first byte is HDLC's address: 0x0f and 0x8f are Cisco's unicast and multicast.
        kind = hdlc(&v.c) if left(&v.c) and v.c.p[0] in (0x0f, 0x8f) else ppp(&v.c)
    elif linktype == LINK_PPP_ETHER:
        kind = ETHER_PPPOE
    elif linktype in (LINK_CHDLC, LINK_CHDLC_DIRECTED):
        kind = hdlc(&v.c)
    elif linktype in (LINK_FRELAY, LINK_FRELAY_DIRECTED):
        kind = frame_relay(&v.c)
    elif linktype == LINK_NFLOG:
        kind = nflog(v)
    elif linktype == LINK_PFLOG:
        kind = pflog(&v.c)
    elif linktype == LINK_RADIOTAP:
        kind = radiotap(&v.c)
    elif linktype == LINK_802_11:
        kind = wifi(&v.c)
    else:
        return UNKNOWN_LINK
    return shims(v, kind, vlan)


cdef inline bint link_is_read(uint32_t linktype) noexcept nogil:
    """Whether link() knows it: asked with a packet of no bytes, so that there is one list of them."""
    cdef View nothing = view_of(NULL, 0, 0)
    cdef uint16_t vlan = 0
    return link(&nothing, linktype, &vlan) != UNKNOWN_LINK
