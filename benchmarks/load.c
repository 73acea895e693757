/*
 * Synthetic children of a parent, many in one process.
 *
 * Each connection is a child with C charts of D dimensions.  It speaks as an
 * agent 1.37 does (v1: raw integers, the parent computes) or as one of 2.x
 * (v2: stored values, slots, base 64).  It begins --back seconds ago and sends
 * as fast as the parent takes it (--pace none), or does so until it has caught
 * up with the present and goes on with one sample of every metric a second,
 * the children spread over the second (--pace second).
 *
 * "ready" comes when the parent has read all definitions; then nothing is sent
 * for --pause seconds.  One JSON object a line tells of each event; see event().  After "drained",
 * when the parent has taken everything, the children stay connected until
 * standard input ends.
 *
 * Built at run time by load.py.  lz4 and zstd are opened when they are asked
 * for, so that their headers are not needed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum protocol { V1, V2 };
enum compression { PLAIN, LZ4, ZSTD };
enum { UNREADY = 4, ALL_GONE = 5, SOME_GONE = 6, REFUSED = 3, BROKEN = 2 };

static struct {
    const char *key, *prefix;
    int port, children, charts, dimensions, seconds, warmup, back, lead, seed, segment, level, shift, pause;
    enum protocol protocol;
    enum compression compression;
    bool paced, replication;
    int64_t most;
} options = {
    .key = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", .prefix = "load",
    .children = 10, .charts = 500, .dimensions = 4, .seconds = 30, .warmup = 5, .back = 0,
    .lead = 60, .seed = 1, .level = 1, .paced = true, .replication = true,
};

/* What can be agreed on in the handshake, as bits. */
enum {
    CAN_BASE = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 13,
    CAN_LZ4 = 1 << 10, CAN_REPLICATE = 1 << 12, CAN_INTERPOLATED = 1 << 14, CAN_IEEE754 = 1 << 15,
    CAN_SLOTS = 1 << 18, CAN_ZSTD = 1 << 19,
};

static void fail(const char *what) { perror(what); exit(BROKEN); }

/* ---- text that grows */

typedef struct { char *bytes; size_t length, capacity; } Text;

static void reserve(Text *text, size_t more) {
    if (text->length + more <= text->capacity) return;
    text->capacity = (text->length + more) * 2;
    text->bytes = realloc(text->bytes, text->capacity);
    if (!text->bytes) fail("memory");
}

static inline void put(Text *text, const void *bytes, size_t length) {
    reserve(text, length);
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}
#define PUT(text, literal) put((text), (literal), sizeof(literal) - 1)
static inline void put_text(Text *text, const Text *other) { put(text, other->bytes, other->length); }

static inline void put_unsigned(Text *text, uint64_t value) {
    char digits[24], *end = digits + sizeof digits, *at = end;
    do *--at = '0' + value % 10; while (value /= 10);
    put(text, at, end - at);
}

