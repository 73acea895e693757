cimport cython
from libc.stdint cimport int32_t, int64_t

@cython.locals(known=Py_ssize_t, count=Py_ssize_t, i=Py_ssize_t, number=int64_t, number_value=cython.double)
cdef Py_ssize_t _one_by_one(
    double[::1] sums, int64_t[::1] counts, const int32_t[::1] series, const int64_t[::1] time,
    const double[::1] value, const unsigned char[::1] flags, Py_ssize_t start, int64_t after, int64_t before) except -1
