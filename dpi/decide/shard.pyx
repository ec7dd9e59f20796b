"""A shard's memory and its lock."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free

from dpi.dissect.inspector cimport inspector_free, inspector_init, release
from dpi.flow.events cimport ring_free, ring_init
from dpi.flow.strings cimport strings_free, strings_new
from dpi.flow.table cimport table_free, table_new
from dpi.wire.mutex cimport pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock


cdef enum:
    WORKS_MIN = 1024        # flows in dissection at a time, or an eighth of all
    STREAMS = 64 << 20      # bytes that their streams may hold together


cdef Shard *shard_new(uint32_t flows, uint32_t events) noexcept nogil:
    """A shard for at most `flows` flows, with room for `events` events; NULL where memory is refused."""
    cdef Shard *s = <Shard *>calloc(1, sizeof(Shard))
    cdef uint32_t works = max(flows // 8, <uint32_t>WORKS_MIN)
    if s == NULL:
        return NULL
    s.table = table_new(flows)
    s.strings = strings_new(flows + 64)
    s.category = <uint8_t *>calloc(LABELS, 1)
    s.video = <uint16_t *>calloc(LABELS, sizeof(uint16_t))
    s.calls = <uint16_t *>calloc(LABELS, sizeof(uint16_t))
    s.push = <uint16_t *>calloc(LABELS, sizeof(uint16_t))
    s.traits = <uint8_t *>calloc(LABELS, 1)
    s.learnt = <Learnt *>calloc(LEARNT, sizeof(Learnt))
    s.habits = <Habit *>calloc(HABITS, sizeof(Habit))
    s.machines = <Machine *>calloc(MACHINES, sizeof(Machine))
    s.closed = <Closed *>calloc(CLOSED, sizeof(Closed))
    if (s.table == NULL or s.strings == NULL or s.category == NULL
            or s.video == NULL or s.calls == NULL or s.push == NULL or s.traits == NULL or s.learnt == NULL
            or s.habits == NULL or s.machines == NULL or s.closed == NULL
            or not ring_init(&s.ring, events) or not inspector_init(&s.inspector, works, STREAMS)
            or pthread_mutex_init(&s.mutex, NULL) != 0):
        shard_free(s)
        return NULL
    return s


cdef void shard_free(Shard *s) noexcept nogil:
    cdef uint32_t i
    if s == NULL:
        return
    if s.table != NULL and s.inspector.works != NULL:
        for i in range(s.table.fresh):
            if s.table.flows[i].version:
                release(&s.inspector, &s.table.flows[i])
    inspector_free(&s.inspector)
    ring_free(&s.ring)
    strings_free(s.strings)
    table_free(s.table)
    free(s.category)
    free(s.video)
    free(s.calls)
    free(s.push)
    free(s.traits)
    free(s.learnt)
    free(s.habits)
    free(s.machines)
    free(s.closed)
    free(s)


cdef void lock(Shard *shard) noexcept nogil:
    pthread_mutex_lock(&shard.mutex)


cdef void unlock(Shard *shard) noexcept nogil:
    pthread_mutex_unlock(&shard.mutex)
