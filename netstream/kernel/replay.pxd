cimport cython
from libc.stdint cimport int64_t

from netstream.kernel.encode cimport Writer

cdef bint COMPILED
cdef bytes _GAP
cdef tuple _SPARSE

@cython.locals(seconds="const int64_t[::1]", reals="const double[:, ::1]", marks="const unsigned char[:, ::1]",
               width=Py_ssize_t, writer=Writer, row=Py_ssize_t, column=Py_ssize_t, begun=cython.bint,
               number=cython.double, flag=cython.int, gap=cython.bint, second=int64_t)
cdef bytes _compiled(list names, times, values, flags, int64_t period, int64_t now, bint whole, bint ieee754)

cdef int _time(Writer writer, int64_t second, bint ieee754) except -1
