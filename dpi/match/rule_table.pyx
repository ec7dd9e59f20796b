"""Which rule a flow falls under: the first of a table whose conditions all hold.

A flow is looked up under its own values: as many look-ups as its name has labels and the policy has different prefix
lengths, however many rules there are.  Whatever is found is then held against the rule's other conditions, and the
lowest number wins.  rules.pyx says under which keys a rule stands.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memset, strlen

from dpi.flow.flow cimport NONE


cdef uint32_t find_key(const RuleTable *t, const uint8_t *text, uint32_t n) noexcept nogil:
    """The key's number, 0 where there is none."""
    cdef uint32_t h = hash_key(text, n)
    cdef uint32_t slot = h & t.mask
    cdef const Key *k
    while t.slots[slot] != 0:
        k = &t.keys[t.slots[slot]]
        if k.hash == h and k.length == n and memcmp(t.text + k.text, text, n) == 0:
            return t.slots[slot]
        slot = (slot + 1) & t.mask
    return 0


cdef inline bint among(const RuleTable *t, Span s, uint16_t value) noexcept nogil:
    """Sorted numbers; an empty condition is the caller's to tell."""
    cdef uint32_t low = s.at
    cdef uint32_t high = s.at + s.n
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if t.numbers[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < s.at + s.n and t.numbers[low] == value


cdef bint within_any(const RuleTable *t, Span s, const uint8_t *addr) noexcept nogil:
    """Of sorted prefixes of which none holds another: the last that begins at the address or before it counts."""
    cdef uint32_t low = s.at
    cdef uint32_t high = s.at + s.n
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if memcmp(t.prefixes[middle].addr, addr, 16) <= 0:
            low = middle + 1
        else:
            high = middle
    return low > s.at and within(&t.prefixes[low - 1], addr)


cdef bint host_among(const RuleTable *t, Span s, const Question *q) noexcept nogil:
    """Whether one of the rule's patterns (numbers of keys) holds for the flow's name."""
    cdef uint32_t i, n
    cdef const Key *k
    cdef const uint8_t *text
    cdef const char *tail
    for i in range(s.at, s.at + s.n):
        k = &t.keys[t.lists[i]]
        text = t.text + k.text
        n = k.length - 1
        if n > q.host_len:
            continue
        tail = q.host + q.host_len - n
        if memcmp(tail, text + 1, n) != 0:
            continue
        if n == q.host_len:
            if text[0] != KEY_BELOW:
                return True
        elif text[0] != KEY_EXACT and (tail - 1)[0] == c'.':
            return True
    return False


cdef bint text_among(const RuleTable *t, Span s, const char *value) noexcept nogil:
    """Whether one of the rule's fingerprints or ALPNs (numbers of keys) is the flow's."""
    cdef uint32_t n = <uint32_t>strlen(value) if value != NULL else 0
    cdef uint32_t i
    cdef const Key *k
    for i in range(s.at, s.at + s.n):
        k = &t.keys[t.lists[i]]
        if k.length - 1 > n or (k.length - 1 < n and t.text[k.text] != KEY_JA4_BEGINS):
            continue
        if n and memcmp(value, t.text + k.text + 1, k.length - 1) == 0:
            return True
    return False


cdef bint holds(const RuleTable *t, const Rule *r, const Question *q) noexcept nogil:
    cdef uint32_t i
    cdef bint found
    if r.apps.n and not (among(t, r.apps, q.app) or among(t, r.apps, q.protocol)):
        return False
    if r.protocols.n and not among(t, r.protocols, q.protocol):
        return False
    if r.categories.n and not among(t, r.categories, q.category):
        return False
    if r.transports.n and not among(t, r.transports, q.proto):
        return False
    if r.dscp.n and not among(t, r.dscp, q.dscp):
        return False
    if r.vlans.n and not among(t, r.vlans, q.vlan):
        return False
    if r.opened != OPENED_UNKNOWN and r.opened != q.opened:
        return False
    if r.ports.n:
        found = False
        for i in range(r.ports.at, r.ports.at + r.ports.n, 2):
            found |= t.numbers[i] <= q.port <= t.numbers[i + 1]
        if not found:
            return False
    if r.local.n and not within_any(t, r.local, q.local):
        return False
    if r.remote.n and not within_any(t, r.remote, q.remote):
        return False
    if r.macs.n and not (q.has_mac and within_any(t, r.macs, q.mac)):
        return False
    if r.ja4.n and not text_among(t, r.ja4, q.ja4):
        return False
    if r.alpn.n and not text_among(t, r.alpn, q.alpn):
        return False
    return not r.hosts.n or host_among(t, r.hosts, q)


cdef uint32_t best(const RuleTable *t, uint32_t key, const Question *q, uint32_t so_far) noexcept nogil:
    """The first rule under this key that holds, if it comes before the one found so far."""
    cdef const Key *k = &t.keys[key]
    cdef uint32_t i, rule
    for i in range(k.rules.at, k.rules.at + k.rules.n):
        rule = t.lists[i]
        if rule >= so_far:
            break
        if holds(t, &t.rules[rule], q):
            return rule
    return so_far


cdef uint32_t best_number(const RuleTable *t, uint8_t kind, uint16_t value, const Question *q,
                          uint32_t so_far) noexcept nogil:
    cdef uint8_t text[3]
    cdef uint32_t key
    text[0] = kind
    text[1] = <uint8_t>(value >> 8)
    text[2] = <uint8_t>value
    key = find_key(t, text, 3)
    return best(t, key, q, so_far) if key else so_far


cdef uint32_t best_prefix(const RuleTable *t, uint8_t kind, const uint8_t *lengths, const uint8_t *addr,
                          const Question *q, uint32_t so_far) noexcept nogil:
    cdef uint8_t text[18]
    cdef uint32_t key
    cdef int bits, i
    for bits in range(129):
        if not lengths[bits]:
            continue
        text[0] = kind
        text[1] = <uint8_t>bits
        memset(text + 2, 0, 16)
        memcpy(text + 2, addr, (bits + 7) >> 3)
        if bits & 7:
            i = 2 + (bits >> 3)
            text[i] = text[i] & <uint8_t>(0xFF00 >> (bits & 7))
        key = find_key(t, text, 18)
        if key:
            so_far = best(t, key, q, so_far)
    return so_far


cdef uint32_t best_host(const RuleTable *t, const Question *q, uint32_t so_far) noexcept nogil:
    """Looks up the name and every name above it."""
    cdef uint8_t text[KEY_MAX]
    cdef uint32_t key, n
    cdef uint32_t at = 0
    cdef uint8_t kind
    if q.host_len == 0 or q.host_len > 255:
        return so_far
    while at < q.host_len:
        n = q.host_len - at
        memcpy(text + 1, q.host + at, n)
        for kind in range(KEY_SUFFIX, KEY_EXACT + 1):
            if kind == KEY_BELOW and at == 0 or kind == KEY_EXACT and at != 0:
                continue
            text[0] = kind
            key = find_key(t, text, n + 1)
            if key:
                so_far = best(t, key, q, so_far)
        while at < q.host_len and q.host[at] != c'.':
            at += 1
        at += 1
    return so_far


cdef uint32_t best_text(const RuleTable *t, uint8_t kind, const char *value, const Question *q,
                        uint32_t so_far) noexcept nogil:
    cdef uint8_t text[KEY_MAX]
    cdef size_t n = strlen(value) if value != NULL else 0
    cdef uint32_t key
    if n == 0 or n >= KEY_MAX:
        return so_far
    text[0] = kind
    memcpy(text + 1, value, n)
    key = find_key(t, text, <uint32_t>n + 1)
    return best(t, key, q, so_far) if key else so_far


cdef uint32_t rules_ask(const RuleTable *t, const Question *q) noexcept nogil:
    """The number of the first rule that holds, NONE where none does."""
    cdef uint32_t found
    if t == NULL or t.n == 0:
        return NONE
    found = best(t, 0, q, NONE)
    if q.app:
        found = best_number(t, KEY_LABEL, q.app, q, found)
    if q.protocol:
        found = best_number(t, KEY_LABEL, q.protocol, q, found)
        found = best_number(t, KEY_PROTOCOL, q.protocol, q, found)
    if q.category:
        found = best_number(t, KEY_CATEGORY, q.category, q, found)
    found = best_number(t, KEY_PORT, q.port, q, found)
    found = best_number(t, KEY_VLAN, q.vlan, q, found)
    found = best_host(t, q, found)
    if t.by_text:
        found = best_text(t, KEY_JA4, q.ja4, q, found)
        found = best_text(t, KEY_ALPN, q.alpn, q, found)
    if q.has_mac:
        found = best_prefix(t, KEY_MAC, t.mac_bits, q.mac, q, found)
    found = best_prefix(t, KEY_LOCAL, t.local_bits, q.local, q, found)
    return best_prefix(t, KEY_REMOTE, t.remote_bits, q.remote, q, found)
