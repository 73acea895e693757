cimport cython
from libc.stdint cimport uint32_t, uint64_t

cdef uint64_t _MASK

@cython.final
cdef class Index:
    cdef readonly Py_ssize_t room
    cdef readonly Py_ssize_t count
    cdef Py_ssize_t used
    cdef uint64_t factor
    cdef uint32_t[::1] slots

    @cython.locals(tag=uint64_t)
    cdef uint32_t tag(self, const unsigned char *text, Py_ssize_t at, Py_ssize_t stop, int owner) noexcept nogil
    @cython.locals(place=Py_ssize_t, taken=uint32_t)
    cdef Py_ssize_t seek(self, uint32_t tag, Py_ssize_t after) noexcept nogil
    cdef Py_ssize_t _first(self, uint64_t tag) noexcept nogil
    cdef Py_ssize_t _following(self, Py_ssize_t place) noexcept nogil
    cdef int number(self, Py_ssize_t place) noexcept nogil
    @cython.locals(place=Py_ssize_t)
    cdef int add(self, uint32_t tag, int number) except -1
    @cython.locals(place=Py_ssize_t)
    cdef int remove(self, uint32_t tag, int number) except -1
    @cython.locals(place=Py_ssize_t)
    cdef int _rebuild(self) except -1
