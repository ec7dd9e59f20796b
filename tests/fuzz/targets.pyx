"""What is fuzzed, and what must hold of it beside that no byte outside is touched.

A target takes bytes and aborts where a promise of the C face was broken:

* what was found is as found.pyx says;
* an answer but MORE is final: the same start with more behind it gets the same answer;
* memory lent out of a pool comes back.

The first byte of most inputs says where the start ends that is shown first, in 256ths.
"""
from libc.string cimport strcmp

from dpi.fuzz.dissectors cimport (
    fuzz_certificate,
    fuzz_dns,
    fuzz_dtls,
    fuzz_http2,
    fuzz_http_request,
    fuzz_http_response,
    fuzz_quic,
    fuzz_tls_client,
    fuzz_tls_handshake,
    fuzz_tls_records,
    fuzz_tls_server,
)
from dpi.fuzz.engine cimport engine
from dpi.fuzz.first_bytes cimport fuzz_declared, fuzz_probes
from dpi.fuzz.flows cimport flows
from dpi.fuzz.packets cimport fuzz_capture, fuzz_decode, fuzz_fragments, fuzz_nfnetlink, fuzz_pcapfile, fuzz_stream
from dpi.fuzz.small cimport (
    fuzz_consent,
    fuzz_dns_names,
    fuzz_gquic,
    fuzz_hassh,
    fuzz_hpack,
    fuzz_login,
    fuzz_noise,
    fuzz_over_http,
    fuzz_over_tls,
    fuzz_peer_lists,
    fuzz_program,
    fuzz_proxied,
    fuzz_shown,
    fuzz_socks,
    fuzz_tor,
)


cdef struct Row:
    const char *name
    Target target


cdef Row ROWS[64]
cdef int N_ROWS = 0
NAMES = []                  # of all targets


cdef void row(const char *name, Target target):
    global N_ROWS
    ROWS[N_ROWS].name = name
    ROWS[N_ROWS].target = target
    N_ROWS += 1
    NAMES.append(name.decode())


row("decode", fuzz_decode)
row("fragments", fuzz_fragments)
row("pcapfile", fuzz_pcapfile)
row("nfnetlink", fuzz_nfnetlink)
row("stream", fuzz_stream)
row("dns", fuzz_dns)
row("tls_client", fuzz_tls_client)
row("tls_handshake", fuzz_tls_handshake)
row("tls_server", fuzz_tls_server)
row("tls_records", fuzz_tls_records)
row("dtls", fuzz_dtls)
row("certificate", fuzz_certificate)
row("http_request", fuzz_http_request)
row("http_response", fuzz_http_response)
row("quic", fuzz_quic)
row("probes", fuzz_probes)
row("declared", fuzz_declared)
row("http2", fuzz_http2)
row("hpack", fuzz_hpack)
row("gquic", fuzz_gquic)
row("dns_names", fuzz_dns_names)
row("login", fuzz_login)
row("shown", fuzz_shown)
row("over_tls", fuzz_over_tls)
row("over_http", fuzz_over_http)
row("peer_lists", fuzz_peer_lists)
row("program", fuzz_program)
row("noise", fuzz_noise)
row("hassh", fuzz_hassh)
row("socks", fuzz_socks)
row("proxied", fuzz_proxied)
row("consent", fuzz_consent)
row("tor", fuzz_tor)
row("flows", flows)
row("engine", engine)
row("capture", fuzz_capture)


cdef Target find(const char *name) noexcept nogil:
    """The target of this name, NULL where there is none."""
    cdef int i
    for i in range(N_ROWS):
        if strcmp(ROWS[i].name, name) == 0:
            return ROWS[i].target
    return NULL
