cimport cython
from libc.stdint cimport int64_t, uint64_t

from netstream.kernel.columns cimport Columns
from netstream.kernel.records cimport (ABSOLUTE, INCREMENT_PERCENTAGE, INCREMENTAL, NO_RESET, ROW_PERCENTAGE, WIDE,
                                       Chart, Dimension)

cdef enum:
    RESET = 2
    SECOND = 1000000

cdef int64_t FARTHEST, LONG
cdef uint64_t _MASK, _SIGN, _CAP

cdef int redefine(Chart *chart, int64_t period, bint store_first) except -1
cdef int restart(Dimension *dimension, int algorithm) except -1
cdef int take_over(Chart *chart, int64_t collected_at, int64_t updated_at) except -1 nogil
cdef int take_over_dimension(Dimension *dimension, int64_t collected, double calculated) except -1 nogil

@cython.locals(last=uint64_t, value=uint64_t, cap=uint64_t, delta=uint64_t, acceptable=uint64_t)
cdef int64_t _increment(Dimension *dimension) noexcept nogil
cdef int64_t _elapsed(Chart *chart, int64_t given, int64_t now) noexcept nogil

@cython.locals(period=int64_t, since=int64_t, elapsed=int64_t, first=cython.bint, reset=cython.bint,
               number=cython.int, dimension="Dimension *")
cdef int collect(Chart *chart, Dimension *dimensions, int64_t given, int64_t now, int64_t most,
                 Columns columns) except -1 nogil

@cython.locals(total=int64_t, last_total=int64_t, growth=int64_t, magnitude=int64_t, number=cython.int,
               dimension="Dimension *", reset=cython.bint, last=uint64_t, value=uint64_t)
cdef bint _calculate(Chart *chart, Dimension *dimensions) noexcept nogil

@cython.locals(period=int64_t, now=int64_t, due=int64_t, left=int64_t, skipped=int64_t, value=cython.double,
               part=cython.double, flags=cython.int, number=cython.int, dimension="Dimension *")
cdef int _interpolate(Chart *chart, Dimension *dimensions, int64_t since, int64_t most, bint reset,
                      Columns columns) except -1 nogil

@cython.locals(part=cython.double, number=cython.int, dimension="Dimension *")
cdef int64_t _skip(Chart *chart, Dimension *dimensions, int64_t since, int64_t until) noexcept nogil

cdef int64_t _signed(uint64_t value) noexcept nogil
