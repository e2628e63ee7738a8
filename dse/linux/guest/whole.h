// Swapoff and zswap's writeback, between marks.
#include "common.h"
#include <errno.h>
#include <sys/swap.h>

// Marks: swapoff of an empty disk, of one that holds `pages`.
static int swap_off(int which, size_t pages, const char *backend)
{
    int zero = !strcmp(backend, "zero"), disk = !strcmp(backend, "disk");
    for (int full = 0; full < 2; full++) {
        if (swapon("/dev/vda", 0))
            return 8;
        char *p = reserve(pages);
        if (full) {
            give_content(p, pages, 0, zero);
            out(p, pages);
            if (disk)
                reclaim();
        }
        usleep(200000);
        mark(which + full);
        int failed = swapoff("/dev/vda");
        mark(0);
        if (failed)
            return 9;
        munmap(p, pages * PAGE);
    }
    return 0;
}

// The shrinker of zswap writes all that it holds to the disk. A line "wrote MARK PAGES".
static int writeback(int which, size_t pages)
{
    char *p = reserve(pages);
    if (put_text("/proc/sys/vm/drop_caches", "2"))
        return 10;
    give_content(p, pages, 0, 0);
    out(p, pages);
    put_text("/sys/module/zswap/parameters/shrinker_enabled", "Y");
    usleep(2500000); // the group's statistics, which the shrinker asks, are flushed every 2 s
    long before = counter("zswpwb");
    int file = open("/proc/sys/vm/drop_caches", O_WRONLY);
    mark(which);
    for (int tries = 0; tries < 32; tries++) { // 128 entries a time; at the first meeting it passes an entry by
        if (write(file, "2", 1) < 0)
            return 11;
        usleep(5000); // the ends of the writes belong to it
    }
    mark(0);
    close(file);
    printf("wrote %d %ld\n", which, counter("zswpwb") - before);
    put_text("/sys/module/zswap/parameters/shrinker_enabled", "N");
    reclaim();
    return 0;
}
