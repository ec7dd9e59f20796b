"""The policy's rules as a table that the loop asks (rule_table.pyx).

Each rule stands in an index under the condition whose values it shares with the fewest other rules (of equals: host
names, else apps and protocols, else addresses, MAC addresses, categories, VLANs, single ports), once for each of that
condition's values; only what has none of these is asked every time.

The table is never changed: a new policy is a new table, which every shard takes over between two batches.
"""

from collections import Counter

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from dpi.flow.flow cimport NONE
from dpi.match.rule_table cimport (
    KEY_ALPN,
    KEY_BELOW,
    KEY_CATEGORY,
    KEY_EXACT,
    KEY_JA4,
    KEY_JA4_BEGINS,
    KEY_LABEL,
    KEY_LOCAL,
    KEY_MAC,
    KEY_PORT,
    KEY_PROTOCOL,
    KEY_REMOTE,
    KEY_SUFFIX,
    KEY_VLAN,
    Key,
    Question,
    Rule,
    RulePrefix,
    Span,
    hash_key,
    rules_ask,
)
from dpi.wire.block cimport zeroed


cdef enum:
    FEW_PORTS = 64          # a condition on more of them does not tell flows apart


cdef class Rules:
    """An immutable table of rules.

    Each rule is a mapping with the keys of `Match` in dpi/policy/plan.py, where labels and categories are numbers,
    prefixes are (16 bytes, bits), as are `macs` (6 of them, then zeros), transports are IP protocol numbers and direction is 0, 1 (out) or 2 (in), and
    with `ja4` (the end may be `*`), `alpn`, `disposition`, `route` (0 for none), `log` and `absent` (it keeps its number
    and is never found).  All keys may be left out.
    """

    def __cinit__(self, rules):
        numbers, prefixes, lists, text = [], [], [], bytearray()
        keys = {}                       # the key's bytes: [its number, the rules]
        unkeyed = []
        local_bits, remote_bits, mac_bits = set(), set(), set()
        rules = list(rules)
        texts_of, ways = [], []
        cdef Rule *r
        cdef Py_ssize_t i, j

        self.table.n = <uint32_t>len(rules)
        self.table.rules = <Rule *>zeroed(len(rules), sizeof(Rule))
        for i, rule in enumerate(rules):
            r = &self.table.rules[i]
            r.apps = run(numbers, sorted(set(rule.get("apps", ()))))
            r.protocols = run(numbers, sorted(set(rule.get("protocols", ()))))
            r.categories = run(numbers, sorted(set(rule.get("categories", ()))))
            r.transports = run(numbers, sorted(set(rule.get("transports", ()))))
            r.dscp = run(numbers, sorted(set(rule.get("dscp", ()))))
            r.vlans = run(numbers, sorted(set(rule.get("vlans", ()))))
            r.ports = run(numbers, [end for pair in rule.get("ports", ()) for end in pair])
            r.local = run(prefixes, apart(rule.get("local", ())))
            r.remote = run(prefixes, apart(rule.get("remote", ())))
            r.macs = run(prefixes, apart(rule.get("macs", ())))
            r.opened = rule.get("direction", 0)
            r.disposition = rule["disposition"]
            r.route = rule.get("route", 0)
            r.log = bool(rule.get("log", False))
            patterns = [host_key(host) for host in rule.get("hosts", ())]
            for key in patterns:
                keys.setdefault(key, [len(keys) + 1, []])
            fingerprints = [ja4_key(text) for text in rule.get("ja4", ())]
            applications = [bytes((KEY_ALPN,)) + text.encode() for text in rule.get("alpn", ())]
            for key in fingerprints + applications:
                keys.setdefault(key, [len(keys) + 1, []])
                self.table.by_text = 1
            texts_of.append([[keys[key][0] for key in each] for each in (patterns, fingerprints, applications)])
            ways.append(ways_to(rule, patterns, fingerprints, applications))

        shared = Counter(key for found in ways for way in found for key in way)
        for i, found in enumerate(ways):
            if rules[i].get("absent"):
                continue                # no key leads to it: it is never found, and costs nothing
            if not found:
                unkeyed.append(i)
                continue
            for key in min(found, key=lambda way: max(shared[key] for key in way)):
                keys.setdefault(key, [len(keys) + 1, []])[1].append(i)
                if key[0] == KEY_LOCAL:
                    local_bits.add(key[1])
                elif key[0] == KEY_REMOTE:
                    remote_bits.add(key[1])
                elif key[0] == KEY_MAC:
                    mac_bits.add(key[1])

        self.table.keys = <Key *>zeroed(len(keys) + 1, sizeof(Key))
        slots = 16
        while slots < 2 * len(keys):
            slots *= 2
        self.table.slots = <uint32_t *>zeroed(slots, sizeof(uint32_t))
        self.table.mask = <uint32_t>(slots - 1)
        self.table.keys[0].rules = run(lists, unkeyed)
        cdef Key *k
        cdef uint32_t slot
        for key, (number, under) in keys.items():
            k = &self.table.keys[number]
            k.text, k.length = len(text), len(key)
            k.hash = hash_key(key, <uint32_t>len(key))
            k.rules = run(lists, under)
            text += key
            slot = k.hash & self.table.mask
            while self.table.slots[slot]:
                slot = (slot + 1) & self.table.mask
            self.table.slots[slot] = number
        for i in range(len(rules)):
            self.table.rules[i].hosts = run(lists, texts_of[i][0])
            self.table.rules[i].ja4 = run(lists, texts_of[i][1])
            self.table.rules[i].alpn = run(lists, texts_of[i][2])

        self.table.numbers = <uint16_t *>zeroed(len(numbers), sizeof(uint16_t))
        for i in range(len(numbers)):
            self.table.numbers[i] = numbers[i]
        self.table.lists = <uint32_t *>zeroed(len(lists), sizeof(uint32_t))
        for i in range(len(lists)):
            self.table.lists[i] = lists[i]
        self.table.text = <uint8_t *>zeroed(len(text), 1)
        for i in range(len(text)):
            self.table.text[i] = text[i]
        self.table.prefixes = <RulePrefix *>zeroed(len(prefixes), sizeof(RulePrefix))
        for i, (addr, bits) in enumerate(prefixes):
            for j in range(16):
                self.table.prefixes[i].addr[j] = addr[j]
            self.table.prefixes[i].bits = bits
        for bits in local_bits:
            self.table.local_bits[bits] = 1
        for bits in remote_bits:
            self.table.remote_bits[bits] = 1
        for bits in mac_bits:
            self.table.mac_bits[bits] = 1

    def __dealloc__(self):
        free(self.table.rules)
        free(self.table.keys)
        free(self.table.slots)
        free(self.table.numbers)
        free(self.table.lists)
        free(self.table.text)
        free(self.table.prefixes)

    def __len__(self):
        return self.table.n

    def ask(self, *, uint16_t app=0, uint16_t protocol=0, uint8_t category=0, bytes host=b"",
            bytes ja4=b"", bytes alpn=b"", bytes local=bytes(16), bytes remote=bytes(16), uint16_t port=0, uint8_t proto=0,
            uint8_t opened=0, uint8_t dscp=0, uint16_t vlan=0, bytes mac=b""):
        """The number of the first rule that holds for such a flow, or None."""
        cdef Question q
        if len(local) != 16 or len(remote) != 16 or len(mac) not in (0, 6):
            raise ValueError("addresses have 16 bytes, MAC addresses 6")
        memset(&q, 0, sizeof(q))
        q.app, q.protocol, q.category, q.port, q.proto = app, protocol, category, port, proto
        q.opened, q.dscp, q.vlan = opened, dscp, vlan
        q.host, q.host_len = host, <uint32_t>len(host)
        q.local, q.remote = local, remote
        q.ja4, q.alpn = ja4, alpn
        if mac:
            q.has_mac = 1
            memcpy(q.mac, <const uint8_t *>mac, 6)
        found = rules_ask(&self.table, &q)
        return None if found == NONE else found

    def speed(self, list questions, int rounds):
        """Asks all questions (keywords of ask()) so many times without the interpreter; how many found a rule.  For the
        benchmark."""
        cdef Py_ssize_t i, n = len(questions), found = 0
        cdef Question *all_ = <Question *>zeroed(n, sizeof(Question))
        cdef bytes host, local, remote
        try:
            for i, asked in enumerate(questions):
                host, local, remote = asked.get("host", b""), asked["local"], asked["remote"]
                if len(local) != 16 or len(remote) != 16:
                    raise ValueError("addresses have 16 bytes")
                all_[i].host, all_[i].host_len = host, <uint32_t>len(host)
                all_[i].local, all_[i].remote, all_[i].ja4, all_[i].alpn = local, remote, b"", b""
                all_[i].app, all_[i].protocol = asked.get("app", 0), asked.get("protocol", 0)
                all_[i].category, all_[i].port = asked.get("category", 0), asked.get("port", 0)
                all_[i].proto, all_[i].opened = asked.get("proto", 0), asked.get("opened", 0)
            with nogil:
                for _ in range(rounds):
                    for i in range(n):
                        found += rules_ask(&self.table, &all_[i]) != NONE
        finally:
            free(all_)
        return found


