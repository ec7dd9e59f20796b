"""Weak cipher suites by their numbers (IANA, TLS Cipher Suites, as of 2026-11).

Weak is what hides nothing (NULL), what lets anyone answer (anonymous key exchange), what a desktop breaks (EXPORT, DES,
RC2), what is forbidden (RC4, RFC 7465), and what is broken or too small by now: MD5 as MAC (RFC 6151), and blocks of
64 bits (3DES, IDEA: RFC 5469, and the birthday bound of SP 800-67).
"""
from libc.stdint cimport uint16_t


cdef bint weak_cipher(uint16_t suite) noexcept nogil:
    if suite <= 0x002E:                     # all of SSL 3.0's and Kerberos', and NULL with PSK (RFC 4785)
        return True
    if 0x0060 <= suite <= 0x0066:           # EXPORT1024 and RC4 of drafts
        return True
    return suite in (
        # NULL
        0x003B, 0x00B0, 0x00B1, 0x00B4, 0x00B5, 0x00B8, 0x00B9, 0xC001, 0xC006, 0xC00B, 0xC010, 0xC015,
        0xC039, 0xC03A, 0xC03B, 0xC0B4, 0xC0B5,
        # anonymous
        0x0034, 0x003A, 0x0046, 0x006C, 0x006D, 0x0089, 0x009B, 0x00A6, 0x00A7, 0x00BF, 0x00C5,
        0xC016, 0xC017, 0xC018, 0xC019, 0xC046, 0xC047, 0xC05A, 0xC05B, 0xC084, 0xC085,
        # RC4
        0x008A, 0x008E, 0x0092, 0xC002, 0xC007, 0xC00C, 0xC011, 0xC033,
        # 3DES
        0x008B, 0x008F, 0x0093, 0xC003, 0xC008, 0xC00D, 0xC012, 0xC01A, 0xC01B, 0xC01C, 0xC034,
    )


def weak(uint16_t suite) -> bool:
    """Whether the suite of this number is weak."""
    return bool(weak_cipher(suite))