static inline void put_integer(Text *text, int64_t value) {
    if (value < 0) PUT(text, "-");
    put_unsigned(text, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static inline void put_base64(Text *text, char sign, uint64_t value) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char digits[16], *end = digits + sizeof digits, *at = end;
    do *--at = alphabet[value & 63]; while (value >>= 6);
    *--at = sign;
    put(text, at, end - at);
}

static inline void put_coded(Text *text, int64_t value) {
    if (value < 0) PUT(text, "-");
    put_base64(text, '#', value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static inline void put_double(Text *text, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_base64(text, '@', bits);
}

static void put_format(Text *text, const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    put(text, line, length);
}

/*
 * ---- the metrics: what a chart is follows from the last digit of its number
 *  0, 1, 2  counters; every third dimension is idle, the others grow by noise
 *  3, 4, 5  constant gauges, half of them zero
 *  6, 7     gauges in hundredths that walk every other second
 *  8        gauges that are noise
 *  9        gauges that are zero, with a spike in a tenth of the samples
 * Some three of five samples repeat the one before, as on a machine that is
 * nearly idle.
 */
typedef struct { int64_t value, before; } Metric;

static inline int kind(int chart) { return chart % 10; }
static inline bool counts(int chart) { return kind(chart) <= 2; }
static inline int divisor(int chart) { return kind(chart) == 6 || kind(chart) == 7 ? 100 : 1; }

static inline uint64_t dice(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13; x ^= x >> 7; x ^= x << 17;
    return *state = x;
}

static void begin_metric(Metric *metric, int chart, int dimension, uint64_t *state) {
    switch (kind(chart)) {
    case 0: case 1: case 2: metric->value = dice(state) % 100000000; break;
    case 3: case 4: case 5: metric->value = dimension & 1 ? 0 : dice(state) % 1000000; break;
    case 6: case 7: metric->value = 100000 + dice(state) % 100000; break;
    default: metric->value = 0;
    }
    metric->before = metric->value;
}

static inline void collect(Metric *metric, int chart, int dimension, uint64_t *state) {
    uint64_t random;
    metric->before = metric->value;
    switch (kind(chart)) {
    case 0: case 1: case 2:
        if (dimension % 3 != 2) {
            uint64_t least = chart & 1 ? 1500 : 12;
            metric->value += least + dice(state) % (least + 1);
        }
        break;
    case 6: case 7:
        random = dice(state);
        if (random & 1) {
            metric->value += (int64_t)((random >> 8) % 201) - 100;
            if (metric->value < 0) metric->value = 0;
        }
        break;
    case 8: metric->value = dice(state) % 1000000; break;
    case 9:
        random = dice(state);
        metric->value = random % 10 ? 0 : (random >> 8) % 500;
        break;
    }
}

/* What a database stores of it: the rate of a counter, a gauge scaled; between two collections. */
static inline double stored(const Metric *metric, int chart, double part, double scale) {
    if (counts(chart)) return (metric->value - metric->before) * scale;
    double now = (double)metric->value / divisor(chart);
    if (metric->value == metric->before) return now;
    return now * (1 - part) + (double)metric->before / divisor(chart) * part;
}

/* ---- text that is the same every second, for all children */

static Text *chart_names, *begin_lines[2], *set_lines[2], *dimension_names;

static void prepare(void) {
    static const char *types[] = {"app", "disk", "net", "cgroup", "mysql", "nginx", "ip", "mem"};
    static const char *names[] = {"user", "system", "read", "written", "received", "sent", "errors", "free", "used",
                                  "cached", "buffers", "idle"};
    chart_names = calloc(options.charts, sizeof(Text));
    dimension_names = calloc(options.dimensions, sizeof(Text));
    for (int slotted = 0; slotted < 2; slotted++) {
        begin_lines[slotted] = calloc(options.charts, sizeof(Text));
        set_lines[slotted] = calloc(options.dimensions, sizeof(Text));
    }
    for (int chart = 0; chart < options.charts; chart++) {
        put_format(&chart_names[chart], "%s_unit%02d.metric_%04d", types[chart % 8], chart % 37, chart);
        for (int slotted = 0; slotted < 2; slotted++) {
            Text *line = &begin_lines[slotted][chart];
            PUT(line, "BEGIN2 ");
            if (slotted) { PUT(line, "SLOT:"); put_coded(line, chart + 1); PUT(line, " "); }
            PUT(line, "'"); put_text(line, &chart_names[chart]); PUT(line, "' #B ");
        }
    }
    for (int dimension = 0; dimension < options.dimensions; dimension++) {
        Text *name = &dimension_names[dimension];
        put_format(name, "%s", names[dimension % 12]);
        if (dimension >= 12) put_unsigned(name, dimension / 12);
        for (int slotted = 0; slotted < 2; slotted++) {
            Text *line = &set_lines[slotted][dimension];
            PUT(line, "SET2 ");
            if (slotted) { PUT(line, "SLOT:"); put_coded(line, dimension + 1); PUT(line, " "); }
            PUT(line, "'"); put_text(line, name); PUT(line, "' ");
        }
    }
}

/* ---- compression: messages of at most 16 000 bytes, each knows those before it */

typedef struct { const void *bytes; size_t size, at; } ZstdIn;
typedef struct { void *bytes; size_t size, at; } ZstdOut;

static void *(*lz4_create)(void);
static int (*lz4_compress)(void *, const char *, char *, int, int, int);
static int (*lz4_bound)(int);
static void *(*zstd_create)(void);
static size_t (*zstd_set)(void *, int, int);
static size_t (*zstd_compress)(void *, ZstdOut *, ZstdIn *, int);
static size_t (*zstd_bound)(size_t);
static unsigned (*zstd_error)(size_t);
enum { ZSTD_LEVEL = 100, ZSTD_FLUSH = 1, MESSAGE = 16000, RING = 65536 + 14 + 32768 };

static void *symbol(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found) { fprintf(stderr, "%s\n", dlerror()); exit(BROKEN); }
    return found;
}

static void open_compression(void) {
    if (options.compression == PLAIN) return;
    const char *name = options.compression == LZ4 ? "liblz4.so.1" : "libzstd.so.1";
    void *library = dlopen(name, RTLD_NOW);
    if (!library) { fprintf(stderr, "%s is not installed\n", name); exit(BROKEN); }
    if (options.compression == LZ4) {
        *(void **)&lz4_create = symbol(library, "LZ4_createStream");
        *(void **)&lz4_compress = symbol(library, "LZ4_compress_fast_continue");
        *(void **)&lz4_bound = symbol(library, "LZ4_compressBound");
    } else {
        *(void **)&zstd_create = symbol(library, "ZSTD_createCCtx");
        *(void **)&zstd_set = symbol(library, "ZSTD_CCtx_setParameter");
        *(void **)&zstd_compress = symbol(library, "ZSTD_compressStream2");
        *(void **)&zstd_bound = symbol(library, "ZSTD_compressBound");
        *(void **)&zstd_error = symbol(library, "ZSTD_isError");
    }
}

/* ---- children */

enum stage { HANDSHAKE, DEFINING, READY };

typedef struct {
    int socket, number;
    enum stage stage;
    bool gone, blocked, asked, answered, paced;
    uint32_t agreed;
    Text raw, out; /* what is not compressed yet; what is not sent yet, */
    size_t sent;   /* but for its first bytes */
    Metric *metrics;
    bool *active; /* by chart: the parent has said that it may begin */
    int actives;
    int64_t time; /* second that was sent last */
    double due;
    int chart; /* where the second that is being sent goes on, if it is not paced */
    uint64_t random;
    char in[1 << 16];
    int received;
    void *compressor;
    char *ring;
    size_t ring_at;
} Child;

static Child *children;
static int poller;
static struct { int64_t samples, bytes, raw, dropped; size_t waiting; } total;

static double wall(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec + now.tv_nsec / 1e9 + options.shift;
}

/* Hand what was written to the connection, compressed if that was agreed. */
static void commit(Child *child) {
    Text *raw = &child->raw;
    total.raw += raw->length;
    if (options.compression == PLAIN) put_text(&child->out, raw);
    for (size_t at = 0; options.compression != PLAIN && at < raw->length;) {
        size_t size = raw->length - at < MESSAGE ? raw->length - at : MESSAGE;
        size_t bound = options.compression == LZ4 ? (size_t)lz4_bound(size) : zstd_bound(size) + 1024;
        reserve(&child->out, bound + 4);
        unsigned char *message = (unsigned char *)child->out.bytes + child->out.length;
        size_t length;
        if (options.compression == LZ4) {
            char *source = child->ring + child->ring_at;
            memcpy(source, raw->bytes + at, size);
            length = lz4_compress(child->compressor, source, (char *)message + 4, size, bound, 1);
            child->ring_at = child->ring_at + size >= RING - 16384 ? 0 : child->ring_at + size;
        } else {
            ZstdOut to = {message + 4, bound, 0};
            ZstdIn from = {raw->bytes + at, size, 0};
            size_t left = zstd_compress(child->compressor, &to, &from, ZSTD_FLUSH);
            if (left || zstd_error(left)) { fprintf(stderr, "zstd failed\n"); exit(BROKEN); }
            length = to.at;
        }
        message[0] = 'z' | 0x80;
        message[1] = 0x80 | (length & 0x7f);
        message[2] = 0x80 | (length >> 7 & 0x7f);
        message[3] = '\n';
        child->out.length += length + 4;
        at += size;
    }
    raw->length = 0;
}

static void define(Child *child, int chart, int64_t first, int64_t last) {
    Text *raw = &child->raw;
    bool slotted = child->agreed & CAN_SLOTS;
    PUT(raw, "CHART ");
    if (slotted) { PUT(raw, "SLOT:"); put_coded(raw, chart + 1); PUT(raw, " "); }
    PUT(raw, "\""); put_text(raw, &chart_names[chart]);
    put_format(raw, "\" \"\" \"Synthetic metric %d\" \"%s\" \"family%d\" \"synthetic.context%d\" \"line\" %d 1 \"\""
               " \"benchmark\" \"kind%d\"\nCLABEL \"_collect_module\" \"kind%d\" 1\nCLABEL_COMMIT\n",
               chart, counts(chart) ? "ops/s" : "units", chart % 37, chart % 120, 1000 + chart, kind(chart), kind(chart));
    for (int d = 0; d < options.dimensions; d++) {
        const Text *name = &dimension_names[d];
        PUT(raw, "DIMENSION ");
        if (slotted) { PUT(raw, "SLOT:"); put_coded(raw, d + 1); PUT(raw, " "); }
        PUT(raw, "\""); put_text(raw, name); PUT(raw, "\" \""); put_text(raw, name);
        put_format(raw, "\" \"%s\" 1 %d \"\"\n", counts(chart) ? "incremental" : "absolute", divisor(chart));
    }
    if (child->agreed & CAN_REPLICATE)
        put_format(raw, "CHART_DEFINITION_END %" PRId64 " %" PRId64 " %" PRId64 "\n", first, last, (int64_t)wall());
    commit(child);
}

static inline void sample(Child *child, int chart, int64_t time) {
    Text *raw = &child->raw;
    Metric *metrics = child->metrics + (size_t)chart * options.dimensions;
    if (options.protocol == V1) {
        PUT(raw, "BEGIN \""); put_text(raw, &chart_names[chart]); PUT(raw, "\" ");
        bool known = child->active[chart] || child->agreed & CAN_REPLICATE;
        put_unsigned(raw, known ? 1000000 + dice(&child->random) % 401 - 200 : 0);
        child->active[chart] = true;
        PUT(raw, "\n");
        for (int d = 0; d < options.dimensions; d++) {
            collect(metrics + d, chart, d, &child->random);
            PUT(raw, "SET \""); put_text(raw, &dimension_names[d]); PUT(raw, "\" = ");
            put_integer(raw, metrics[d].value); PUT(raw, "\n");
        }
        PUT(raw, "END\n");
    } else {
        int slotted = child->agreed & CAN_SLOTS ? 1 : 0;
        double part = 0.437 + dice(&child->random) % 401 * 1e-6;
        double scale = 1 + ((double)(dice(&child->random) % 401) - 200) * 1e-6;
        put_text(raw, &begin_lines[slotted][chart]); put_base64(raw, '#', time); PUT(raw, " #\n");
        for (int d = 0; d < options.dimensions; d++) {
            collect(metrics + d, chart, d, &child->random);
            put_text(raw, &set_lines[slotted][d]); put_coded(raw, metrics[d].value);
            double value = stored(metrics + d, chart, part, scale);
            if (value == (double)metrics[d].value) PUT(raw, " #");
            else { PUT(raw, " "); put_double(raw, value); }
            PUT(raw, " A\n");
        }
        PUT(raw, "END2\n");
    }
    total.samples += options.dimensions;
}

static void wait_to_write(Child *child, bool wait) {
    if (child->blocked == wait) return;
    child->blocked = wait;
    struct epoll_event wanted = {.events = EPOLLIN | (wait ? EPOLLOUT : 0), .data.ptr = child};
    epoll_ctl(poller, EPOLL_CTL_MOD, child->socket, &wanted);
}

static void flush(Child *child) {
    while (child->sent < child->out.length) {
        size_t size = child->out.length - child->sent;
        if (options.segment && size > (size_t)options.segment) size = options.segment;
        ssize_t taken = send(child->socket, child->out.bytes + child->sent, size, MSG_NOSIGNAL);
        if (taken < 0) {
            if (errno != EAGAIN) {
                fprintf(stderr, "child %d: %s\n", child->number, strerror(errno));
                child->gone = true;
                return;
            }
            if (child->out.length - child->sent > total.waiting) total.waiting = child->out.length - child->sent;
            wait_to_write(child, true);
            return;
        }
        child->sent += taken;
        total.bytes += taken;
    }
    child->out.length = child->sent = 0;
    wait_to_write(child, false);
}

static void open_child(Child *child) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    child->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(child->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(child->socket, (void *)&address, sizeof address)) fail("connect");
    fcntl(child->socket, F_SETFL, O_NONBLOCK);
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = child};
    epoll_ctl(poller, EPOLL_CTL_ADD, child->socket, &wanted);
    uint32_t can = CAN_BASE;
    if (options.replication) can |= CAN_REPLICATE;
    if (options.compression == LZ4) can |= CAN_LZ4;
    if (options.compression == ZSTD) can |= CAN_ZSTD;
    if (options.protocol == V2) can |= CAN_INTERPOLATED | CAN_IEEE754 | CAN_SLOTS;
    put_format(&child->out,
               "STREAM key=%s&hostname=%s-%04d&registry_hostname=%s-%04d&machine_guid=%08x-0000-4000-8000-%012x"
               "&update_every=1&os=linux&timezone=Etc/UTC&abbrev_timezone=UTC&utc_offset=0&hops=1&ml_capable=0"
               "&ml_enabled=0&mc_version=1&tags=&ver=%u&NETDATA_PROTOCOL_VERSION=1.1"
               /* An agent 1.37 that is a proxy crashes when a child does not say these. */
               "&NETDATA_HOST_OS_NAME=Linux&NETDATA_HOST_OS_ID=linux&NETDATA_HOST_OS_VERSION=1"
               "&NETDATA_SYSTEM_KERNEL_NAME=Linux&NETDATA_SYSTEM_KERNEL_VERSION=1 HTTP/1.1\r\n"
               "User-Agent: benchmark/1\r\nAccept: */*\r\n\r\n",
               options.key, options.prefix, child->number, options.prefix, child->number, 0x10adf000 + options.seed,
               child->number, can);
    flush(child);
}