cdef Span run(list pool, values):
    cdef Span s
    s.at = <uint32_t>len(pool)
    pool.extend(values)
    s.n = <uint32_t>(len(pool) - s.at)
    return s


cdef list apart(prefixes):
    """In order, without those that another holds."""
    found = []
    last, last_bits = -1, 0
    for whole, bits in sorted({(network(addr, bits), bits) for addr, bits in prefixes}):
        if last >= 0 and last_bits <= bits and whole >> (128 - last_bits) == last >> (128 - last_bits):
            continue
        found.append((whole.to_bytes(16, "big"), bits))
        last, last_bits = whole, bits
    return found


cdef object network(bytes addr, int bits):
    if len(addr) != 16 or not 0 <= bits <= 128:
        raise ValueError("a prefix is 16 bytes and 0 to 128 bits")
    return int.from_bytes(addr, "big") >> (128 - bits) << (128 - bits)


cdef bytes number_key(int kind, int value):
    return bytes((kind, value >> 8, value & 0xFF))


cdef bytes host_key(str pattern):
    kind = KEY_SUFFIX
    if pattern.startswith("="):
        kind, pattern = KEY_EXACT, pattern[1:]
    elif pattern.startswith("*."):
        kind, pattern = KEY_BELOW, pattern[2:]
    name = pattern.lower().rstrip(".").encode("ascii")
    if not name or len(name) > 255 or b"*" in name:
        raise ValueError(f"not a host pattern: {pattern!r}")
    return bytes((kind,)) + name


