// What the parts of the guest's program share: marks, content of pages, files of the kernel, pages that are swapped out.
#pragma once
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MARKS
#define MARKS 0x5a000000
#endif
#define PAGE 4096ul
#define POOL (1ul << 16)
enum { ARM = 255 };

__asm__(".pushsection .marks,\"ax\"\n.rept 256\nret\n.balign 64,0x90\n.endr\n.popsection\n");

static void mark(uintptr_t which)
{
    ((void (*)(void))(MARKS + 64 * which))();
}

static uint64_t state = 88172645463325252ull;

static uint64_t random_word(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static unsigned char pool[POOL];

// The number of a page, random bytes of a pool up to `filled`, and zeros.
static void fill_page(char *page, size_t number, size_t filled)
{
    memcpy(page + 8, pool + (number * 977) % (POOL - PAGE / 2), filled - 8);
    *(uint64_t *)page = number + 1;
}

static void content(char *page, size_t number)
{
    fill_page(page, number, PAGE / 2);
}

// Print the lines of a file that hold `wanted`. All is read before the first is printed: the report is a file too, and takes memory.
static void copy_file(const char *stage, const char *path, const char *wanted)
{
    static char text[1 << 20];
    size_t size = 0;
    ssize_t got;
    int file = open(path, O_RDONLY);
    if (file < 0)
        return;
    while ((got = read(file, text + size, sizeof text - 1 - size)) > 0)
        size += got;
    close(file);
    text[size] = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(0, "\n"))
        if (!wanted || strstr(line, wanted))
            printf("snapshot %s %s %s\n", stage, path, line);
}

static void shrink_slabs(void)
{
    char path[512];
    DIR *folder = opendir("/sys/kernel/slab");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        snprintf(path, sizeof path, "/sys/kernel/slab/%s/shrink", entry->d_name);
        int file = open(path, O_WRONLY);
        if (file >= 0) {
            if (write(file, "1", 1) < 0)
                perror(path);
            close(file);
        }
    }
    if (folder)
        closedir(folder);
}

static const char *HISTOGRAMS[] = {"/sys/kernel/tracing/events/kmem/kmem_cache_alloc/hist", "/sys/kernel/tracing/events/kmem/kmalloc/hist",
                                   "/sys/kernel/tracing/events/kmem/mm_page_alloc/hist"};

static void snapshot(const char *stage)
{
    fflush(stdout);
    for (int i = 0; i < 3; i++) { // what waits to be freed by RCU is freed meanwhile, what is cached per CPU thereafter
        usleep(500000);
        shrink_slabs();
    }
    copy_file(stage, "/proc/slabinfo", 0);
    copy_file(stage, "/proc/meminfo", 0);
    copy_file(stage, "/proc/vmstat", "swp");
    copy_file(stage, "/proc/vmallocinfo", "swap");
    copy_file(stage, "/sys/kernel/debug/zswap/pool_total_size", 0);
    copy_file(stage, "/sys/kernel/debug/zswap/stored_pages", 0);
    for (size_t i = 0; i < sizeof HISTOGRAMS / sizeof *HISTOGRAMS; i++)
        copy_file(stage, HISTOGRAMS[i], 0);
    fflush(stdout);
}

static char *reserve(size_t pages)
{
    char *p = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(3);
    }
    madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
    return p;
}

static void out(char *p, size_t pages)
{
    if (madvise(p, pages * PAGE, MADV_PAGEOUT)) {
        perror("madvise");
        exit(4);
    }
}

static int put_text(const char *path, const char *text)
{
    int file = open(path, O_WRONLY), failed = file < 0 || write(file, text, strlen(text)) < 0;
    if (file >= 0)
        close(file);
    return failed;
}

static long swap_cached(void)
{
    char line[256];
    long kib = 0;
    put_text("/proc/sys/vm/stat_refresh", "1"); // counts of a CPU are added at once
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "SwapCached: %ld kB", &kib);
    if (file)
        fclose(file);
    return kib << 10;
}

static long counter(const char *name)
{
    char line[256], found[128];
    long value = 0, read = 0;
    FILE *file = fopen("/proc/vmstat", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%127s %ld", found, &read) == 2 && !strcmp(found, name))
            value = read;
    if (file)
        fclose(file);
    return value;
}

// Pages at an address that 512 of them share a table of.
static char *reserve_aligned(size_t pages)
{
    char *p = reserve(pages + 512);
    return (char *)(((uintptr_t)p + 512 * PAGE - 1) & ~(512 * PAGE - 1));
}

static void give_content(char *p, size_t pages, size_t first, int zero)
{
    for (size_t i = 0; i < pages; i++)
        if (zero)
            p[i * PAGE + 8] = 0;
        else
            content(p + i * PAGE, first + i);
}

// Free pages that were written to the disk: they are mapped no more, so madvise does not find them, and stay in the swap cache.
static void reclaim(void)
{
    char text[32];
    usleep(200000);
    for (long before = LONG_MAX, now; (now = swap_cached()) > 0 && now < before; before = now) { // what is mapped stays cached
        int file = open("/sys/fs/cgroup/dse/memory.reclaim", O_WRONLY);
        if (file < 0)
            return;
        if (write(file, text, snprintf(text, sizeof text, "%ld", now)) < 0)
            usleep(10000); // less was freed than asked for
        close(file);
    }
    if (swap_cached())
        printf("cached %ld\n", swap_cached());
}