/* The parent's answer to the handshake; what comes after it is kept. */
static void agree(Child *child) {
    static const char *welcome = "Hit me baby";
    char *version = strstr(child->in, "version=");
    if (strncmp(child->in, welcome, strlen(welcome))) {
        fprintf(stderr, "refused: %.200s\n", child->in);
        exit(REFUSED);
    }
    char *rest = version ? version + 8 : child->in + child->received;
    child->agreed = version ? strtoul(rest, &rest, 10) : CAN_BASE;
    uint32_t needed = options.protocol == V2 ? CAN_INTERPOLATED | CAN_IEEE754 : 0;
    if (options.compression == LZ4) needed |= CAN_LZ4;
    if (options.compression == ZSTD) needed |= CAN_ZSTD;
    if (options.back && options.protocol == V1) needed |= CAN_REPLICATE; /* else the parent's clock times it */
    if ((child->agreed & needed) != needed) {
        fprintf(stderr, "the parent does not speak what was asked for (version=%u)\n", child->agreed);
        exit(REFUSED);
    }
    child->received -= rest - child->in;
    memmove(child->in, rest, child->received);
    child->stage = DEFINING;
    if (options.compression == LZ4) { child->compressor = lz4_create(); child->ring = malloc(RING + 32768); }
    if (options.compression == ZSTD) {
        child->compressor = zstd_create();
        zstd_set(child->compressor, ZSTD_LEVEL, options.level);
    }
    PUT(&child->raw, "LABEL \"_os_name\" = 1 \"Linux\"\nOVERWRITE labels\n");
    for (int chart = 0; chart < options.charts; chart++) define(child, chart, child->time, child->time);
    flush(child);
    if (!(child->agreed & CAN_REPLICATE)) { child->stage = READY; child->actives = options.charts; }
}

