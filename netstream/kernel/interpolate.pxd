cimport cython
from libc.stdint cimport int64_t, uint64_t

from netstream.kernel.columns cimport Columns

cdef int ABSOLUTE, INCREMENTAL, ROW_PERCENTAGE, INCREMENT_PERCENTAGE, RESET
cdef uint64_t _MASK, _SIGN, _CAP
cdef int64_t SECOND, FARTHEST

cdef class Dimension:
    cdef readonly bytes name
    cdef public int series
    cdef readonly int algorithm
    cdef public double multiplier
    cdef public double divisor
    cdef public bint no_reset
    cdef public int64_t value
    cdef int64_t last
    cdef int64_t highest
    cdef int64_t count
    cdef public bint collected
    cdef double calculated
    cdef double carried

    cpdef restart(self, int algorithm)
    cpdef resume(self, int64_t collected, double calculated)
    cdef int set(self, int64_t value) except -1
    @cython.locals(last=uint64_t, value=uint64_t, cap=uint64_t, delta=uint64_t, acceptable=uint64_t)
    cdef int64_t increment(self) noexcept
    @cython.locals(last=uint64_t, value=uint64_t)
    cdef bint fell(self) noexcept

cdef class Chart:
    cdef readonly bytes name
    cdef public int64_t period
    cdef public bint store_first
    cdef readonly dict dimensions
    cdef readonly list order
    cdef int64_t collected_at
    cdef int64_t updated_at
    cdef public bint synchronised

    cpdef change(self, int64_t period, bint store_first)
    cpdef resume(self, int64_t collected_at, int64_t updated_at)
    cdef int64_t elapsed(self, int64_t given, int64_t now) noexcept
    @cython.locals(period=int64_t, since=int64_t, elapsed=int64_t, first=cython.bint, dimension=Dimension)
    cdef int collect(self, int64_t given, int64_t now, int64_t most, Columns columns) except -1
    @cython.locals(total=int64_t, last_total=int64_t, growth=int64_t, magnitude=int64_t, dimension=Dimension,
                   reset=cython.bint)
    cdef bint calculate(self) except -1
    @cython.locals(period=int64_t, now=int64_t, due=int64_t, left=int64_t, skipped=int64_t, value=cython.double,
                   part=cython.double, flags=cython.int, dimension=Dimension)
    cdef int interpolate(self, int64_t since, int64_t most, bint reset, Columns columns) except -1
    @cython.locals(part=cython.double, dimension=Dimension)
    cdef int64_t skip(self, int64_t since, int64_t until) except? -1

cdef int64_t _signed(uint64_t value) noexcept