cdef bytes ja4_key(str text):
    """A whole fingerprint, or the beginning of one before a `*`."""
    if text.endswith("*"):
        return bytes((KEY_JA4_BEGINS,)) + text.removesuffix("*").encode()
    return bytes((KEY_JA4,)) + text.encode()


cdef bytes prefix_key(int kind, bytes addr, int bits):
    return bytes((kind, bits)) + network(addr, bits).to_bytes(16, "big")


cdef list ways_to(rule, patterns, fingerprints, applications):
    """The keys that the rule may stand under, one list for each condition that could be the index, what tells flows
    apart best first; none where it has to be asked every time."""
    ports = rule.get("ports", ())
    few = sum(last - first + 1 for first, last in ports) <= FEW_PORTS
    found = [
        patterns,
        fingerprints if all(key[0] == KEY_JA4 for key in fingerprints) else (),
        [number_key(KEY_LABEL, app) for app in rule.get("apps", ())],
        [number_key(KEY_PROTOCOL, protocol) for protocol in rule.get("protocols", ())],
        [prefix_key(KEY_REMOTE, addr, bits) for addr, bits in rule.get("remote", ())],
        [prefix_key(KEY_LOCAL, addr, bits) for addr, bits in rule.get("local", ())],
        [prefix_key(KEY_MAC, addr, bits) for addr, bits in rule.get("macs", ())],
        [number_key(KEY_CATEGORY, category) for category in rule.get("categories", ())],
        [number_key(KEY_VLAN, vlan) for vlan in rule.get("vlans", ())],
        applications,
        [number_key(KEY_PORT, port) for first, last in ports for port in range(first, last + 1)] if few else (),
    ]
    return [list(dict.fromkeys(way)) for way in found if way]
