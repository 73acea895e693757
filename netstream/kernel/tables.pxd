cimport cython
from libc.stdint cimport int64_t, uint32_t

from netstream.kernel.index cimport Index
from netstream.kernel.records cimport BEGIN, BEGIN2, NOTHING, RBEGIN, Chart, Dimension, Line

cdef Py_ssize_t _HEADER, _LONGEST, _LARGEST, _SLACK
cdef bytes _FIXED

@cython.final
cdef class Tables:
    cdef Line *lines
    cdef Dimension *dimensions
    cdef Chart *charts
    cdef const unsigned char *arena
    cdef readonly int begins
    cdef readonly int count
    cdef bytearray _lines
    cdef bytearray _dimensions
    cdef bytearray _charts
    cdef bytearray _arena
    cdef Py_ssize_t _dead
    cdef int _line_room
    cdef int _dimension_room
    cdef int _chart_room
    cdef int _line_count
    cdef int _dimension_count
    cdef int _chart_count
    cdef list _free_lines
    cdef list _free_dimensions
    cdef list _free_charts
    cdef Index _line_index
    cdef Index _dimension_index
    cdef Index _chart_index

    @cython.locals(tag=uint32_t, place=Py_ssize_t, number=cython.int, line="Line *")
    cdef int find_line(self, const unsigned char *text, Py_ssize_t at, Py_ssize_t stop, int owner) noexcept nogil
    @cython.locals(number=cython.int, line="Line *")
    cdef int add_line(self, bytes text, int kind, bint plain, int chart, int dimension) except -1
    cdef int find_chart(self, bytes name) except -1
    @cython.locals(tag=uint32_t, place=Py_ssize_t, number=cython.int)
    cdef int seek_chart(self, const unsigned char *text, Py_ssize_t at, Py_ssize_t stop) noexcept nogil
    cdef int find_dimension(self, int chart, bytes name) except -1
    @cython.locals(tag=uint32_t, place=Py_ssize_t, number=cython.int, offset=uint32_t)
    cdef int seek_dimension(self, int chart, const unsigned char *text, Py_ssize_t at, Py_ssize_t stop) noexcept nogil
    @cython.locals(number=cython.int, offset=uint32_t)
    cdef int add_chart(self, bytes name) except -1
    @cython.locals(number=cython.int, offset=uint32_t, record="Dimension *", owner="Chart *")
    cdef int add_dimension(self, int chart, bytes name) except -1
    @cython.locals(number=cython.int, line="Line *")
    cdef int renumber(self, int chart, int dimension, int series) except -1
    @cython.locals(record="Chart *", number=cython.int, following=cython.int, tag=uint32_t, line="Line *",
                   dimension="Dimension *", name=bytes, freed=list)
    cdef int forget(self, int chart) except -1
    @cython.locals(size=Py_ssize_t)
    cdef bytes name_of(self, Py_ssize_t offset)
    @cython.locals(arena="const unsigned char *", size=Py_ssize_t)
    cdef bint _is_named(self, Py_ssize_t offset, const unsigned char *text, Py_ssize_t at,
                        Py_ssize_t stop) noexcept nogil
    @cython.locals(arena="const unsigned char *")
    cdef int owner_of(self, Py_ssize_t offset) noexcept nogil
    cdef int _owner(self, Line *line) noexcept nogil
    cdef uint32_t _keep_name(self, int owner, bytes name) except 0
    @cython.locals(offset=Py_ssize_t)
    cdef uint32_t _keep(self, bytes text) except 0
    @cython.locals(number=cython.int, line="Line *", dimension="Dimension *", chart="Chart *", old=bytearray)
    cdef int _compact(self) except -1
    @cython.locals(size=Py_ssize_t)
    cdef uint32_t _moved(self, bytearray old, Py_ssize_t offset) except 0
    @cython.locals(number=cython.int, more=cython.int)
    cdef int _new_line(self) except -1
    @cython.locals(number=cython.int, more=cython.int)
    cdef int _new_dimension(self) except -1
    @cython.locals(number=cython.int, more=cython.int)
    cdef int _new_chart(self) except -1
    cdef int _clear_line(self, int number) except -1
    cdef int _clear_dimension(self, int number) except -1
    cdef int _clear_chart(self, int number) except -1

cdef bint same(const unsigned char *text, Py_ssize_t at, const unsigned char *other, Py_ssize_t begin,
               Py_ssize_t size) noexcept nogil
