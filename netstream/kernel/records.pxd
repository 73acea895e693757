from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

cdef enum:
    NOTHING = 0
    SET = 1
    SET2 = 2
    RSET = 3
    BEGIN = 4
    END = 5
    BEGIN2 = 6
    END2 = 7
    RBEGIN = 8
    RTIME = 9

cdef enum:
    ABSOLUTE = 0
    INCREMENTAL = 1
    ROW_PERCENTAGE = 2
    INCREMENT_PERCENTAGE = 3

cdef enum:
    NO_RESET = 1
    WIDE = 2

ctypedef struct Line:
    uint32_t prefix
    uint16_t size
    uint8_t kind
    uint8_t plain
    int32_t chart
    int32_t dimension
    int32_t series
    int32_t next
    int32_t other
    int32_t sibling

ctypedef struct Dimension:
    int64_t value
    int64_t last
    double calculated
    double carried
    double multiplier
    double divisor
    int32_t series
    int32_t sibling
    uint32_t name
    uint8_t algorithm
    uint8_t count
    uint8_t collected
    uint8_t marks

ctypedef struct Chart:
    int64_t collected_at
    int64_t updated_at
    int64_t period
    int32_t first
    int32_t newest
    int32_t dimensions
    int32_t line
    int32_t lines
    uint32_t name
    uint8_t store_first
    uint8_t synchronised
    int32_t off
