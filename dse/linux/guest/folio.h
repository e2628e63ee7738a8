// Folios of 16 KiB to 2 MiB, swapped out as a whole and read in page by page, between marks.
#include "common.h"

enum { SMALLEST = 2, LARGEST = 9, FOLIOS = 4 };
static const char *FOLIO_COUNTERS[] = {"anon_fault_alloc", "swpout", "swpout_fallback", "zswpout", "swpin"};

static void say_counters(const char *stage, int order)
{
    char path[256], text[32];
    for (size_t i = 0; i < sizeof FOLIO_COUNTERS / sizeof *FOLIO_COUNTERS; i++) {
        snprintf(path, sizeof path, "/sys/kernel/mm/transparent_hugepage/hugepages-%dkB/stats/%s", 4 << order, FOLIO_COUNTERS[i]);
        FILE *file = fopen(path, "r");
        if (file && fgets(text, sizeof text, file))
            printf("folio %s %d %s %s", stage, order, FOLIO_COUNTERS[i], text);
        if (file)
            fclose(file);
    }
}

// Marks: out and in of each order.
static int folio(int which, const char *backend)
{
    int zero = !strcmp(backend, "zero"), disk = !strcmp(backend, "disk");
    char path[256];
    volatile char sum = 0;
    for (int order = SMALLEST; order <= LARGEST; order++) {
        size_t pages = 1ul << order;
        snprintf(path, sizeof path, "/sys/kernel/mm/transparent_hugepage/hugepages-%dkB/enabled", 4 << order);
        if (put_text(path, "madvise"))
            continue;
        say_counters("before", order);
        for (int i = 0; i < FOLIOS; i++) {
            char *p = reserve_aligned(512);
            madvise(p, 512 * PAGE, MADV_HUGEPAGE);
            give_content(p, pages, i * 512, zero);
            mark(which + 2 * (order - SMALLEST));
            madvise(p, pages * PAGE, MADV_PAGEOUT);
            if (disk)
                usleep(100 * pages + 300);
            mark(0);
            usleep(100 * pages);
            reclaim(); // pages of a folio that zswap does not take are on the disk
            mark(which + 2 * (order - SMALLEST) + 1);
            for (size_t k = 0; k < pages; k++)
                sum += p[k * PAGE + 8];
            mark(0);
            munmap(p, 512 * PAGE);
        }
        say_counters("after", order);
        put_text(path, "never");
    }
    return 0;
}
