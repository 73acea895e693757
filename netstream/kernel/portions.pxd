cimport cython
from libc.math cimport floor
from libc.stdint cimport int64_t

cdef int64_t _MOST

@cython.locals(greatest=int64_t, row=Py_ssize_t, value=cython.double, total=int64_t, least=int64_t, a=int64_t,
               b=int64_t)
cdef int64_t _joined(const double[::1] values, const int64_t[::1] totals, int64_t[::1] more) except -1

@cython.locals(rest=cython.double, above=int64_t, above_before=int64_t, below=int64_t, below_before=int64_t,
               whole=int64_t, _=cython.int)
cdef int64_t _least(double value) noexcept nogil