static int chart_of(const char *name) {
    const char *number = strstr(name, ".metric_");
    return number ? atoi(number + 8) : -1;
}

/*
 * The parent asks for history.  It gets none, but for one sample if the time is
 * not the present one: from it the parent takes the clock of the chart.  When
 * all was sent it is asked with one more definition whether it has read so far.
 */
static void replay(Child *child, const char *line) {
    char name[128], flag[16];
    int64_t after, before, now = wall();
    if (sscanf(line, "REPLAY_CHART \"%127[^\"]\" \"%15[^\"]\" %" SCNd64 " %" SCNd64, name, flag, &after, &before) != 4) {
        fprintf(stderr, "child %d: cannot read %s\n", child->number, line);
        exit(BROKEN);
    }
    int chart = chart_of(name);
    if (chart < 0 || chart >= options.charts) return;
    if (child->asked) { child->answered = true; return; }
    bool start = flag[0] == 't' || !after || !before;
    bool coded = child->agreed & CAN_IEEE754, slotted = child->agreed & CAN_SLOTS;
    Text *raw = &child->raw;
    Metric *metrics = child->metrics + (size_t)chart * options.dimensions;
#define NUMBER(value) do { PUT(raw, " "); if (coded) put_coded(raw, value); else put_integer(raw, value); } while (0)
    PUT(raw, "RBEGIN ");
    if (slotted) { PUT(raw, "SLOT:"); put_coded(raw, chart + 1); PUT(raw, " "); }
    PUT(raw, "\""); put_text(raw, &chart_names[chart]); PUT(raw, "\"\n");
    if (options.back && start && after && before && !child->active[chart]) {
        PUT(raw, "RBEGIN ''"); NUMBER(child->time - 1); NUMBER(child->time); NUMBER(now); PUT(raw, "\n");
        for (int d = 0; d < options.dimensions; d++) {
            collect(metrics + d, chart, d, &child->random);
            PUT(raw, "RSET ");
            if (slotted) { PUT(raw, "SLOT:"); put_coded(raw, d + 1); PUT(raw, " "); }
            PUT(raw, "\""); put_text(raw, &dimension_names[d]); PUT(raw, "\" ");
            double value = stored(metrics + d, chart, 0.437, 1);
            if (coded) { put_double(raw, value); PUT(raw, " A\n"); }
            else put_format(raw, "%.7f \"\"\n", value);
        }
    }
    if (start) {
        int64_t updated = child->time * 1000000, collected = updated + (options.protocol == V1 ? 437000 : 0);
        for (int d = 0; d < options.dimensions; d++) {
            PUT(raw, "RDSTATE ");
            if (slotted) { PUT(raw, "SLOT:"); put_coded(raw, d + 1); PUT(raw, " "); }
            PUT(raw, "\""); put_text(raw, &dimension_names[d]); PUT(raw, "\"");
            NUMBER(collected); NUMBER(metrics[d].value);
            if (coded) PUT(raw, " @A @A\n"); else PUT(raw, " 0.0000000 0.0000000\n");
        }
        PUT(raw, "RSSTATE"); NUMBER(collected); NUMBER(updated); PUT(raw, "\n");
    }
    PUT(raw, "REND"); NUMBER(1); NUMBER(child->time); NUMBER(child->time);
    if (start) PUT(raw, " true"); else PUT(raw, " false");
    NUMBER(after); NUMBER(before); NUMBER(now); PUT(raw, "\n");
    commit(child);
    flush(child);
    if (start && !child->active[chart]) {
        child->active[chart] = true;
        if (++child->actives == options.charts) child->stage = READY;
    }
}

