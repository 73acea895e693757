cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t

cdef uint64_t _ABSENT, _GAP, _SIGN, _MAGNITUDE, _INFINITY

@cython.locals(rows=Py_ssize_t, columns=Py_ssize_t, known=Py_ssize_t, count=Py_ssize_t, i=Py_ssize_t,
               missed=Py_ssize_t, second=int64_t, row=int64_t, column=int64_t, number=int64_t)
cdef Py_ssize_t _one_by_one(
    uint64_t[:, :] cells, unsigned char[:, :] marks, int32_t[::1] lowest, int32_t[::1] highest,
    const int32_t[::1] place, int64_t start, int64_t step, const int32_t[::1] series, const int64_t[::1] time,
    const double[::1] value, const uint64_t[::1] bits, const unsigned char[::1] flags, unsigned char[::1] left) except -1

@cython.locals(rows=Py_ssize_t, width=Py_ssize_t, wanted=Py_ssize_t, i=Py_ssize_t, row=Py_ssize_t, value=uint64_t)
cdef int _load(
    const uint64_t[:, :] cells, const unsigned char[:, :] marks, const int32_t[::1] columns, uint64_t[:, ::1] bits,
    unsigned char[:, ::1] flags) except -1
