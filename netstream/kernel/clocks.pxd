cimport cython
from libc.math cimport floor
from libc.stdint cimport int64_t, uint64_t

cdef int64_t SECOND
cdef double _LIMIT, _LARGEST, _CLOSE, _EXACT, _SMALL, _UNKNOWN
cdef int64_t _TRUSTED
cdef Py_ssize_t _ENOUGH, _SHORT, _PATIENCE, _SOME, _MANY
cdef int _TRIES

@cython.locals(i=Py_ssize_t, row=Py_ssize_t, count=int64_t, value=cython.double)
cdef int _fractions(const double[:, :] values, int64_t[::1] found) except -1

@cython.locals(width=Py_ssize_t, rows=Py_ssize_t, scale=cython.double, period=int64_t, known=Py_ssize_t,
               before=cython.double, row=Py_ssize_t, late=int64_t, i=Py_ssize_t, left=cython.double,
               share=cython.double, value=cython.double, error=cython.double, growth=cython.double)
cdef Py_ssize_t _follow(
    const double[:, :] values, int64_t step, int64_t[::1] lates, double[::1] rests, double[::1] errors,
    int64_t[::1] trust, int64_t[::1] short, int64_t[::1] found) except -1

@cython.locals(used=Py_ssize_t, i=Py_ssize_t, part=cython.double, at=Py_ssize_t, tries=cython.int, j=Py_ssize_t,
               value=cython.double, within=cython.double, least=int64_t, count=cython.double, exact=cython.double,
               near=cython.double, share=cython.double, same=Py_ssize_t, k=Py_ssize_t, growth=cython.double)
cdef int64_t _next(
    const double[:, :] values, Py_ssize_t row, double scale, int64_t left, int64_t period, const double[::1] rests,
    const double[::1] errors, const int64_t[::1] trust, int64_t[::1] short) noexcept nogil

@cython.locals(i=Py_ssize_t, left=int64_t, late=int64_t, share=cython.double, yes=Py_ssize_t, no=Py_ssize_t,
               k=Py_ssize_t, value=cython.double)
cdef int64_t _begin(
    const double[:, :] values, Py_ssize_t row, double scale, int64_t period, int64_t[::1] trust,
    int64_t[::1] found) noexcept nogil

@cython.locals(exact=cython.double, count=cython.double, rest=cython.double, above=int64_t, above_before=int64_t, below=int64_t,
               below_before=int64_t, whole=int64_t, times=int64_t, last=int64_t, near=cython.bint,
               _=cython.int)
cdef bint _ratio(double value, double scale, int64_t period, int64_t[::1] found) noexcept nogil

@cython.locals(scale=Py_ssize_t)
cdef Py_ssize_t _counts(
    const double[::1] values, const uint64_t[::1] bits, const double[::1] portions, int64_t step,
    const int64_t[:, ::1] scales, int64_t[::1] numbers, unsigned char[::1] odd) except -2

@cython.locals(scale=cython.double, above=cython.double, below=cython.double, unit=cython.double, units=cython.double,
               rest=cython.double,
               error=cython.double, restored_rest=cython.double, before=cython.double, exceptions=Py_ssize_t,
               row=Py_ssize_t, share=cython.double, value=cython.double, exact=cython.double, count=cython.double,
               growth=cython.double, part=cython.double, made=cython.double,
               same=cython.bint)
cdef bint _scaled(
    const double[::1] values, const uint64_t[::1] bits, const double[::1] portions, int64_t step, int64_t multiplier,
    int64_t divisor, int64_t[::1] numbers, unsigned char[::1] odd) noexcept nogil
