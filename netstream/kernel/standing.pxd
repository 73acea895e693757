cimport cython
from libc.stdint cimport int32_t, int64_t

from netstream.kernel.interpolate cimport take_over, take_over_dimension
from netstream.kernel.numbers cimport Reader
from netstream.kernel.tables cimport Tables, same

cdef enum:
    SECOND = 1000000

cdef int64_t LAST
cdef Py_ssize_t _SHORTEST
cdef bytes _DIMENSION, _CHART

@cython.final
cdef class Standing:
    cdef Reader reader
    cdef Tables tables
    cdef readonly int64_t updated
    cdef readonly bint torn
    cdef Py_ssize_t count
    cdef const unsigned char *of_dimension
    cdef const unsigned char *of_chart
    cdef int32_t[::1] noted
    cdef int64_t[::1] times
    cdef double[::1] values

    cdef int clear(self) noexcept nogil
    cdef int reserve(self, Py_ssize_t count) except -1
    @cython.locals(text="const unsigned char *", stop=Py_ssize_t, number=cython.int, time=int64_t, collected=int64_t,
                   updated=int64_t, calculated=cython.double, stored=cython.double)
    cdef Py_ssize_t read(self, int chart, Py_ssize_t at, Py_ssize_t end) except -2 nogil
    cdef int dimension(self, int number, int64_t time, int64_t collected, double calculated,
                       double stored) except -1 nogil
    @cython.locals(period=int64_t)
    cdef int chart(self, int number, int64_t collected_at, int64_t updated_at) except -1 nogil
    @cython.locals(found=list, index=Py_ssize_t, series=cython.int)
    cdef list told(self)

cdef Py_ssize_t after_slot(const unsigned char *text, Py_ssize_t at) noexcept nogil
@cython.locals(quote=cython.int)
cdef Py_ssize_t end_of_quoted(const unsigned char *text, Py_ssize_t at) noexcept nogil
