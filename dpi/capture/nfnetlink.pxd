"""The netlink messages of a kernel queue: read with bounds, written in place.

Layouts are those of linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/nfnetlink_queue.h.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from dpi.wire.cursor cimport Cursor


cdef enum:
    VERDICT_DROP = 0        # linux/netfilter.h
    VERDICT_ACCEPT = 1

    MESSAGE_MAX = 40        # bytes that any put_* below writes at most


cdef enum:                  # QueuedPacket.skb_info, NFQA_SKB_*
    CHECKSUM_NOT_READY = 1
    PACKET_GSO = 2
    CHECKSUM_NOT_VERIFIED = 4


cdef struct QueuedPacket:
    uint32_t id             # the kernel's number for it, in order within a queue; wraps at 2**32
    uint16_t protocol       # ethertype: 0x0800, 0x86dd, …
    uint8_t hook            # NF_INET_*: 2 forward
    uint8_t family          # NFPROTO_*: 2 IPv4, 10 IPv6, 7 bridge
    uint32_t mark
    uint32_t indev          # interface indexes, 0 where there is none
    uint32_t outdev
    uint32_t physindev      # the bridge's port
    uint32_t physoutdev
    uint32_t skb_info       # PACKET_GSO, CHECKSUM_NOT_READY: never check checksums then
    uint16_t vlan           # VLAN id out of the packet's tag (bridge only), 0 for none
    uint16_t vlan_protocol
    int64_t time            # ns since 1970: the kernel's, else when its batch was read
    uint32_t length         # bytes of the packet, from its IP header on; a GSO packet is longer than the MTU
    uint32_t n              # … of which this many were copied
    const uint8_t *payload  # the packet from its IP header on
    const uint8_t *sender   # MAC address that it came from, 6 bytes, else NULL
    uint32_t l2_len
    const uint8_t *l2       # the Ethernet header (bridge only), else NULL


cdef enum MessageKind:
    MESSAGE_END             # nothing is left in this datagram
    MESSAGE_PACKET
    MESSAGE_DAMAGED         # a packet whose id is known while the rest is damaged or cut off
    MESSAGE_ERROR           # NLMSG_ERROR: an acknowledgement (error 0), or why a message of ours was refused
    MESSAGE_OTHER           # whole, and nothing that concerns us
    MESSAGE_MALFORMED       # no message; nothing behind it in the datagram can be trusted


cdef struct Message:
    uint8_t kind            # MessageKind
    uint32_t sequence
    int32_t error           # errno, of MESSAGE_ERROR
    QueuedPacket packet     # of MESSAGE_PACKET, and its id of MESSAGE_DAMAGED


cdef void next_message(Cursor *c, Message *out) noexcept nogil
cdef Py_ssize_t put_verdict(uint8_t *out, uint16_t queue, bint batch, uint32_t packet_id, uint32_t verdict,
                            bint has_mark, uint32_t mark) noexcept nogil
cdef Py_ssize_t put_flags(uint8_t *out, uint16_t queue, uint32_t mask, uint32_t flags) noexcept nogil
cdef Py_ssize_t put_max_length(uint8_t *out, uint16_t queue, uint32_t packets) noexcept nogil
cdef Py_ssize_t put_copy_range(uint8_t *out, uint16_t queue, uint32_t octets) noexcept nogil
cdef void request_ack(uint8_t *message, uint32_t sequence) noexcept nogil
