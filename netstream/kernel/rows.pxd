cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef double _FINE, _MAGIC
cdef bytes _PAIRS, _NULL
cdef Py_ssize_t LONGEST

@cython.locals(text=bytearray, start="unsigned char *", at="unsigned char *", rows=Py_ssize_t, columns=Py_ssize_t,
               size=Py_ssize_t, row=Py_ssize_t, column=Py_ssize_t)
cdef bytes _one_by_one(
    const double[:, :] values, int64_t stamp, int64_t step, bint with_stamp, bytes before, bytes after, bytes between,
    bytes behind)

cdef unsigned char *put_integer(unsigned char *at, int64_t number) noexcept

@cython.locals(magnitude=cython.double, scaled=uint64_t)
cdef unsigned char *put_number(unsigned char *at, double value) except NULL

@cython.locals(size=Py_ssize_t, i=Py_ssize_t, source="const unsigned char *")
cdef unsigned char *put(unsigned char *at, bytes text) except NULL

@cython.locals(count=cython.int, place=cython.int, rest=uint64_t, pair=cython.int, pairs="const unsigned char *")
cdef unsigned char *_digits(unsigned char *at, uint64_t number) noexcept

@cython.locals(place=cython.int, rest=uint64_t, pair=cython.int, pairs="const unsigned char *")
cdef unsigned char *_decimals(unsigned char *at, uint64_t number) noexcept

@cython.locals(count=Py_ssize_t, finite=bint, low=cython.double, high=cython.double, row=Py_ssize_t,
               column=Py_ssize_t, value=cython.double)
cdef tuple _extent(const double[:, :] values)
