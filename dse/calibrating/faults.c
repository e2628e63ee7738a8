// Program that `dse calibrate` runs in a memory cgroup of its own: times single faults and single calls of MADV_PAGEOUT.
//
//   faults GROUP KIND PAGES SEED CPU
//
// GROUP is the folder of the cgroup. KIND is first (fresh memory), zero (pages of zeros), hit (pages that the swap cache still holds), read
// (pages that it has let go), half (as read, of a backend that keeps nothing in the swap cache). Pages hold half a page of random bytes.
// On stdout: "count PHASE NAME VALUE" of /proc/vmstat before, between and after; "ns own|out|in N..." in the order of the accesses;
// "lost N", pages that came back with another content. It is killed when its parent dies.
#include "../linux/guest/common.h"
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

enum { OWN = 1001 };
static const char *COUNTS[] = {"pswpin", "pswpout", "swpin_zero", "swpout_zero", "zswpin", "zswpout", "zswpwb", "pgmajfault"};

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void counts(const char *phase)
{
    for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++)
        printf("count %s %s %ld\n", phase, COUNTS[i], counter(COUNTS[i]));
}

static void shuffle(uint32_t *order, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        order[i] = i;
    for (size_t i = pages - 1; i > 0; i--) {
        size_t j = random_word() % (i + 1);
        uint32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

static void print(const char *what, const uint32_t *ns, size_t count)
{
    printf("ns %s", what);
    for (size_t i = 0; i < count; i++)
        printf(" %u", ns[i]);
    printf("\n");
}

static void touch(volatile char *p, const uint32_t *order, uint32_t *ns, size_t pages, int write)
{
    for (size_t i = 0; i < pages; i++) {
        volatile char *at = p + order[i] * PAGE + 8;
        uint64_t before = now();
        if (write)
            *at = 1;
        else
            (void)*at;
        ns[i] = now() - before;
    }
}

static void page_out(char *p, const uint32_t *order, uint32_t *ns, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        uint64_t before = now();
        out(p + order[i] * PAGE, 1);
        ns[i] = now() - before;
    }
}

// Let the swap cache go: pages are mapped no more, so that MADV_PAGEOUT does not find them.
static int drop(const char *group)
{
    char path[512], amount[32];
    for (int i = 0; i < 50 && swap_cached(); i++) {
        snprintf(path, sizeof path, "%s/memory.reclaim", group);
        snprintf(amount, sizeof amount, "%ld", swap_cached());
        if (access(path, W_OK)) { // cgroup v1
            snprintf(path, sizeof path, "%s/memory.force_empty", group);
            strcpy(amount, "0");
        }
        put_text(path, amount); // fails where less was freed than asked for
        usleep(20000);
    }
    return swap_cached() != 0;
}

static size_t differing(const char *p, size_t pages, int zero)
{
    static char expected[PAGE];
    size_t lost = 0;
    for (size_t i = 0; i < pages; i++) {
        memset(expected, 0, PAGE);
        if (!zero)
            content(expected, i);
        lost += memcmp(expected, p + i * PAGE, PAGE) != 0;
    }
    return lost;
}

static int run(const char *group, const char *kind, size_t pages)
{
    int zero = !strcmp(kind, "zero"), first = !strcmp(kind, "first");
    uint32_t *order = calloc(pages + OWN, sizeof *order), *ns = calloc(pages + OWN, sizeof *ns);
    for (size_t i = 0; i < POOL; i += 8)
        *(uint64_t *)(pool + i) = random_word();
    if (!order || !ns || mlockall(MCL_CURRENT)) // none of the program's own pages is swapped out; what is mapped from here on is
        return perror("memory"), 5;
    char *p = reserve(pages);
    memset(ns, 1, (pages + OWN) * sizeof *ns);
    memset(order, 0, OWN * sizeof *order);
    touch((char *)pool, order, ns, OWN, 0);
    print("own", ns, OWN);
    shuffle(order, pages);
    if (first) {
        counts("before");
        touch(p, order, ns, pages, 1);
        print("in", ns, pages);
        return counts("after"), 0;
    }
    give_content(p, pages, 0, zero);
    usleep(50000); // lists of the CPU are drained meanwhile
    counts("before");
    page_out(p, order, ns, pages);
    print("out", ns, pages);
    usleep(200000); // writeback ends meanwhile
    if (!strcmp(kind, "read") && drop(group))
        return fprintf(stderr, "the swap cache was not let go\n"), 6;
    counts("between");
    shuffle(order, pages);
    touch(p, order, ns, pages, 0);
    print("in", ns, pages);
    counts("after");
    printf("lost %zu\n", differing(p, pages, zero));
    return 0;
}

static char said[1 << 16];

int main(int count, char **given)
{
    char path[512];
    cpu_set_t cpus;
    if (count != 6)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(path, sizeof path, "%s/cgroup.procs", given[1]);
    if (put_text(path, "0"))
        return perror(path), 3;
    CPU_ZERO(&cpus);
    CPU_SET(atoi(given[5]), &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus)) // pages that wait on another CPU's list are not found
        return perror("sched_setaffinity"), 4;
    state += strtoul(given[4], 0, 10);
    setvbuf(stdout, said, _IOFBF, sizeof said); // locked with the rest
    int status = run(given[1], given[2], strtoul(given[3], 0, 10));
    fflush(stdout);
    return status;
}
