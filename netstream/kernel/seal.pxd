cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t

cdef uint64_t _ABSENT, _EXPONENT, _FRACTION, _NEGATIVE, _SIZE, _EXACT, _BRIEF, _LEAST, _MOST
cdef int _SAME, _PLAIN, _INTEGER, _SHORT, _SINGLE
cdef Py_ssize_t _AT_ONCE

@cython.locals(rows=Py_ssize_t, wanted=Py_ssize_t, begin=Py_ssize_t, end=Py_ssize_t, row=Py_ssize_t, i=Py_ssize_t,
               value=uint64_t)
cdef int _turn(
    const uint64_t[:, :] cells, const unsigned char[:, :] marks, const int32_t[::1] columns, uint64_t[:, ::1] bits,
    unsigned char[:, ::1] flags) except -1

@cython.locals(columns=Py_ssize_t, rows=Py_ssize_t, i=Py_ssize_t, row=Py_ssize_t, count=Py_ssize_t, gaps=Py_ssize_t,
               marked=cython.int, state=cython.int, fact=cython.int, first=uint64_t, word=uint64_t,
               size=uint64_t, integer=int64_t)
cdef int _pack(
    const double[:, :] values, const uint64_t[:, :] bits, const unsigned char[:, :] flags, uint64_t[:, ::1] packed,
    unsigned char[:, ::1] states, int32_t[::1] counts, int32_t[::1] written, unsigned char[::1] facts) except -1

@cython.locals(width=Py_ssize_t, depth=Py_ssize_t, i=Py_ssize_t, row=Py_ssize_t, series=Py_ssize_t, to=Py_ssize_t,
               total=cython.double, low=cython.double, high=cython.double, value=cython.double, count=Py_ssize_t,
               odd=Py_ssize_t)
cdef int _fold(
    const double[:, :] values, const unsigned char[:, :] flags, const int32_t[::1] rows, const int32_t[::1] place,
    double[:, ::1] sums, double[:, ::1] lows, double[:, ::1] highs, double[:, ::1] counts,
    double[:, ::1] anomalous) except -1

@cython.locals(width=Py_ssize_t, depth=Py_ssize_t, i=Py_ssize_t, row=Py_ssize_t, series=Py_ssize_t, to=Py_ssize_t)
cdef int _fold_rows(
    const double[:, :] more_sums, const double[:, :] more_lows, const double[:, :] more_highs,
    const double[:, :] more_counts, const double[:, :] more_anomalous, const int32_t[::1] rows,
    const int32_t[::1] place, double[:, ::1] sums, double[:, ::1] lows, double[:, ::1] highs, double[:, ::1] counts,
    double[:, ::1] anomalous) except -1
