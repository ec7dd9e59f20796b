"""What TLS, HTTP, DNS and QUIC tell of a flow; see find.pyx."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport Answer
from dpi.dissect.inspector cimport Finding, Inspector, Work
from dpi.flow.flow cimport Flow, opener
from dpi.wire.packet cimport Packet


cdef inline uint16_t server_port(const Flow *f) noexcept nogil:
    return f.port[1 - opener(f)]


cdef Answer find_tls(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil
cdef Answer find_asked(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil
cdef Answer find_http(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil
cdef bint untold(const Flow *f) noexcept nogil
cdef bint find_unfinished(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil
cdef bint begun(const Inspector *s, const Flow *f, int side) noexcept nogil
cdef bint find_cut_answer(Inspector *s, const Flow *f, Finding *out) noexcept nogil
cdef void find_question(Inspector *s, Flow *f, int side, uint16_t label, Finding *out) noexcept nogil
cdef Answer find_quic(Inspector *s, Flow *f, const Packet *p, int side, Finding *out) noexcept nogil
cdef Answer find_dtls(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n, Finding *out) noexcept nogil
cdef void find_cut_dtls(Inspector *s, Work *w, Finding *out) noexcept nogil
