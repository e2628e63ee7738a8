// Fork and zap of contiguous page-table entries that hold swap entries, between marks.
#include "common.h"
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const size_t ENTRIES[] = {0, 1, 16, 256, 512};
enum { SIZES = 5, TIMES = 8 };

static void fork_once(int which)
{
    mark(which);
    long child = syscall(SYS_fork);
    if (!child)
        syscall(SYS_exit_group, 0);
    mark(0);
    waitpid(child, 0, 0);
}

// Marks: fork of 0, 1, 16, 256 and 512 entries, then zap of 1, 16, 256 and 512.
static int range(int which, const char *backend)
{
    struct sched_param first = {.sched_priority = 1};
    int zero = !strcmp(backend, "zero"), disk = !strcmp(backend, "disk");
    if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first)) // the child waits for mark 0
        return 7;
    fork_once(0);
    for (int size = 0; size < SIZES; size++)
        for (int i = 0; i < TIMES; i++) {
            size_t pages = ENTRIES[size];
            char *p = reserve_aligned(512);
            give_content(p, pages, i * 512, zero);
            if (pages)
                out(p, pages);
            if (disk && pages)
                reclaim();
            fork_once(which + size);
            if (pages) {
                mark(which + SIZES + size - 1);
                madvise(p, pages * PAGE, MADV_DONTNEED);
                mark(0);
            }
        }
    return 0;
}
