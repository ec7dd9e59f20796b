"""Programs and scripts, by the bytes that they begin with, or by the media type or the name that a server gives them.

Windows' PE, Unix' ELF, Apple's Mach-O, Android's DEX, Java's classes, scripts with an interpreter's name, and archives
(ZIP) that are a program's package or begin with one.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcmp, strcmp, strlen

from dpi.dissect.text cimport begins, lower
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, over, u32


cdef enum:
    DOS_HEADER = 64
    PE_HEADER_MAX = 4096    # where the header of a program starts at the latest, stubs being short
    ZIP_HEADER = 30
    ZIP_NAME = 255          # bytes of a name that are waited for
    DEBIAN_HEADER = 21


# IANA's registry and what servers' tables of file names give.
cdef const char **TYPES = [
    b"application/vnd.microsoft.portable-executable", b"application/x-msdownload", b"application/x-msdos-program",
    b"application/x-dosexec", b"application/x-msi", b"application/x-ms-installer", b"application/x-executable",
    b"application/x-elf", b"application/x-sharedlib", b"application/x-mach-binary", b"application/x-apple-diskimage",
    b"application/vnd.android.package-archive", b"application/java-archive", b"application/x-sh",
    b"application/x-shellscript", b"text/x-shellscript", b"application/x-powershell",
    b"application/vnd.debian.binary-package", b"application/x-debian-package", b"application/x-rpm", b"application/hta",
    b"application/x-redhat-package-manager", NULL,
]
# How the first file of an archive is called that is, or brings, a program.
cdef const char **PACKAGES = [b"androidmanifest.xml", b"classes.dex", b"meta-inf/", NULL]
cdef const char **SUFFIXES = [
    b".exe", b".dll", b".scr", b".com", b".msi", b".bat", b".cmd", b".ps1", b".vbs", b".vbe", b".js", b".jse", b".hta",
    b".lnk", b".jar", b".apk", b".sh", NULL,
]
# How a file is called that is a program by itself; domains end in ".com", and pages are full of ".js".
cdef const char **ATTACHED = [
    b".exe", b".dll", b".scr", b".msi", b".msix", b".appx", b".bat", b".cmd", b".ps1", b".vbs", b".vbe", b".jse", b".hta",
    b".lnk", b".jar", b".apk", b".sh", b".deb", b".rpm", b".pkg", b".dmg", NULL,
]


# How programs call themselves to HTTP that install only what its author has signed: Debian's and others' package managers
# (apt, dnf, yum, zypper, pacman, FreeBSD's pkg), Windows' and macOS' updates, Steam.
cdef const char **VERIFY = [
    b"debian apt-http/", b"debian apt-curl/", b"libdnf", b"librepo/", b"urlgrabber/", b"zypp ", b"pacman/", b"pkg/",
    b"windows-update-agent", b"microsoft-delivery-optimization/", b"softwareupdate", b"valve/steam http client", NULL,
]


cdef struct Magic:
    const char *bytes
    uint32_t n


# Mach-O of 32 and 64 bits in either order of bytes; of several machines, and Java's classes; DEX; packages of Debian (deb(5)),
# RPM (its lead) and macOS (XAR).
cdef Magic *MAGICS = [
    Magic(b"\xfe\xed\xfa\xce", 4), Magic(b"\xfe\xed\xfa\xcf", 4), Magic(b"\xce\xfa\xed\xfe", 4),
    Magic(b"\xcf\xfa\xed\xfe", 4), Magic(b"\xca\xfe\xba\xbe", 4), Magic(b"dex\n", 4),
    Magic(b"!<arch>\ndebian-binary", DEBIAN_HEADER), Magic(b"\xed\xab\xee\xdb", 4), Magic(b"xar!", 4), Magic(NULL, 0),
]


cdef bint same(const uint8_t *p, const char *text, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if lower(p[i]) != <uint8_t>text[i]:
            return False
    return True


cdef bint ends(const uint8_t *p, uint32_t n, const char **suffixes) noexcept nogil:
    """Whether a file's name ends in one of these and has something before it."""
    cdef uint32_t length
    while suffixes[0] != NULL:
        length = <uint32_t>strlen(suffixes[0])
        if length < n and same(p + n - length, suffixes[0], length):
            return True
        suffixes += 1
    return False


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
    return have == length and ends(data + ZIP_HEADER, length, SUFFIXES)


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
        if each.n <= n and memcmp(data, each.bytes, each.n) == 0:
            return True
        each += 1
    if magic == 0x504B0304:
        return archived(data, n)
    return magic >> 16 == 0x2321 and (data[2] == c"/" or (data[2] == 32 and data[3] == c"/"))


cdef uint32_t program_needs(const uint8_t *data, uint32_t n) noexcept nogil:
    """How many bytes of a body that begins so tell whether it is a program."""
    cdef Cursor c = over(data, n)
    cdef uint32_t magic = u32(&c)
    if magic >> 16 == 0x4D5A:
        return DOS_HEADER
    if magic == 0x504B0304:
        return ZIP_HEADER + min(data[26] | <uint32_t>data[27] << 8, <uint32_t>ZIP_NAME) if n >= ZIP_HEADER else <uint32_t>ZIP_HEADER
    return DEBIAN_HEADER if magic == 0x213C6172 else 4


cdef bint names_program(const uint8_t *disposition, uint32_t n) noexcept nogil:
    """Whether Content-Disposition (RFC 6266, 4.3) calls what is sent as programs are called, by either form of its name."""
    cdef uint32_t start = 0
    cdef uint32_t end
    while start + 9 < n and not same(disposition + start, b"filename", 8):
        start += 1
    start += 8
    while start < n and disposition[start] in (c"*", 32):
        start += 1
    if start >= n or disposition[start] != c"=":
        return False
    start += 1
    while start < n and disposition[start] in (c'"', 32):
        start += 1
    end = start
    while end < n and disposition[end] != c'"' and disposition[end] != c";":
        end += 1
    while end > start and disposition[end - 1] == 32:
        end -= 1
    return ends(disposition + start, end - start, ATTACHED)


cdef bint verifies(const char *agent) noexcept nogil:
    """Whether the program of this user agent verifies signatures, so that nobody on the way can exchange what it gets."""
    cdef const char **each = VERIFY
    cdef uint32_t n = <uint32_t>strlen(agent)
    while each[0] != NULL:
        if begins(<const uint8_t *>agent, n, each[0]):
            return True
        each += 1
    return False


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


def by_name(bytes disposition) -> bool:
    """Whether a value of Content-Disposition names a program."""
    cdef uint8_t *block = block_of(disposition)
    found = bool(names_program(block, len(disposition)))
    free(block)
    return found


def signed_for(str agent) -> bool:
    """Whether the program of a user agent verifies what it gets."""
    cdef bytes text = agent.encode()
    return bool(verifies(text))


def by_type(str media_type) -> bool:
    """Whether a media type, in lower case, is a program's."""
    cdef bytes text = media_type.encode()
    return bool(program_type(text))
