// Replays a stream of accesses in a memory cgroup of its own. Words of the stream: dse/linux/streams.py.
#include "common.h"
#include <sys/stat.h>

enum { FRESH = 1 << 29, RANGE = 1 << 30, NUMBER = (1 << 29) - 1 };
static const char *COUNTERS[] = {"pswp", "zswp", "swpin_zero", "swpout_zero", "pgmajfault", "workingset_", "pgscan_anon", "pgsteal_anon", "pgactivate"};
static const char *LEVELS[] = {"anon ", "pagetables ", "kernel ", "zswap ", "zswapped ", "swapcached "};
static const char *EVENTS[] = {"oom "};

static void copy_counts(const char *stage, const char *path, const char **wanted, size_t count)
{
    char line[256];
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        for (size_t i = 0; i < count; i++)
            if (!strncmp(line, wanted[i], strlen(wanted[i])))
                printf("trace %s %s", stage, line);
    if (file)
        fclose(file);
}

static uint32_t *read_stream(const char *path, size_t *words)
{
    struct stat about;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &about))
        return 0;
    uint32_t *stream = mmap(0, about.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (off_t at = 0; at < about.st_size;) {
        ssize_t got = read(file, (char *)stream + at, about.st_size - at);
        if (got <= 0)
            return 0;
        at += got;
    }
    close(file);
    *words = about.st_size / sizeof *stream;
    return stream;
}

static int trace(const char *path, size_t pages, const char *backend, const char *group)
{
    char text[512];
    size_t words = 0;
    int zero = !strcmp(backend, "zero");
    volatile uint64_t sum = 0;
    uint32_t *stream = read_stream(path, &words);
    if (!stream || mlockall(MCL_CURRENT)) // the stream is charged to no group and stays
        return 5;
    snprintf(text, sizeof text, "%s/cgroup.procs", group);
    if (put_text(text, "0"))
        return 6;
    put_text("/proc/self/oom_score_adj", "-1000"); // where reclaim gives up, the fault is tried again
    char *p = reserve(pages);
    copy_counts("before", "/proc/vmstat", COUNTERS, sizeof COUNTERS / sizeof *COUNTERS);
    for (size_t i = 0; i < words; i++) {
        char *page = p + (stream[i] & NUMBER) * PAGE;
        volatile uint64_t *word = (uint64_t *)page;
        if (stream[i] & RANGE)
            madvise(page, stream[++i] * PAGE, MADV_DONTNEED);
        else if (stream[i] & FRESH && zero)
            word[0] = 0;
        else if (stream[i] & FRESH)
            fill_page(page, stream[i] & NUMBER, PAGE / 4); // all pages fit the group compressed
        else if (stream[i] >> 31)
            word[0] = zero ? 0 : random_word();
        else
            sum += word[0];
    }
    copy_counts("after", "/proc/vmstat", COUNTERS, sizeof COUNTERS / sizeof *COUNTERS);
    snprintf(text, sizeof text, "%s/memory.stat", group);
    copy_counts("level", text, LEVELS, sizeof LEVELS / sizeof *LEVELS);
    snprintf(text, sizeof text, "%s/memory.events", group);
    copy_counts("level", text, EVENTS, sizeof EVENTS / sizeof *EVENTS);
    return 0;
}
