cimport cython
from libc.stdint cimport int64_t

cdef Py_ssize_t _ROOM, _MOST_ROOM

@cython.final
cdef class Columns:
    cdef readonly Py_ssize_t rows
    cdef readonly Py_ssize_t complete
    cdef Py_ssize_t room
    cdef int[::1] series
    cdef int64_t[::1] time
    cdef int64_t[::1] collected
    cdef double[::1] value
    cdef unsigned char[::1] flags
    cdef tuple arrays

    @cython.locals(row=Py_ssize_t)
    cdef int add(self, int series, int64_t time, int64_t collected, double value, int flags) except -1 nogil
    cdef int grow(self, Py_ssize_t room) except -1 with gil
    cdef int finish(self) noexcept nogil
    @cython.locals(complete=Py_ssize_t, rows=Py_ssize_t)
    cpdef tuple take(self)
