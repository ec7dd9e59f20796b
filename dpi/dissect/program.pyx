"""Programs and scripts, by the bytes that they begin with or by the media type that a server gives them.

Windows' PE, Unix' ELF, Apple's Mach-O, Android's DEX, Java's classes, scripts with an interpreter's name, and archives
(ZIP) that are a program's package or begin with one.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcmp, strcmp, strlen

from dpi.dissect.text cimport lower
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, over, u32


cdef enum:
    DOS_HEADER = 64
    PE_HEADER_MAX = 4096    # where the header of a program starts at the latest, stubs being short
    ZIP_HEADER = 30


# IANA's registry and what servers' tables of file names give.
cdef const char **TYPES = [
    b"application/vnd.microsoft.portable-executable", b"application/x-msdownload", b"application/x-msdos-program",
    b"application/x-dosexec", b"application/x-msi", b"application/x-ms-installer", b"application/x-executable",
    b"application/x-elf", b"application/x-sharedlib", b"application/x-mach-binary", b"application/x-apple-diskimage",
    b"application/vnd.android.package-archive", b"application/java-archive", b"application/x-sh",
    b"application/x-shellscript", b"text/x-shellscript", b"application/x-powershell",
    b"application/vnd.debian.binary-package", b"application/x-debian-package", b"application/x-rpm",
    b"application/x-redhat-package-manager", NULL,
]
# How the first file of an archive is called that is, or brings, a program.
cdef const char **PACKAGES = [b"androidmanifest.xml", b"classes.dex", b"meta-inf/", NULL]
cdef const char **SUFFIXES = [
    b".exe", b".dll", b".scr", b".com", b".msi", b".bat", b".cmd", b".ps1", b".vbs", b".vbe", b".js", b".jse", b".hta",
    b".lnk", b".jar", b".apk", b".sh", NULL,
]


cdef struct Magic:
    const char *bytes
    uint32_t n


# Mach-O of 32 and 64 bits in either order of bytes; of several machines, and Java's classes; DEX.
cdef Magic *MAGICS = [
    Magic(b"\xfe\xed\xfa\xce", 4), Magic(b"\xfe\xed\xfa\xcf", 4), Magic(b"\xce\xfa\xed\xfe", 4),
    Magic(b"\xcf\xfa\xed\xfe", 4), Magic(b"\xca\xfe\xba\xbe", 4), Magic(b"dex\n", 4), Magic(NULL, 0),
]


cdef bint same(const uint8_t *p, const char *text, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if lower(p[i]) != <uint8_t>text[i]:
            return False
    return True


cdef bint archived(const uint8_t *data, uint32_t n) noexcept nogil:
    """By the name of a ZIP archive's first file (APPNOTE, 4.3.7)."""
    cdef const char **each
    cdef uint32_t length, have
    if n <= ZIP_HEADER:
        return False
    length = data[26] | <uint32_t>data[27] << 8
    have = length if length < n - ZIP_HEADER else n - ZIP_HEADER
    each = PACKAGES
    while each[0] != NULL:
        if strlen(each[0]) <= have and same(data + ZIP_HEADER, each[0], <uint32_t>strlen(each[0])):
            return True
        each += 1
    each = SUFFIXES
    while each[0] != NULL and have == length:
        if strlen(each[0]) < length and same(data + ZIP_HEADER + length - strlen(each[0]), each[0],
                                             <uint32_t>strlen(each[0])):
            return True
        each += 1
    return False


cdef bint portable_executable(const uint8_t *data, uint32_t n) noexcept nogil:
    """Microsoft's PE format: a DOS header, and at 0x3c where the real one starts."""
    cdef uint32_t at
    if n < DOS_HEADER:
        return False
    at = data[60] | <uint32_t>data[61] << 8 | <uint32_t>data[62] << 16 | <uint32_t>data[63] << 24
    if at < 4 or at > PE_HEADER_MAX:
        return False
    return at + 4 > n or memcmp(data + at, <const char *>b"PE\0\0", 4) == 0


cdef bint program_bytes(const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether a body that begins so is a program; False also where there are too few bytes to tell."""
    cdef Cursor c = over(data, n)
    cdef uint32_t magic = u32(&c)
    cdef const Magic *each = MAGICS
    if n < 4:
        return False
    if magic >> 16 == 0x4D5A:
        return portable_executable(data, n)
    if magic == 0x7F454C46:                                 # ELF: then class and order of bytes, 1 or 2 each
        return n < 6 or (1 <= data[4] <= 2 and 1 <= data[5] <= 2)
    while each.n:
        if memcmp(data, each.bytes, each.n) == 0:
            return True
        each += 1
    if magic == 0x504B0304:
        return archived(data, n)
    return magic >> 16 == 0x2321 and (data[2] == c"/" or (data[2] == 32 and data[3] == c"/"))


cdef bint program_type(const char *media_type) noexcept nogil:
    """Whether this media type, in lower case and without parameters, is a program's."""
    cdef const char **each = TYPES
    while each[0] != NULL:
        if strcmp(each[0], media_type) == 0:
            return True
        each += 1
    return False


def by_bytes(bytes data) -> bool:
    """Whether a body that begins with these bytes is a program or a script."""
    cdef uint8_t *block = block_of(data)
    found = bool(program_bytes(block, len(data)))
    free(block)
    return found


def by_type(str media_type) -> bool:
    """Whether a media type, in lower case, is a program's."""
    cdef bytes text = media_type.encode()
    return bool(program_type(text))
