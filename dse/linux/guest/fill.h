// Fills swap and takes snapshots of what the kernel allocated.
#include "common.h"

static int fill(size_t pages, int disk)
{
    char *p = reserve(pages);
    snapshot("empty");
    for (size_t i = 0; i < pages; i++)
        content(p + i * PAGE, i);
    snapshot("touched");
    out(p, pages);
    if (disk)
        reclaim();
    snapshot("out");
    munmap(p, pages * PAGE);
    snapshot("unmapped");
    return 0;
}
