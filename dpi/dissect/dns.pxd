"""DNS messages: the question, and the addresses that answer it; see dns.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport Answer


cdef enum:
    DNS_A = 1
    DNS_CNAME = 5
    DNS_AAAA = 28
    DNS_SVCB = 64
    DNS_HTTPS = 65
    DNS_ADDRESSES_MAX = 1024    # 16 bytes each at least, where a stream of 16 KiB is looked at


cdef struct DnsAddress:
    uint8_t address[16]     # IPv4 mapped, as in wire/packet.pxd
    uint32_t ttl            # seconds: the least along the chain of aliases


cdef struct DnsMessage:
    uint16_t id
    uint8_t response
    uint8_t opcode
    uint8_t rcode
    uint8_t truncated       # its TC bit: the whole answer comes over TCP
    uint8_t service         # it has a service record that names a target
    uint8_t ech             # a service record of the answer carries ECH keys (RFC 9848)
    uint16_t questions
    uint16_t answers
    uint16_t authorities
    uint16_t additionals
    uint16_t qtype
    uint16_t qclass
    uint16_t qname_len
    uint16_t cname_len
    char qname[256]         # lower case, dotted, no trailing dot; "" is the root
    char cname[256]         # the last alias that the answer leads to, a service record's target too; "": there is none
    uint32_t cname_ttl      # seconds: the least of the chain
    uint32_t n_addresses
    DnsAddress addresses[DNS_ADDRESSES_MAX]     # the first n_addresses are told; the rest is not cleared


cdef bint dns_by_form(const uint8_t *data, uint32_t n) noexcept nogil
cdef Answer dns_message(const uint8_t *data, uint32_t n, DnsMessage *out) noexcept nogil
cdef Answer dns_stream(const uint8_t *data, uint32_t n, DnsMessage *out) noexcept nogil
