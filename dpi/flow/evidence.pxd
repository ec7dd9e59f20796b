"""What may name a flow, how far each kind is trusted, and which wins.

A label carries its method and a confidence of 0 to 100.  A label is replaced by one of higher confidence
and by nothing else, so the table below is the whole order of evidence:

    method        confidence  what was seen
    rule             100      a rule of the signature files holds for all that is known of the flow
    sni               99      server name in a TLS ClientHello (RFC 6066, 3)
    quic-sni          99      the same in a QUIC Initial (RFC 9001)
    http-host         98      Host or :authority of a request, or the target of CONNECT
    dns-query         97      the name that this very flow asks for
    signature         95      the payload's own format
    certificate       90      the server's certificate (TLS 1.2 and older)
    dns               85      the client's resolver answered with this address for that name
    known-server      80      another flow showed this name at the same address and port
    program           75      the client's program says who it is, at the start of its user agent
    behaviour         70      the traffic has the shape of the app's of the address's owner, or of a voice or bulk
    prefix            60      the address belongs to the app's owner
    neighbour         50      the client found the app, and no other, beside that address a moment ago
    fingerprint       40      this client's JA4, with which it was seen to use one app and no other
    port              30      the port that is registered for it
    provisional       80      at and above this, rules act at once; below it, when nothing better can come

A certificate names the first of many (a CDN's covers dozens), DNS tells what some name pointed to a moment
ago, and a prefix tells whose machine it is rather than what runs there: hence the steps.
"""
from libc.stdint cimport uint8_t, uint16_t


cdef enum Method:
    BY_NOTHING
    BY_SNI
    BY_QUIC_SNI
    BY_HTTP_HOST
    BY_DNS_QUERY
    BY_SIGNATURE
    BY_CERTIFICATE
    BY_DNS
    BY_KNOWN_SERVER
    BY_PROGRAM
    BY_BEHAVIOUR
    BY_PREFIX
    BY_NEIGHBOUR
    BY_FINGERPRINT
    BY_PORT
    BY_RULE
    METHODS                 # how many there are


cdef enum:
    PROVISIONAL = 80


cdef struct Label:
    uint16_t id             # 0: none
    uint8_t method          # Method
    uint8_t confidence      # 0 to 100


cdef inline uint8_t confidence_of(int method) noexcept nogil:
    if method == BY_RULE:
        return 100
    if method == BY_SNI or method == BY_QUIC_SNI:
        return 99
    if method == BY_HTTP_HOST:
        return 98
    if method == BY_DNS_QUERY:
        return 97
    if method == BY_SIGNATURE:
        return 95
    if method == BY_CERTIFICATE:
        return 90
    if method == BY_DNS:
        return 85
    if method == BY_KNOWN_SERVER:
        return 80
    if method == BY_PROGRAM:
        return 75
    if method == BY_BEHAVIOUR:
        return 70
    if method == BY_PREFIX:
        return 60
    if method == BY_NEIGHBOUR:
        return 50
    if method == BY_FINGERPRINT:
        return 40
    if method == BY_PORT:
        return 30
    return 0


cdef inline bint improve(Label *label, uint16_t id, uint8_t method, uint8_t confidence) noexcept nogil:
    """Better evidence replaces what is there; equal evidence does not."""
    if id == 0 or confidence <= label.confidence:
        return False
    label.id = id
    label.method = method
    label.confidence = confidence
    return True
