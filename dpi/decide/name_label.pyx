"""The app of a name that a flow shows or asks for.

Some CDNs make their alias of a name by adding theirs behind it (www.example.org.edgekey.net); some resolvers ask for an
alias alone, and some programs for what is there.  Such a name is the customer's, where that is known.  Only those CDNs
make such names: nobody else can take another's.
"""

from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcmp, strlen

from dpi.decide.shard cimport TRAIT_SHARED, Shard
from dpi.match.hosts cimport HostHit, host_match


# What Akamai adds (for its edges and for redirection by DNS), Cloudflare, Level 3, Savvis, Wangsu and Tencent Cloud.
cdef const char **ENDS = [
    b".globalredir.akadns.net", b".edgekey.net", b".edgesuite.net", b".akadns.net", b".cdn.cloudflare.net",
    b".c.footprint.net", b".nsatc.net", b".wscdns.com", b".lxdns.com", b".cdn20.com", b".cdn.dnsv1.com", NULL,
]


cdef uint32_t customer(const char *name, uint32_t n) noexcept nogil:
    """How much of an alias is the customer's name; 0 where it is none."""
    cdef const char **end = ENDS
    cdef uint32_t length
    while end[0] != NULL:
        length = <uint32_t>strlen(end[0])
        if length < n and memcmp(name + n - length, end[0], length) == 0:
            return n - length
        end += 1
    return 0


cdef uint16_t name_label(const Shard *s, const char *name, uint32_t n) noexcept nogil:
    """The label of a name in lower case, without the last dot; 0 for none.  Each turn takes an end off."""
    cdef HostHit hit
    cdef uint16_t label = host_match(s.hosts, name, n, &hit)
    cdef uint16_t own
    while label == 0 or s.traits[label] & TRAIT_SHARED:
        n = customer(name, n)
        if n == 0:
            break
        own = host_match(s.hosts, name, n, &hit)
        if own and not s.traits[own] & TRAIT_SHARED:
            return own
    return label
