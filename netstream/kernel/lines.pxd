cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t

from netstream.kernel.columns cimport Columns
from netstream.kernel.interpolate cimport collect
from netstream.kernel.numbers cimport Reader
from netstream.kernel.records cimport (BEGIN, BEGIN2, END, END2, NOTHING, RBEGIN, RSET, RTIME, SET, SET2, Chart,
                                       Dimension, Line)
from netstream.kernel.standing cimport Standing, after_slot, end_of_quoted
from netstream.kernel.tables cimport Tables, same

cdef enum:
    ANOMALOUS = 1
    RESET = 2
    EMPTY = 4
    PAST = 8

cdef int64_t LONGEST, LAST, PERIODS
cdef double NAN
cdef bytes _RBEGIN

@cython.final
cdef class Walk:
    cdef readonly int64_t lines
    cdef readonly int64_t seconds
    cdef bint keep
    cdef bint replicated
    cdef int64_t most
    cdef Reader reader
    cdef Tables tables
    cdef Columns columns
    cdef int chart
    cdef int version
    cdef int64_t usec
    cdef int64_t now
    cdef int64_t begun
    cdef int64_t time
    cdef bint plain
    cdef Py_ssize_t start
    cdef Py_ssize_t run
    cdef int last
    cdef int32_t[::1] block
    cdef int collected
    cdef Standing standing
    cdef const unsigned char *rbegin

    @cython.locals(text="const unsigned char *", arena="const unsigned char *", lines="Line *", line="Line *",
                   before="Line *", number=cython.int, after=Py_ssize_t)
    cdef Py_ssize_t walk(self, Py_ssize_t at, Py_ssize_t end) except -1 nogil
    @cython.locals(text="const unsigned char *", kind=cython.int, collected=int64_t, usec=uint64_t, period=int64_t,
                   since=int64_t, time=int64_t, now=int64_t, value=cython.double, flags=cython.int)
    cdef Py_ssize_t _take(self, Line *line, Py_ssize_t at, Py_ssize_t stop) except -2 nogil
    @cython.locals(text="const unsigned char *", stop=Py_ssize_t, chart=cython.int)
    cdef Py_ssize_t _answer(self, Py_ssize_t at, Py_ssize_t end) except -2 nogil
    @cython.locals(text="const unsigned char *", byte=cython.int)
    cdef int _flags(self, Py_ssize_t stop, int flags) noexcept nogil
    @cython.locals(text="const unsigned char *", stop=Py_ssize_t, name=Py_ssize_t, byte=cython.int, quote=cython.int,
                   owner=cython.int)
    cdef int _look_up(self, Py_ssize_t at) noexcept nogil
    @cython.locals(before="Line *")
    cdef int follow(self, int number) noexcept nogil
    cdef int begin(self, int chart, int64_t usec, bint plain, Py_ssize_t at) noexcept nogil
    @cython.locals(record="Dimension *")
    cdef int set(self, int dimension, int64_t value, bint plain) noexcept nogil
    @cython.locals(chart=cython.int)
    cdef int end(self, Py_ssize_t after) except -1 nogil
    cdef int begin2(self, int chart, int version, int64_t time) noexcept nogil
    @cython.locals(period=int64_t, most=int64_t)
    cdef int row(self, int64_t since, int64_t time, int64_t now) noexcept nogil
    cdef int sample(self, int series, int64_t collected, double value, int flags) except -1 nogil
    cdef int end2(self) noexcept nogil
    @cython.locals(number=cython.int)
    cdef int drop(self) noexcept nogil
    cdef int reserve(self, Py_ssize_t count) except -1
