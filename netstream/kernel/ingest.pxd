cimport cython
from libc.stdint cimport int64_t, uint64_t

from netstream.kernel.columns cimport Columns
from netstream.kernel.interpolate cimport Chart, Dimension
from netstream.kernel.text cimport Reader

cdef int BEGIN, SET, END, BEGIN2, SET2, END2, ANOMALOUS, RESET, EMPTY
cdef int64_t LONGEST, LAST, PERIODS
cdef double NAN

cdef class Line:
    cdef bytes prefix
    cdef Py_ssize_t size
    cdef int kind
    cdef Py_ssize_t number
    cdef bint plain
    cdef Chart chart
    cdef Dimension dimension
    cdef Py_ssize_t next
    cdef Py_ssize_t other

cdef class Ingest:
    cdef readonly int64_t lines
    cdef int64_t _most
    cdef bint _keep
    cdef dict _charts
    cdef list _known
    cdef dict _begins
    cdef dict _inside
    cdef Line _last
    cdef Columns _columns
    cdef Chart _chart
    cdef int _version
    cdef int64_t _usec
    cdef int64_t _now
    cdef int64_t _begun
    cdef int64_t _time
    cdef list _block
    cdef bint _plain
    cdef Py_ssize_t _from
    cdef Py_ssize_t _run
    cdef list _kept

    @cython.locals(end=Py_ssize_t, after=Py_ssize_t, reader=Reader)
    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t at, int64_t now) except -1
    @cython.locals(text="const unsigned char *", line=Line, number=Py_ssize_t, stop=Py_ssize_t, byte=cython.int,
                   flags=cython.int, kind=cython.int, collected=int64_t, period=int64_t, time=int64_t, usec=uint64_t,
                   value=cython.double)
    cdef Py_ssize_t _predicted(self, bytes data, Py_ssize_t at, Reader reader) except -2
    cdef int _follow(self, Line line) except -1
    @cython.locals(text="const unsigned char *", stop=Py_ssize_t, byte=cython.int, quote=cython.int)
    cdef Line _look_up(self, bytes data, Py_ssize_t at)
    @cython.locals(stop=Py_ssize_t, text=bytes, found=list, given=list, kind=cython.int, chart=Chart,
                   dimension=Dimension)
    cdef Py_ssize_t _unusual(self, bytes data, Py_ssize_t at) except -2
    @cython.locals(prefix=bytes, table=dict, line=Line)
    cdef int _learn(self, bytes text, int kind, list found, Chart chart, Dimension dimension) except -1
    cdef int _begin(self, Chart chart, int64_t usec, bint plain, bytes data, Py_ssize_t at) except -1
    cdef int _set(self, Dimension dimension, int64_t value, bint plain) except -1
    cdef int _end(self, bint plain, bytes data, Py_ssize_t after) except -1
    @cython.locals(dimension=Dimension)
    cdef bytes _canonical(self)
    cdef int _begin2(self, Chart chart, int64_t period, int64_t time, bytes data) except -1
    cdef int _sample2(self, Dimension dimension, int64_t collected, double value, int flags) except -1
    cdef int _end2(self) except -1
    @cython.locals(dimension=Dimension)
    cdef int _drop(self, bytes data) except -1
    cdef int _pause(self, bytes data) except -1
