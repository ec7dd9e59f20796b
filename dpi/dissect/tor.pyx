"""Tor's TLS, by the names that it makes up (tor-spec, "Negotiating TLS", and the program's own habit).

A client sends a server name that nobody has: "www.", 4 to 25 letters and digits of base 32 (RFC 4648, 6) and ".com".
Many real names look so; a relay's certificate does not: its subject is "www.", 8 to 20 of them and ".net", its issuer
the same with ".com", and that is all that stands in either.

TLS 1.3 hides the certificate. Then it is the hello: with such a name, without ALPN, and offering secp224r1 last of few
groups (tor-spec allows it for ECDHE), which others offer in a long list of all that they know or not at all. Before it is
secp256r1 alone (0.3.5 to 0.4.8), with X25519, or since 0.4.9 with hybrid ones in front, as far as OpenSSL has them.
"""
from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcmp, memset, strlen

from dpi.dissect.answer cimport Certificate, Found
from dpi.wire.cursor cimport Cursor, alive, left, u16


cdef enum:                  # RFC 8422, 5.1.1; draft-ietf-tls-ecdhe-mlkem, 6
    SECP224R1 = 21
    SECP256R1 = 23
    X25519 = 29
    SECP256R1MLKEM768 = 0x11EB
    X25519MLKEM768 = 0x11EC
    GROUPS_MAX = 5


cdef bint made_up(const char *name, uint32_t least, uint32_t most, const char *end, bint *digits) noexcept nogil:
    """Whether it is "www.", so many characters of base 32, and the end; whether digits are among them."""
    cdef uint32_t n = <uint32_t>strlen(name)
    cdef uint32_t i
    digits[0] = False
    if not least + 8 <= n <= most + 8 or memcmp(name, b"www.", 4) != 0 or memcmp(name + n - 4, end, 4) != 0:
        return False
    for i in range(4, n - 4):
        if c"2" <= name[i] <= c"7":
            digits[0] = True
        elif not c"a" <= name[i] <= c"z":
            return False
    return True


cdef bint tor_name(const char *host) noexcept nogil:
    """Whether a server name may be such: then the certificate is waited for.

    Without a digit, as few of Tor's are and most of others', it is not worth the packets.
    """
    cdef bint digits
    return made_up(host, 4, 25, b".com", &digits) and digits


cdef bint has_tor_groups(Cursor c) noexcept nogil:
    """Whether a supported_groups extension lists secp224r1 last, and before it secp256r1 and none but Tor's others."""
    cdef bint prime = False
    cdef uint16_t group = 0
    cdef uint16_t n = u16(&c)
    if not alive(&c) or n > 2 * GROUPS_MAX or n != left(&c):
        return False
    while left(&c) >= 2:
        if group == SECP224R1:
            return False
        group = u16(&c)
        if group not in (SECP224R1, SECP256R1, X25519, SECP256R1MLKEM768, X25519MLKEM768):
            return False
        prime |= group == SECP256R1
    return prime and group == SECP224R1


cdef bint tor_hello(const Found *found) noexcept nogil:
    """Whether a ClientHello is a Tor client's, with what it shows itself."""
    cdef bint digits
    return found.tor_groups and not found.alpn[0] and made_up(found.host, 4, 25, b".com", &digits)


cdef bint tor_certificate(const Certificate *c) noexcept nogil:
    cdef bint digits
    return (c.n_names == 0 and c.organisation[0] == 0 and made_up(c.common_name, 8, 20, b".net", &digits)
            and made_up(c.issuer, 8, 20, b".com", &digits))


def name(str host) -> bool:
    """Whether a server name may be one that Tor has made up."""
    cdef bytes text = host.encode()
    return bool(tor_name(text))


def certificate(str common_name, str issuer, str organisation="", int names=0) -> bool:
    """Whether a certificate with these fields is one that a relay of Tor's has made up."""
    cdef Certificate c
    memset(&c, 0, sizeof(c))
    for i, character in enumerate(common_name.encode()[:255]):
        c.common_name[i] = character
    for i, character in enumerate(issuer.encode()[:63]):
        c.issuer[i] = character
    for i, character in enumerate(organisation.encode()[:63]):
        c.organisation[i] = character
    c.n_names = names
    return bool(tor_certificate(&c))
