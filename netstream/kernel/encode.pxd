cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef bint COMPILED
cdef double NAN
cdef bytes _DIGITS
cdef tuple _MARKS

cdef class Writer:
    cdef bytearray store
    cdef unsigned char *at
    cdef Py_ssize_t size
    cdef Py_ssize_t room
    cdef const unsigned char *alphabet
    cdef uint64_t[::1] bits
    cdef double[::1] reals

    @cython.locals(store=bytearray)
    cdef int need(self, Py_ssize_t size) except -1
    @cython.locals(size=Py_ssize_t, start=Py_ssize_t, n=Py_ssize_t, source="const unsigned char *", at="unsigned char *")
    cdef int put(self, bytes text) except -1
    cdef int byte(self, int value) noexcept
    @cython.locals(mask=uint64_t, shift=cython.int, rest=uint64_t, first=cython.int, alphabet="const unsigned char *")
    cdef int digits(self, uint64_t number, int bits) except -1
    @cython.locals(count=cython.int, rest=uint64_t, at=Py_ssize_t)
    cdef int decimal(self, uint64_t number, int least) except -1
    cdef int integer(self, int64_t number, bint ieee754) except -1
    @cython.locals(magnitude=cython.double, scaled=uint64_t, places=cython.int)
    cdef int real(self, double number, bint ieee754) except -1
    cdef bytes take(self)

cdef class Opening:
    cdef public bytes begin1
    cdef public bytes begin2
    cdef public int64_t sent

cdef class Entry:
    cdef Opening opening
    cdef bytes set1
    cdef bytes set2

cdef class Encoder:
    cdef bint _ieee754
    cdef list _entries
    cdef dict _openings

    @cython.locals(numbers="const int[::1]", times="const int64_t[::1]", integers="const int64_t[::1]",
                   reals="const double[::1]", marks="const unsigned char[::1]", ieee754=cython.bint, writer=Writer,
                   opening=Opening, entry=Entry, second=int64_t, number=int64_t, row=Py_ssize_t, flag=cython.int)
    cdef bytes _compiled(self, int version, series, time, collected, value, flags)
    cpdef bytes _plain(self, int version, rows)

cdef int64_t _elapsed(int64_t sent, int64_t second) noexcept
