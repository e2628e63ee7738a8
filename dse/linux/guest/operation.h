// Single operations on one page each, between marks.
#include "common.h"

enum { OUT, READ, OUT_AGAIN, WRITE, ZAP };
#define WRITTEN 300 // [us] in which the disk has written a page

static void each(char *p, size_t pages, int kind, int which, int disk)
{
    volatile char sum = 0;
    for (size_t i = 0; i < pages; i++) {
        char *page = p + ((i * 2654435761ul + 12345) & (pages - 1)) * PAGE; // an odd multiplier: every page once
        if (which)
            mark(which + kind);
        switch (kind) {
        case READ: sum += page[8]; break;
        case WRITE: page[9] = 1; break;
        case ZAP: madvise(page, PAGE, MADV_DONTNEED); break;
        case OUT:
            madvise(page, PAGE, MADV_PAGEOUT);
            if (disk)
                usleep(WRITTEN); // the end of the write belongs to the operation
            break;
        default: madvise(page, PAGE, MADV_PAGEOUT);
        }
        if (which)
            mark(0);
    }
}

static int operation(size_t background, size_t pages, int which, const char *backend)
{
    int zero = !strcmp(backend, "zero"), disk = !strcmp(backend, "disk");
    char *rest = reserve(background), *p = reserve(pages);
    for (size_t i = 0; i < background; i++)
        content(rest + i * PAGE, i);
    out(rest, background);
    for (size_t i = 0; i < pages; i++)
        if (zero)
            p[i * PAGE + 8] = 0;
        else
            content(p + i * PAGE, background + i);
    each(p, pages, OUT, which, disk);
    if (disk)
        reclaim();
    each(p, pages, READ, which, disk);
    each(p, pages, OUT_AGAIN, which, disk);
    each(p, pages, WRITE, which, disk);
    for (size_t i = 0; zero && i < pages; i++)
        p[i * PAGE + 9] = 0;
    out(p, pages); // unmarked
    if (disk)
        reclaim();
    each(p, pages, ZAP, which, disk);
    return 0;
}