static void receive(Child *child) {
    ssize_t size;
    while ((size = recv(child->socket, child->in + child->received, sizeof child->in - 1 - child->received, 0)) > 0) {
        child->received += size;
        child->in[child->received] = 0;
        if (child->stage == HANDSHAKE) agree(child);
        char *line = child->in, *end;
        while ((end = memchr(line, '\n', child->in + child->received - line))) {
            *end = 0;
            if (!strncmp(line, "REPLAY_CHART", 12)) replay(child, line);
            line = end + 1;
        }
        child->received -= line - child->in;
        memmove(child->in, line, child->received);
        if (child->received == sizeof child->in - 1) { fprintf(stderr, "a line without end\n"); exit(BROKEN); }
    }
    if (size < 0 && errno == EAGAIN) return;
    fprintf(stderr, "child %d: %s\n", child->number, size ? strerror(errno) : "closed by the parent");
    child->gone = true;
}

static void turn(int milliseconds) {
    struct epoll_event events[256];
    int count = epoll_wait(poller, events, 256, milliseconds);
    for (int i = 0; i < count; i++) {
        Child *child = events[i].data.ptr;
        if (!child->gone && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(child);
        if (!child->gone && events[i].events & EPOLLOUT) flush(child);
        if (child->gone) { epoll_ctl(poller, EPOLL_CTL_DEL, child->socket, NULL); close(child->socket); }
    }
}

static int gone(void) {
    int count = 0;
    for (int i = 0; i < options.children; i++) count += children[i].gone;
    return count;
}

/* Bytes that the parent has not read: ours, and what its sockets hold. */
static int64_t unread(void) {
    int64_t bytes = 0;
    char line[512];
    for (int i = 0; i < options.children; i++) {
        int queued = 0;
        if (children[i].gone) continue;
        if (!ioctl(children[i].socket, SIOCOUTQ, &queued)) bytes += queued;
        bytes += children[i].out.length - children[i].sent;
    }
    FILE *table = fopen("/proc/net/tcp", "r");
    while (table && fgets(line, sizeof line, table)) {
        unsigned port, state, receiving;
        if (sscanf(line, "%*d: %*x:%x %*x:%*x %x %*x:%x", &port, &state, &receiving) == 3 && (int)port == options.port
            && state == 1) bytes += receiving;
    }
    if (table) fclose(table);
    return bytes;
}

static void event(const char *name) {
    printf("{\"event\":\"%s\",\"time\":%.6f,\"samples\":%" PRId64 ",\"bytes\":%" PRId64 ",\"raw\":%" PRId64
           ",\"dropped\":%" PRId64 ",\"waiting\":%zu,\"newest\":[", name, wall(), total.samples, total.bytes,
           total.raw, total.dropped, total.waiting);
    for (int i = 0; i < options.children; i++) printf(i ? ",%" PRId64 : "%" PRId64, children[i].time);
    printf("]}\n");
    fflush(stdout);
}

static bool stopped;
static void stop(int number) { (void)number; stopped = true; }

/* From now on one sample of every metric a second. */
static void pace(Child *child, double now) {
    child->paced = true;
    child->due = (options.back ? (double)child->time + 1 : floor(now) + 1) + (double)child->number / options.children;
    child->time = (int64_t)child->due - 1;
}

static bool send_second(Child *child, double now) {
    if (now < child->due) return false;
    child->due += 1;
    child->time++;
    if (child->out.length - child->sent > 10 << 20) { /* where a real child would drop */
        total.dropped += (int64_t)options.charts * options.dimensions;
        return false;
    }
    for (int chart = 0; chart < options.charts; chart++) sample(child, chart, child->time);
    return true;
}

/* The next charts, up to the second "until"; no child may be far ahead of the slowest. */
static bool send_piece(Child *child, int64_t until) {
    int count = 0;
    if (child->out.length - child->sent > 1 << 18) return false;
    for (; count < 250 && (child->chart || child->time < until); count++) {
        if (!child->chart) child->time++;
        sample(child, child->chart++, child->time);
        if (child->chart == options.charts) child->chart = 0;
    }
    return count;
}

/* Samples until the time is over; false if the parent has closed all connections. */
static bool stream(void) {
    double began = options.paced && options.back ? 0 : wall(), end = 0;
    for (;;) {
        double now = wall();
        bool whole = true, busy = false;
        if (began && !end && now >= began + options.warmup) {
            end = now + options.seconds;
            total.waiting = 0;
            event("begin");
        }
        int64_t slowest = INT64_MAX;
        int behind = 0;
        for (int i = 0; i < options.children; i++) {
            Child *child = children + i;
            if (child->gone) continue;
            bool late = options.back && child->time + 2 < (int64_t)now;
            if (options.paced && !child->paced && !late && !child->chart) pace(child, now);
            if (child->time < slowest) slowest = child->time;
            if (child->chart) whole = false;
            behind += late;
        }
        if (!behind && !began) { began = now; event("caught up"); }
        bool over = stopped || (end && now >= end) || (options.most && total.samples >= options.most)
                    || (!options.paced && !behind);
        if (over && whole) break;
        for (int i = 0; i < options.children; i++) {
            Child *child = children + i;
            if (child->gone || (over && !child->chart)) continue;
            int64_t until = over ? 0 : slowest + options.lead < (int64_t)now - 2 ? slowest + options.lead : (int64_t)now - 2;
            if (!(child->paced ? send_second(child, now) : send_piece(child, until))) continue;
            busy = true;
            commit(child);
            flush(child);
        }
        if (gone() == options.children) return false;
        turn(busy ? 0 : 1);
    }
    event("end");
    return true;
}

/* Wait until the parent has taken everything. */
static void drain(void) {
    double latest = wall() + 120;
    bool ask = !stopped;
    for (int i = 0; i < options.children; i++) {
        Child *child = children + i;
        if (!(child->agreed & CAN_REPLICATE) || child->gone || !ask) { ask = false; break; }
    }
    for (int i = 0; ask && i < options.children; i++) {
        children[i].asked = true;
        define(children + i, 0, children[i].time, children[i].time);
        flush(children + i);
    }
    for (;;) {
        bool taken = true;
        turn(2);
        for (int i = 0; ask && i < options.children; i++) taken &= children[i].gone || children[i].answered;
        if (!ask) taken = unread() == 0;
        if (taken) break;
        if (wall() > latest) { fprintf(stderr, "the parent did not take everything within 120 s\n"); break; }
        if (!ask) usleep(5000);
    }
    event("drained");
}

static int choice(const char *given, const char *const *names) {
    for (int i = 0; names[i]; i++) if (!strcmp(given, names[i])) return i;
    fprintf(stderr, "what is %s?\n", given);
    exit(1);
}

static void read_options(int argc, char **argv) {
    static const char *const protocols[] = {"v1", "v2", NULL}, *const compressions[] = {"plain", "lz4", "zstd", NULL},
        *const paces[] = {"none", "second", NULL};
    static const struct option known[] = {
        {"port", 1, 0, 'p'}, {"key", 1, 0, 'k'}, {"prefix", 1, 0, 'x'}, {"children", 1, 0, 'n'}, {"charts", 1, 0, 'c'},
        {"dimensions", 1, 0, 'd'}, {"seconds", 1, 0, 's'}, {"warmup", 1, 0, 'w'}, {"back", 1, 0, 'b'}, {"lead", 1, 0, 'l'},
        {"protocol", 1, 0, 'P'}, {"pace", 1, 0, 'a'}, {"compression", 1, 0, 'z'}, {"level", 1, 0, 'L'}, {"seed", 1, 0, 'S'},
        {"segment", 1, 0, 'g'}, {"shift", 1, 0, 'h'},
        {"pause", 1, 0, 'u'}, {"most", 1, 0, 'm'}, {"no-replication", 0, 0, 'R'}, {0}};
    int option;
    options.segment = -1;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 'k': options.key = optarg; break;
        case 'x': options.prefix = optarg; break;
        case 'n': options.children = atoi(optarg); break;
        case 'c': options.charts = atoi(optarg); break;
        case 'd': options.dimensions = atoi(optarg); break;
        case 's': options.seconds = atoi(optarg); break;
        case 'w': options.warmup = atoi(optarg); break;
        case 'b': options.back = atoi(optarg); break;
        case 'l': options.lead = atoi(optarg); break;
        case 'P': options.protocol = choice(optarg, protocols); break;
        case 'a': options.paced = choice(optarg, paces); break;
        case 'z': options.compression = choice(optarg, compressions); break;
        case 'L': options.level = atoi(optarg); break;
        case 'S': options.seed = atoi(optarg); break;
        case 'g': options.segment = atoi(optarg); break;
        case 'h': options.shift = atoi(optarg); break;
        case 'u': options.pause = atoi(optarg); break;
        case 'm': options.most = atoll(optarg); break;
        case 'R': options.replication = false; break;
        default: exit(1);
    }
    if (!options.paced && !options.back) options.back = 3600;
    if (options.segment < 0) options.segment = options.paced ? 1400 : 65536;
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    open_compression();
    prepare();
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    signal(SIGPIPE, SIG_IGN);
    poller = epoll_create1(EPOLL_CLOEXEC);
    children = calloc(options.children, sizeof *children);
    int64_t now = wall();
    event("connect");
    for (int i = 0; i < options.children; i++) {
        Child *child = children + i;
        child->number = i;
        child->random = 0x9E3779B97F4A7C15ull * (i + 1) + options.seed;
        child->time = now - (options.back ? options.back : 1);
        child->metrics = calloc((size_t)options.charts * options.dimensions, sizeof(Metric));
        child->active = calloc(options.charts, sizeof(bool));
        for (int k = 0; k < options.charts * options.dimensions; k++)
            begin_metric(child->metrics + k, k / options.dimensions, k % options.dimensions, &child->random);
        open_child(child);
        turn(0);
    }
    for (double latest = wall() + 120;;) {
        int ready = 0;
        turn(50);
        for (int i = 0; i < options.children; i++) ready += children[i].stage == READY && !children[i].out.length;
        if (ready == options.children && unread() == 0) break;
        if (gone() || stopped || wall() > latest) {
            fprintf(stderr, "only %d of %d children could begin\n", ready, options.children);
            return UNREADY;
        }
    }
    event("ready");
    for (double until = wall() + options.pause; wall() < until && !stopped;) turn(50);
    if (!stream()) { fprintf(stderr, "the parent closed all connections\n"); return ALL_GONE; }
    drain();
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    for (char byte; !stopped && read(STDIN_FILENO, &byte, 1) != 0;) turn(50);
    return gone() ? SOME_GONE : 0;
}
