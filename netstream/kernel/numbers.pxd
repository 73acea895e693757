cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef uint64_t _MASK, _SIGN
cdef bytes _BASE64, _HEXADECIMAL

@cython.final
cdef class Reader:
    cdef bytes data
    cdef const unsigned char *text
    cdef const unsigned char *base64
    cdef const unsigned char *hexadecimal
    cdef double[::1] powers
    cdef uint64_t[::1] bits
    cdef double[::1] reals
    cdef Py_ssize_t at
    cdef bint good
    cdef bint plain

    cdef int open(self, bytes data) except -1
    @cython.locals(text="const unsigned char *", table="const unsigned char *", at=Py_ssize_t, start=Py_ssize_t,
                   value=uint64_t, digit=cython.int)
    cdef uint64_t digits(self, int bits) noexcept nogil
    @cython.locals(text="const unsigned char *", at=Py_ssize_t, start=Py_ssize_t, value=uint64_t, byte=cython.int)
    cdef uint64_t unsigned(self) noexcept nogil
    cdef int64_t integer(self) noexcept nogil
    @cython.locals(text="const unsigned char *", at=Py_ssize_t, start=Py_ssize_t, value=uint64_t, byte=cython.int,
                   count=cython.int, decimals=cython.int, negative=cython.bint, quotient=cython.double)
    cdef double real(self) except? -1.0 nogil
    cdef double of_bits(self, uint64_t bits) noexcept nogil
    @cython.locals(text=bytes, at=Py_ssize_t)
    cdef double word(self, Py_ssize_t start) except? -1.0 with gil

cdef int64_t signed(uint64_t value) noexcept nogil
