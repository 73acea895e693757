cimport cython
from libc.stdint cimport int64_t

cdef bytes _ALL_NAMES
cdef int _MOST_DIGITS

@cython.locals(size=Py_ssize_t, source="const unsigned char *", text=bytearray, kept="unsigned char *",
               names="const unsigned char *", first=int64_t, second=int64_t, third=int64_t, seen=cython.int,
               blanks=cython.int, asks=bint, length=Py_ssize_t, i=Py_ssize_t, letter="unsigned char",
               which=cython.int, begin=cython.int, width=cython.int, at=cython.int, minus=bint, number=int64_t,
               digits=cython.int)
cdef object _byte_by_byte(bytes data)
