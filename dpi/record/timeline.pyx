"""How traffic is over time, in a row for each span of it.

Flows come in any order of time and nobody knows how long the whole takes, so a row is a second at first and more as the
rows become too many: each width holds the one before a whole number of times, so rows only ever join.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

import time


cdef enum:
    SECOND = 1000000000     # ns
    DAY = 86400
    N_WIDTHS = 13

cdef uint64_t[N_WIDTHS] WIDTHS
WIDTHS[:] = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200, DAY]    # seconds; beyond them they double


cdef inline uint64_t second_of(int64_t when) noexcept:
    return <uint64_t>when // SECOND if when > 0 else 0


cdef class Timeline:
    """Sums by time.  A flow counts where it begins; what it carried is spread evenly over its life.

    width: seconds of a row.  Rows begin at whole ones of local time, as it was when the first flow began.
    """

    def __cinit__(self):
        self.width = WIDTHS[0]
        self.first = 1

    def rows_told(self):
        """[(when a row begins in seconds since 1970, flows, packets, bytes up, bytes down)], empty ones within too."""
        cdef uint64_t n
        cdef const Row *row
        told = []
        for n in range(self.first, self.last + 1):
            row = &self.rows[n % ROWS_MAX]
            told.append((<int64_t>(n * self.width - self.ahead), row.flows, row.packets, row.up, row.down))
        return told

    cdef int add(self, int64_t start, int64_t end, uint64_t packets, uint64_t up, uint64_t down) except -1:
        """A flow from start to end (ns)."""
        cdef uint64_t begun, ended, n, last, row
        cdef double share
        cdef Row done, now
        cdef Row *sums
        begun = second_of(start)
        ended = max(begun, second_of(end))      # packets may have come out of their order
        if self.first > self.last:
            self.ahead = DAY + <int64_t>time.localtime(begun).tm_gmtoff
            self.first = self.last = (begun + self.ahead) // self.width
        begun += self.ahead
        ended += self.ahead
        if begun // self.width < self.first or ended // self.width > self.last:
            self.reach(begun // self.width, ended // self.width)
        n, last = begun // self.width, ended // self.width
        self.rows[n % ROWS_MAX].flows += 1
        memset(&done, 0, sizeof(done))
        for row in range(n, last + 1):
            now.packets, now.up, now.down = packets, up, down
            if row < last:
                share = <double>((row + 1) * self.width - begun) / <double>(ended - begun)
                now.packets = <uint64_t>(share * packets)
                now.up = <uint64_t>(share * up)
                now.down = <uint64_t>(share * down)
            sums = &self.rows[row % ROWS_MAX]
            sums.packets += now.packets - done.packets
            sums.up += now.up - done.up
            sums.down += now.down - done.down
            done = now
        return 0

    cdef void reach(self, uint64_t first, uint64_t last) noexcept:
        """Makes room for these rows too, of wider ones if need be."""
        cdef Row joined[ROWS_MAX]
        cdef Row *sums
        cdef const Row *row
        cdef uint64_t n, wider, times
        cdef uint64_t known_first = self.first
        cdef uint64_t known_last = self.last
        self.first, self.last = min(first, self.first), max(last, self.last)
        while self.last - self.first >= ROWS_MAX:
            wider = 2 * self.width
            for n in range(N_WIDTHS):
                if WIDTHS[n] > self.width:
                    wider = WIDTHS[n]
                    break
            times = wider // self.width
            memset(joined, 0, sizeof(joined))
            for n in range(known_first, known_last + 1):
                row = &self.rows[n % ROWS_MAX]
                sums = &joined[n // times % ROWS_MAX]
                sums.flows += row.flows
                sums.packets += row.packets
                sums.up += row.up
                sums.down += row.down
            self.rows = joined
            self.width = wider
            known_first //= times
            known_last //= times
            self.first //= times
            self.last //= times
