"""The frames of a client's Initial; see quic_frames.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer, Found
from dpi.dissect.quic_crypto cimport Profile
from dpi.flow.stream cimport Stream


cdef Answer quic_frames(const Profile *profile, Stream *crypto, const uint8_t *data, uint32_t n, Found *out) noexcept nogil
