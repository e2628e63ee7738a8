// Program that runs in the guest: the experiments of `dse linux record`.
//
//   workload snapshot STAGE       "snapshot STAGE FILE LINE" on stdout, a line for each line of the files
//   workload fill PAGES BACKEND   stages empty, touched, out, unmapped
//   workload trace FILE PAGES BACKEND GROUP   "trace before|after|level NAME VALUE"
//   workload operation BACKGROUND PAGES MARK BACKEND   MARK is that of the first operation; 0: unmarked
//   workload range|folio MARK BACKEND
//   workload swapoff MARK PAGES BACKEND
//   workload writeback MARK PAGES
//   workload arm                  tells the plugin to instrument from here on
//
// BACKEND is zswap, zero or disk. A mark is a jump into the section .marks, which the linker puts at MARKS; 64 bytes for each.
// Mark 0 ends an operation.
#include "common.h"
#include "fill.h"
#include "folio.h"
#include "operation.h"
#include "range.h"
#include "trace.h"
#include "whole.h"

static int run(int count, char **given)
{
    size_t size = count > 2 ? strtoul(given[2], 0, 10) : 0, next = count > 3 ? strtoul(given[3], 0, 10) : 0;
    const char *verb = given[1];
    if (count == 2 && !strcmp(verb, "arm"))
        return mark(ARM), 0;
    if (count == 3 && !strcmp(verb, "snapshot"))
        return snapshot(given[2]), 0;
    if (count == 4 && !strcmp(verb, "fill"))
        return fill(size, !strcmp(given[3], "disk"));
    if (count == 6 && !strcmp(verb, "trace"))
        return trace(given[2], next, given[4], given[5]);
    if (count == 6 && !strcmp(verb, "operation"))
        return operation(size, next, atoi(given[4]), given[5]);
    if (mlockall(MCL_CURRENT)) // none of the program's own pages is swapped out; what is mapped from here on is
        return 12;
    if (count == 4 && !strcmp(verb, "range"))
        return range(size, given[3]);
    if (count == 4 && !strcmp(verb, "folio"))
        return folio(size, given[3]);
    if (count == 5 && !strcmp(verb, "swapoff"))
        return swap_off(size, next, given[4]);
    if (count == 4 && !strcmp(verb, "writeback"))
        return writeback(size, next);
    return 2;
}

int main(int count, char **given)
{
    setvbuf(stdout, 0, _IOFBF, 1 << 16);
    for (size_t i = 0; i < POOL; i += 8)
        *(uint64_t *)(pool + i) = random_word();
    int status = count > 1 ? run(count, given) : 2;
    fflush(stdout);
    return status;
}
