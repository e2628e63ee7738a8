// Program that runs in the guest: fills swap and takes snapshots of what the kernel allocated, or does single swap operations between marks.
//
//   workload snapshot STAGE       "snapshot STAGE FILE LINE" on stdout, a line for each line of the files
//   workload fill PAGES BACKEND   stages empty, touched, out, unmapped
//   workload operation BACKGROUND PAGES MARK zswap|zero|disk   MARK is that of the first operation; 0: unmarked
//   workload arm                  tells the plugin to instrument from here on
//
// A mark is a jump into the section .marks, which the linker puts at MARKS; 64 bytes for each. Mark 0 ends an operation.
#define _GNU_SOURCE
#include <fcntl.h>
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
enum { ARM = 31 };

__asm__(".pushsection .marks,\"ax\"\n.rept 32\nret\n.balign 64,0x90\n.endr\n.popsection\n");

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

// Half of a page from a pool of random bytes, its number, and zeros.
static void content(char *page, size_t number)
{
    memcpy(page + 8, pool + (number * 977) % (POOL - PAGE / 2), PAGE / 2 - 8);
    *(uint64_t *)page = number + 1;
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

static long swap_cached(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "SwapCached: %ld kB", &kib);
    if (file)
        fclose(file);
    return kib << 10;
}

// Free pages that were written to the disk: they are mapped no more, so madvise does not find them, and stay in the swap cache.
static void reclaim(void)
{
    char text[32];
    usleep(200000);
    for (int tries = 0; tries < 20 && swap_cached() > 0; tries++) {
        int file = open("/sys/fs/cgroup/dse/memory.reclaim", O_WRONLY);
        if (file < 0)
            return;
        if (write(file, text, snprintf(text, sizeof text, "%ld", swap_cached())) < 0)
            usleep(10000); // less was freed than asked for
        close(file);
    }
    printf("cached %ld\n", swap_cached());
}

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

int main(int count, char **given)
{
    setvbuf(stdout, 0, _IOFBF, 1 << 16);
    for (size_t i = 0; i < POOL; i += 8)
        *(uint64_t *)(pool + i) = random_word();
    if (count == 2 && !strcmp(given[1], "arm")) {
        mark(ARM);
        return 0;
    }
    if (count == 3 && !strcmp(given[1], "snapshot")) {
        snapshot(given[2]);
        return 0;
    }
    if (count == 4 && !strcmp(given[1], "fill"))
        return fill(strtoul(given[2], 0, 10), !strcmp(given[3], "disk"));
    if (count == 6 && !strcmp(given[1], "operation"))
        return operation(strtoul(given[2], 0, 10), strtoul(given[3], 0, 10), atoi(given[4]), given[5]);
    return 2;
}
