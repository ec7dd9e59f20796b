"""What flows teach of others like them, and what a nameless flow is by those: the same client's, to the same address
or one beside it, or with the same fingerprint.

A flow that tells its app by more than a guess teaches; one that was named by this here does not, so that nothing is
made surer by being repeated.

Which app a client used with a JA4 is kept in the shard, in a small table where each pair has one place: in the table
of names these pairs, most of which are browsers' and tell nothing, would push out what DNS taught.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from dpi.decide.fingerprint cimport ja4_of
from dpi.decide.shard cimport HABITS, TRAIT_SHARED, Habit, Shard
from dpi.dissect.inspector cimport to_proxy
from dpi.flow.evidence cimport BY_FINGERPRINT, BY_NEIGHBOUR, BY_PREFIX, BY_PROGRAM, confidence_of, improve
from dpi.flow.flow cimport NONE, Flow, opener
from dpi.flow.strings cimport string_text
from dpi.match.name_table cimport word
from dpi.match.nearby cimport networks_find, networks_learn, places_find, places_learn
from dpi.wire.keyed cimport fold


cdef enum:
    HABIT = 3               # flows that make one

cdef int64_t HABIT_TIME = 3600000000000     # ns that a fingerprint is remembered after it was seen last


cdef uint64_t tag_of(const Shard *s, const uint8_t *client, const char *ja4) noexcept nogil:
    """A number for a client and a fingerprint, keyed so that nobody can choose those that share one.

    What of a JA4 tells that there is a server name, a letter and how many extensions there are, is left out: a library
    has the same otherwise where it sends none.
    """
    cdef uint64_t h = fold(word(client) ^ s.names.key[0], word(client + 8) ^ s.names.key[1])
    cdef uint32_t i = 0
    while ja4[i]:
        if i != 3 and i != 6 and i != 7:
            h = (h ^ <uint8_t>ja4[i]) * <uint64_t>0x100000001B3ULL      # FNV-1a
        i += 1
    return fold(h ^ s.names.key[2], s.names.key[3] | 1) | 1


cdef void habit_learn(Shard *s, const uint8_t *client, const char *ja4, uint16_t app, int64_t now) noexcept nogil:
    """A client used an app (0: none that is known) with a fingerprint."""
    cdef uint64_t tag = tag_of(s, client, ja4)
    cdef Habit *habit = &s.habits[tag >> 8 & (HABITS - 1)]
    if habit.tag != tag or now - habit.seen > HABIT_TIME:
        habit.tag = tag
        habit.app = app
        habit.several = 0
        habit.times = 0
    habit.several |= habit.app != app
    habit.times += habit.times < HABIT
    habit.seen = now


cdef uint16_t habit_find(const Shard *s, const uint8_t *client, const char *ja4, int64_t now) noexcept nogil:
    """The one app that this client used with a fingerprint lately, 0 for none, or for several."""
    cdef uint64_t tag = tag_of(s, client, ja4)
    cdef const Habit *habit = &s.habits[tag >> 8 & (HABITS - 1)]
    if habit.tag != tag or habit.several or habit.times < HABIT or now - habit.seen > HABIT_TIME:
        return 0
    return habit.app


cdef void near_learn(Shard *s, const Flow *f) noexcept nogil:
    """Of a settled flow.  What names show of networks, labels.pyx and answers.pyx teach as soon as they see it."""
    cdef int server = 1 - opener(f)
    cdef uint16_t label = 0 if s.traits[f.app.id] & TRAIT_SHARED else f.app.id
    if s.names == NULL:
        return
    if label and f.app.method == BY_PROGRAM and not to_proxy(f.protocol.id):
        places_learn(s.names, f.addr[1 - server], f.addr[server], label, f.last)
        networks_learn(s.names, f.addr[1 - server], f.addr[server], label, f.last)
    if ja4_of(f) != NONE and (f.host != NONE or f.app.confidence > confidence_of(BY_PREFIX)):
        habit_learn(s, f.addr[1 - server], string_text(s.strings, ja4_of(f)), label, f.last)


cdef void near_find(Shard *s, Flow *f, uint16_t owner) noexcept nogil:
    """Of a flow without any name.  At an owner's own addresses its other services are as near: not asked there."""
    cdef int server = 1 - opener(f)
    cdef uint16_t label
    if s.names == NULL or (owner and not s.traits[owner] & TRAIT_SHARED):
        return
    label = places_find(s.names, f.addr[1 - server], f.addr[server], s.now)
    if label == 0 and owner == 0:
        label = networks_find(s.names, f.addr[1 - server], f.addr[server], s.now)
    improve(&f.app, label, BY_NEIGHBOUR, confidence_of(BY_NEIGHBOUR))
    if f.app.id == 0 and ja4_of(f) != NONE:
        label = habit_find(s, f.addr[1 - server], string_text(s.strings, ja4_of(f)), s.now)
        improve(&f.app, label, BY_FINGERPRINT, confidence_of(BY_FINGERPRINT))
