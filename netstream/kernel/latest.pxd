cimport cython
from libc.stdint cimport int32_t, int64_t

@cython.locals(last=int64_t, i=Py_ssize_t)
cdef int64_t _highest(const int64_t[::1] time) except? -1

@cython.locals(known=Py_ssize_t, count=Py_ssize_t, i=Py_ssize_t, number=int64_t, nan=cython.double)
cdef int _one_by_one(
    int64_t[::1] times, double[::1] values, int64_t[::1] integers, const int32_t[::1] series, const int64_t[::1] time,
    const int64_t[::1] collected, const double[::1] value, const unsigned char[::1] flags) except -1
