"""Answers as Python sees them, for the Python faces of dissectors: a name, and a dictionary of what was found."""


cdef str text(const char *p):
    return (<bytes>p).decode("utf-8", "replace")


cdef str answer_name(Answer answer):
    return ("no", "more", "yes")[<int>answer]


cdef dict found_dict(const Found *found):
    assert found.host_len == len(<bytes>found.host)
    return {
        "host": text(found.host),
        "ja4": text(found.ja4),
        "hassh": text(found.hassh),
        "hassh_server": text(found.hassh_server),
        "alpn": text(found.alpn),
        "agent": text(found.agent),
        "content_type": text(found.content_type),
        "credentials": bool(found.credentials),
        "tls_version": found.tls_version,
        "quic_version": found.quic_version,
        "ech": bool(found.ech),
    }


cdef dict certificate_dict(const Certificate *found):
    if not found.present:
        return {}
    cdef const char *p = &found.names[0]
    names = []
    for _ in range(found.n_names):
        names.append(text(p))
        p += len(<bytes>p) + 1
    return {
        "common_name": text(found.common_name),
        "organisation": text(found.organisation),
        "issuer": text(found.issuer),
        "names": names,
        "not_before": found.not_before,
        "not_after": found.not_after,
        "self_signed": bool(found.self_signed),
        "partial": bool(found.partial),
        "covers": bool(found.covers),
    }


cdef dict server_dict(const ServerFound *found):
    assert found.host_len == len(<bytes>found.host)
    return {
        "host": text(found.host),
        "tls_version": found.tls_version,
        "cipher": found.cipher,
        "alpn": text(found.alpn),
        "status": found.status,
        "server": text(found.server),
        "content_type": text(found.content_type),
        "program": bool(found.program),
        "awaited": bool(found.awaited),
        "asks": bool(found.asks),
        "certificate": certificate_dict(&found.certificate),
    }
