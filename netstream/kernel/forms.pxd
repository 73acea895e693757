cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t

from netstream.kernel.rows cimport LONGEST, put, put_integer, put_number

cdef union _Cell:
    uint64_t bits
    double value

cdef uint64_t _ABSENT
cdef int64_t _RELATIVE
cdef double _NAN

@cython.final
cdef class Question:
    cdef int64_t after, before, points, now, first, last, end, count

@cython.final
cdef class Rows:
    cdef const uint64_t[:, :] cells
    cdef const unsigned char[:, :] marks
    cdef const int32_t[::1] columns
    cdef const double[:, :] past
    cdef const unsigned char[:, :] past_marks
    cdef int64_t start, step, floor

    @cython.locals(earlier=int64_t, step=int64_t, start=int64_t, stored=int64_t, rest=int64_t, low=int64_t,
                   after=int64_t, before=int64_t, points=int64_t, now=int64_t, first=int64_t, last=int64_t)
    cdef bint plan(self, Question question) except -1

@cython.final
cdef class Form:
    cdef list _pieces
    cdef bytes _places
    cdef bint _turned
    cdef int64_t _factor
    cdef bint _anomalies

    @cython.locals(cell=_Cell, cells="const uint64_t[:, :]", marks="const unsigned char[:, :]",
                   columns="const int32_t[::1]", past="const double[:, :]", past_marks="const unsigned char[:, :]",
                   start=int64_t, step=int64_t, wanted=Py_ssize_t, i=Py_ssize_t, high=int64_t,
                   height=int64_t, low=int64_t, count=int64_t, finite=bint, least=cython.double, greatest=cython.double,
                   row=int64_t, earlier=int64_t, mark=cython.int, value=cython.double, size=Py_ssize_t, piece=bytes,
                   text=bytearray, begin="unsigned char *", at="unsigned char *", places="const unsigned char *",
                   newest_at=int64_t, number=int64_t, place=Py_ssize_t, code=cython.int)
    cpdef object fill(
        self, Rows rows, Question question, const double[::1] latest, const int32_t[::1] series)
