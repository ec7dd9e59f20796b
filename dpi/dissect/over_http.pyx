"""What is spoken over HTTP: told by a request's method, media type, body, target or user agent.

They are apps beside the protocol `http`, weaker evidence than a host name that is known: a WebDAV share of a
service's is that service's.  Of user agents those are known that tell what is spoken; whose program asks is weaker
evidence (decide/by_program.pyx).
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
    P_OPENVPN,
    P_RTMP,
    P_SOAP,
    P_THRIFT,
    P_UNKNOWN,
    P_WEBDAV,
    P_WEBSOCKET,
    P_WINDOWSUPDATE,
)
from dpi.wire.memmem cimport memmem


cdef enum:
    BODY_MAX = 512          # bytes of a body that are looked at


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
    Row(b"video/iso.segment", P_MPEGDASH), Row(b"application/vnd.apple.mpegurl", P_HLS), Row(b"application/x-mpegurl", P_HLS),
    Row(b"application/ocsp-request", P_OCSP), Row(b"application/json-rpc", P_JSONRPC), Row(b"application/x-fcs", P_RTMP),
    Row(b"audio/mpegurl", P_HLS), Row(b"audio/x-mpegurl", P_HLS),
    Row(b"application/vnd.apache.thrift.", P_THRIFT), Row(b"application/x-thrift", P_THRIFT),
    Row(b"application/x-gnutella-packets", P_GNUTELLA), Row(NULL, P_UNKNOWN),
]
cdef Row *BODIES = [        # what a body of this type may be
    Row(b"application/json", P_JSONRPC), Row(b"text/xml", P_SOAP), Row(b"application/xml", P_SOAP), Row(NULL, P_UNKNOWN),
]
cdef Row *AGENTS = [
    Row(b"gtk-gnutella/", P_GNUTELLA), Row(b"LimeWire/", P_GNUTELLA), Row(b"Shareaza ", P_GNUTELLA),
    Row(b"BearShare ", P_GNUTELLA), Row(b"FrostWire/", P_GNUTELLA), Row(b"Transmission/", P_BITTORRENT),
    Row(b"uTorrent/", P_BITTORRENT), Row(b"qBittorrent/", P_BITTORRENT), Row(b"Azureus ", P_BITTORRENT),
    Row(b"libtorrent/", P_BITTORRENT), Row(b"BTWebClient/", P_BITTORRENT), Row(b"BitTorrent/", P_BITTORRENT),
    Row(b"Deluge", P_BITTORRENT), Row(b"rtorrent/", P_BITTORRENT), Row(b"Windows-Update-Agent", P_WINDOWSUPDATE),
    Row(b"Microsoft-Delivery-Optimization", P_WINDOWSUPDATE), Row(b"OpenVPN Connect/", P_OPENVPN), Row(NULL, P_UNKNOWN),
]


cdef uint16_t starting(const Row *rows, const char *text, uint32_t n) noexcept nogil:
    cdef uint32_t length
    while rows.text != NULL:
        length = <uint32_t>strlen(rows.text)
        if length <= n and memcmp(text, rows.text, length) == 0:
            return rows.label
        rows += 1
    return P_UNKNOWN


cdef bint has(const uint8_t *p, uint32_t n, const char *text) noexcept nogil:
    return memmem(p, n, text, strlen(text)) != NULL


cdef uint16_t by_type(const char *media_type) noexcept nogil:
    """A request's or an answer's media type."""
    return starting(TYPES, media_type, <uint32_t>strlen(media_type))


cdef uint16_t by_body(const uint8_t *body, uint32_t n) noexcept nogil:
    """The first bytes of a body, as far as they are here (JSON-RPC 2.0, 4 and 5; SOAP 1.1, 4; RFC 8216, 4.3)."""
    if n > BODY_MAX:
        n = BODY_MAX
    if n > 7 and memcmp(body, b"#EXTM3U", 7) == 0 and has(body, n, b"\n#EXT-X-"):
        return P_HLS
    if n and (body[0] == c"{" or body[0] == c"[") and has(body, n, b'"jsonrpc"'):
        return P_JSONRPC
    if n and body[0] == c"{" and has(body, n, b'"method"') and has(body, n, b'"params"') and has(body, n, b'"id"'):
        return P_JSONRPC            # 1.0 and 1.1: a request's members
    return P_SOAP if n and body[0] == c"<" and has(body, n, b":Envelope") else P_UNKNOWN


cdef uint16_t in_message(const uint8_t *message, uint32_t n) noexcept nogil:
    """What follows the header of a request or an answer."""
    cdef const uint8_t *body = <const uint8_t *>memmem(message, n, b"\r\n\r\n", 4)
    return by_body(body + 4, n - <uint32_t>(body + 4 - message)) if body != NULL else P_UNKNOWN


cdef uint16_t by_answer(const uint8_t *answer, uint32_t n, const char *media_type) noexcept nogil:
    """What an answer tells whose request was not seen, or told nothing."""
    cdef uint16_t label = by_type(media_type)
    if n > 12 and memcmp(answer + 9, b"101", 3) == 0 and (       # RFC 6455, 4.2.2
            has(answer, n, b"\r\nUpgrade: websocket\r\n") or has(answer, n, b"\r\nupgrade: websocket\r\n")):
        return P_WEBSOCKET
    return label if label else in_message(answer, n)


cdef bint body_awaited(const uint8_t *request, uint32_t n, const Found *found) noexcept nogil:
    """Whether a POST's header is all that has come, and its body may tell: many programs send the two apart."""
    return (n > 9 and memcmp(request, b"POST ", 5) == 0 and memcmp(request + n - 4, b"\r\n\r\n", 4) == 0
            and starting(BODIES, found.content_type, <uint32_t>strlen(found.content_type)) != 0)


cdef uint16_t by_target(const uint8_t *request, uint32_t n) noexcept nogil:
    """The target's path, up to its query: a tracker's announce or scrape (BEP 3, 48), a playlist, a manifest, an OCSP request.

    The latter is DER in base64 (RFC 6960, A.1): within five sequences, whose lengths are a byte each, "SHA-1" and that
    a hash of 20 bytes follows.
    """
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
    if end - start >= 4 and (memcmp(request + end - 4, b".mpd", 4) == 0 or memcmp(request + end - 4, b".m4s", 4) == 0):
        return P_MPEGDASH
    if end + 11 < n and memcmp(request + end, b"?info_hash=", 11) == 0 and (
            end - start >= 9 and memcmp(request + end - 9, b"/announce", 9) == 0
            or end - start >= 7 and memcmp(request + end - 7, b"/scrape", 7) == 0):
        return P_BITTORRENT
    if end - start > 60 and memmem(request + start, end - start, b"JBgUrDgMCGgUABB", 15) != NULL:
        return P_OCSP
    return P_UNKNOWN


cdef uint16_t over_http(const uint8_t *request, uint32_t n, const Found *found) noexcept nogil:
    """The label of what is spoken over it, 0 where that is just HTTP."""
    cdef uint16_t label = starting(METHODS, <const char *>request, n)
    if label == 0 and found.soap:       # SOAP 1.1, 6.1.1
        label = P_SOAP
    if label == 0:
        label = by_type(found.content_type)
    if label == 0:
        label = starting(AGENTS, found.agent, <uint32_t>strlen(found.agent))
    if label == 0:
        label = by_target(request, n)
    if label == 0:
        label = in_message(request, n)
    return P_WEBSOCKET if label == 0 and found.websocket else label
