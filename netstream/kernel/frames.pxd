cimport cython

@cython.locals(text="const unsigned char *", end=Py_ssize_t, stop=Py_ssize_t, count=Py_ssize_t, length=Py_ssize_t)
cpdef tuple payloads(bytes data, Py_ssize_t at, Py_ssize_t most, Py_ssize_t most_bytes, bint sized)

@cython.locals(kept=bytearray, out="unsigned char *", place=Py_ssize_t, size=Py_ssize_t, length=Py_ssize_t)
cdef bytearray _sized(bytes data, Py_ssize_t at, Py_ssize_t stop)

@cython.locals(kept=bytearray, text="const unsigned char *", out="unsigned char *", place=Py_ssize_t, length=Py_ssize_t, i=Py_ssize_t)
cdef object _bare(bytes data, Py_ssize_t at, Py_ssize_t stop, Py_ssize_t count)
