cimport cython

@cython.locals(found=list, at=Py_ssize_t, end=Py_ssize_t, start=Py_ssize_t)
cpdef list words(bytes line)
