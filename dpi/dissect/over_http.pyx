"""What is spoken over HTTP: protocols that are told by a request's method, media type, target or user agent.

They are apps beside the protocol `http`, weaker evidence than a host name that is known: a WebDAV share of a
service's is that service's.  Which apps have user agents of their own is not known here, only peer-to-peer programs
that have no names.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, strlen

from dpi.dissect.answer cimport Found
from dpi.dissect.protocols cimport (
    P_BITTORRENT,
    P_GNUTELLA,
    P_HLS,
    P_IPP,
    P_JSONRPC,
    P_MPEGDASH,
    P_OCSP,
    P_SOAP,
    P_UNKNOWN,
    P_WEBDAV,
    P_WINDOWSUPDATE,
)


cdef struct Row:
    const char *text
    uint16_t label


# RFC 4918, 9 and RFC 3253, RFC 3744: methods that HTTP itself does not have.
cdef Row *METHODS = [
    Row(b"PROPFIND ", P_WEBDAV), Row(b"PROPPATCH ", P_WEBDAV), Row(b"MKCOL ", P_WEBDAV), Row(b"LOCK ", P_WEBDAV),
    Row(b"UNLOCK ", P_WEBDAV), Row(b"COPY ", P_WEBDAV), Row(b"MOVE ", P_WEBDAV), Row(b"REPORT ", P_WEBDAV),
    Row(b"GNUTELLA ", P_GNUTELLA), Row(NULL, P_UNKNOWN),
]
# IANA's media types: RFC 8010, 3; SOAP 1.2, 2, A; RFC 8216, 4; RFC 6960, A; DASH, ISO/IEC 23009-1, C.
cdef Row *TYPES = [
    Row(b"application/ipp", P_IPP), Row(b"application/soap+xml", P_SOAP), Row(b"application/dash+xml", P_MPEGDASH),
    Row(b"application/vnd.apple.mpegurl", P_HLS), Row(b"application/x-mpegurl", P_HLS),
    Row(b"application/ocsp-request", P_OCSP), Row(b"application/json-rpc", P_JSONRPC),
    Row(b"application/x-gnutella-packets", P_GNUTELLA), Row(NULL, P_UNKNOWN),
]
cdef Row *AGENTS = [
    Row(b"gtk-gnutella/", P_GNUTELLA), Row(b"LimeWire/", P_GNUTELLA), Row(b"Shareaza ", P_GNUTELLA),
    Row(b"BearShare ", P_GNUTELLA), Row(b"FrostWire/", P_GNUTELLA), Row(b"Transmission/", P_BITTORRENT),
    Row(b"uTorrent/", P_BITTORRENT), Row(b"qBittorrent/", P_BITTORRENT), Row(b"Azureus ", P_BITTORRENT),
    Row(b"libtorrent/", P_BITTORRENT), Row(b"Windows-Update-Agent", P_WINDOWSUPDATE),
    Row(b"Microsoft-Delivery-Optimization", P_WINDOWSUPDATE), Row(NULL, P_UNKNOWN),
]


cdef uint16_t starting(const Row *rows, const char *text, uint32_t n) noexcept nogil:
    cdef uint32_t length
    while rows.text != NULL:
        length = <uint32_t>strlen(rows.text)
        if length <= n and memcmp(text, rows.text, length) == 0:
            return rows.label
        rows += 1
    return P_UNKNOWN


cdef uint16_t by_target(const uint8_t *request, uint32_t n) noexcept nogil:
    """The target's path, up to its query: a tracker's announce (BEP 3), a playlist, a manifest."""
    cdef uint32_t start = 0
    cdef uint32_t end
    while start < n and request[start] > 0x20:
        start += 1
    start += 1
    end = start
    while end < n and request[end] > 0x20 and request[end] != c'?':
        end += 1
    if end - start >= 5 and memcmp(request + end - 5, b".m3u8", 5) == 0:
        return P_HLS
    if end - start >= 4 and memcmp(request + end - 4, b".mpd", 4) == 0:
        return P_MPEGDASH
    if end - start >= 9 and memcmp(request + end - 9, b"/announce", 9) == 0 and n - end > 11 and (
            memcmp(request + end, b"?info_hash=", 11) == 0):
        return P_BITTORRENT
    return P_UNKNOWN


cdef uint16_t over_http(const uint8_t *request, uint32_t n, const Found *found) noexcept nogil:
    """The label of what is spoken over it, 0 where that is just HTTP."""
    cdef uint16_t label = starting(METHODS, <const char *>request, n)
    if label == 0 and found.soap:       # SOAP 1.1, 6.1.1
        label = P_SOAP
    if label == 0:
        label = starting(TYPES, found.content_type, <uint32_t>strlen(found.content_type))
    if label == 0:
        label = starting(AGENTS, found.agent, <uint32_t>strlen(found.agent))
    return label if label else by_target(request, n)
