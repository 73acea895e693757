cimport cython
from libc.stdint cimport int64_t

from netstream.kernel.columns cimport Columns
from netstream.kernel.interpolate cimport redefine, restart, take_over, take_over_dimension
from netstream.kernel.lines cimport Walk
from netstream.kernel.numbers cimport Reader
from netstream.kernel.records cimport (BEGIN, BEGIN2, END, END2, NO_RESET, RBEGIN, RSET, RTIME, SET, SET2, Chart,
                                       Dimension)
from netstream.kernel.tables cimport Tables

cdef enum:
    ANOMALOUS = 1
    RESET = 2
    EMPTY = 4
    PAST = 8

cdef dict KEYWORDS, VERSIONS
cdef double NAN
cdef int64_t LONGEST, LAST, PERIODS
cdef Py_ssize_t FREE

cdef class Ingest:
    cdef Tables _tables
    cdef Columns _columns
    cdef Walk _walk
    cdef Reader _numbers
    cdef bint _busy
    cdef list _kept
    cdef bytes _held

    @cython.locals(number=cython.int, name=bytes)
    cpdef chart(self, str chart, update_every, bint store_first=*)
    @cython.locals(owner=cython.int, number=cython.int, name=bytes, tables=Tables)
    cpdef dimension(self, str chart, str dimension, int series, int algorithm, multiplier, divisor, bint no_reset=*)
    cpdef resume(self, str chart, collected_at, updated_at)
    @cython.locals(number=cython.int)
    cpdef resume_dimension(self, str chart, str dimension, int64_t collected, double calculated)
    cpdef stands(self, str chart, int64_t collected_at, int64_t updated_at)
    @cython.locals(number=cython.int)
    cpdef stands_dimension(self, str chart, str dimension, int64_t time, int64_t collected, double calculated,
                           double stored)
    cpdef list told(self)
    cpdef answered(self)
    @cython.locals(number=cython.int)
    cpdef forget(self, str chart)
    @cython.locals(number=cython.int, found=list)
    cpdef tuple state(self, str chart)
    @cython.locals(end=Py_ssize_t, after=Py_ssize_t, walk=Walk)
    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t at, int64_t now) except -1
    cpdef tuple take(self)
    cdef int _alone(self) except -1
    @cython.locals(chart=cython.int)
    cdef int _known(self, str name) except -1
    @cython.locals(walk=Walk)
    cdef int _pause(self, bytes data, Py_ssize_t at) except -1
    cdef int _abandon(self, bytes data, Py_ssize_t at) except -1
    @cython.locals(stop=Py_ssize_t, text=bytes, found=list, given=list, kind=cython.int, chart=cython.int,
                   dimension=cython.int, flags=cython.int, walk=Walk, collected=int64_t, value=cython.double,
                   period=int64_t, time=int64_t, since=int64_t)
    cdef Py_ssize_t _unusual(self, bytes data, Py_ssize_t at) except -2
    @cython.locals(prefix=bytes, line=cython.int, record="Chart *", inside=cython.bint, plain=cython.bint, last=cython.int)
    cdef int _learn(self, bytes text, int kind, list found, int chart, int dimension) except -1
    @cython.locals(walk=Walk, tables=Tables, number=cython.int, index=cython.int)
    cdef bytes _canonical(self)
    cdef int64_t _whole(self, bytes text, bytes word, bint clamped=*) except? -1
    cdef double _real(self, bytes text, bytes word) except? -1.0
