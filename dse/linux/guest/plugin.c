// Plugin for qemu-system (TCG): per operation of the workload and per function of the kernel, its calls, instructions, distinct 64-byte lines,
// lines written, and calls of watched functions (locks, allocations) by caller. Arguments: functions=FILE out=FILE marks=ADDRESS.
//
// FILE of functions: lines "ADDRESS NAME GROUP ROLE", sorted by address. Roles: - none, l takes a lock, a allocates, f frees, i an interrupt
// arrives, s a function whose first store is on the stack of the task, t on that of interrupts.
// An operation lasts from mark N to mark 0. One that an interrupt hit is dropped and counted as such, below mark LONG: from there on
// operations take long or wait for the disk. Stack and user addresses are left out.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;
typedef void (*exec_callback)(unsigned cpu, void *data);
typedef void (*memory_callback)(unsigned cpu, uint32_t access, uint64_t address, void *data);
typedef void (*block_callback)(plugin_id id, struct qemu_plugin_tb *block);
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, block_callback call);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, exec_callback call, int registers, void *data);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, memory_callback call, int registers, int which, void *data);
extern void qemu_plugin_register_atexit_cb(plugin_id id, void (*call)(plugin_id id, void *data), void *data);
extern void qemu_plugin_reset(plugin_id id, void (*call)(plugin_id id));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
extern bool qemu_plugin_mem_is_store(uint32_t access);
EXPORT int qemu_plugin_version = 2;

enum { MARKS = 256, ARM = 255, LONG = 128, OTHER = 0, DATA = 7, CORE = 8, GROUPS = 9, // CORE: every group but OTHER and DATA
       WATCHED = 3, BITS = 20, SLOTS = 1 << BITS, READ_WRITE = 3 };
#define KERNEL 0xffffffff80000000ull
#define STACK_MASK (~0x3fffull)

struct function { uint64_t address; char *name; uint8_t group; char role; };
struct tally { uint64_t calls, insns, lines, written, first, watched[WATCHED]; };
struct totals { uint64_t operations, dropped, lines, written, insns, group_lines[GROUPS], group_written[GROUPS]; };

static struct function *functions;
static size_t number;
static struct tally *now, *sums[MARKS]; // of this operation, and of all by mark
static struct totals part, totals[MARKS];
static uint32_t *hit, *hit_at; // functions of this operation; the operation a function was last seen in
static uint32_t hits, operation;
static struct { uint64_t key; uint32_t operation; bool written; } set[SLOTS];
static int mode;
static bool interrupted, overflow;
static uint64_t stack, interrupt_stack, marks = 0x5a000000;
static size_t last, armed_anchor = SIZE_MAX;
static const char *out = "/dev/stderr";
static plugin_id self;

static size_t function_of(uint64_t address)
{
    size_t low = 0, high = number;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (functions[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : SIZE_MAX;
}

static struct tally *of(size_t f)
{
    if (hit_at[f] != operation) {
        hit_at[f] = operation;
        hit[hits++] = f;
        memset(now + f, 0, sizeof *now);
    }
    return now + f;
}

// Put a key into the set: bit 0 when it is new, bit 1 when it is written for the first time.
static int put(uint64_t tag, uint64_t line, bool store)
{
    uint64_t key = tag << 42 | (line & ((1ull << 42) - 1));
    uint32_t at = key * 0x9e3779b97f4a7c15ull >> (64 - BITS), tried = 0;
    while (set[at].operation == operation && set[at].key != key) {
        at = (at + 1) & (SLOTS - 1);
        if (++tried == SLOTS / 2) {
            overflow = true;
            return 0;
        }
    }
    int found = set[at].operation != operation;
    if (found) {
        set[at].operation = operation;
        set[at].key = key;
        set[at].written = false;
    }
    if (store && !set[at].written) {
        set[at].written = true;
        found |= 2;
    }
    return found;
}

static void put_group(int group, uint64_t line, bool store)
{
    int found = put(group + 1, line, store);
    part.group_lines[group] += found & 1;
    part.group_written[group] += found >> 1;
}

static void on_memory(unsigned cpu, uint32_t access, uint64_t address, void *data)
{
    size_t f = (uintptr_t)data;
    bool store = qemu_plugin_mem_is_store(access);
    (void)cpu;
    if (f == armed_anchor && store) {
        *(functions[f].role == 's' ? &stack : &interrupt_stack) = address & STACK_MASK;
        armed_anchor = SIZE_MAX;
    }
    if (!mode || !(address >> 63) || (address & STACK_MASK) == stack || (address & STACK_MASK) == interrupt_stack)
        return;
    struct tally *tally = of(f);
    uint64_t line = address >> 6;
    uint8_t group = functions[f].group;
    int found = put(f + GROUPS + 1, line, store);
    tally->lines += found & 1;
    tally->written += found >> 1;
    put_group(group, line, store);
    if (group != OTHER && group != DATA)
        put_group(CORE, line, store);
    found = put(0, line, store);
    part.lines += found & 1;
    part.written += found >> 1;
    tally->first += found & 1;
}

static void on_instruction(unsigned cpu, void *data)
{
    size_t f = (uintptr_t)data;
    (void)cpu;
    if (mode) {
        of(f)->insns++;
        part.insns++;
    }
    last = f;
}

static void on_entry(unsigned cpu, void *data)
{
    size_t f = (uintptr_t)data;
    char role = functions[f].role;
    (void)cpu;
    if (role == 's' || role == 't')
        armed_anchor = f;
    if (!mode)
        return;
    of(f)->calls++;
    if (role == 'i')
        interrupted |= mode < LONG;
    else if (role == 'l' || role == 'a' || role == 'f')
        of(last)->watched[role == 'l' ? 0 : role == 'a' ? 1 : 2]++;
}

static void end_operation(void)
{
    struct totals *total = totals + mode;
    if (interrupted || overflow) {
        total->dropped++;
        return;
    }
    uint64_t *to = (uint64_t *)total, *from = (uint64_t *)&part;
    part.operations = 1;
    for (size_t i = 0; i < sizeof part / sizeof *to; i++)
        to[i] += from[i];
    if (!sums[mode])
        sums[mode] = calloc(number, sizeof *now);
    for (uint32_t h = 0; h < hits; h++) {
        to = (uint64_t *)(sums[mode] + hit[h]);
        from = (uint64_t *)(now + hit[h]);
        for (size_t i = 0; i < sizeof *now / sizeof *to; i++)
            to[i] += from[i];
    }
}

static void on_reset(plugin_id id);

static void on_mark(unsigned cpu, void *data)
{
    int which = (uintptr_t)data;
    (void)cpu;
    if (which == ARM) {
        qemu_plugin_reset(self, on_reset);
        return;
    }
    if (mode)
        end_operation();
    mode = which;
    hits = 0;
    operation++;
    interrupted = overflow = false;
    memset(&part, 0, sizeof part);
}

static void instrument_marks(struct qemu_plugin_insn *insn, uint64_t address)
{
    if (address - marks < 64 * MARKS && !((address - marks) % 64))
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, 0, (void *)(uintptr_t)((address - marks) / 64));
}

static void before_arming(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
        instrument_marks(insn, qemu_plugin_insn_vaddr(insn));
    }
}

static void after_arming(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        instrument_marks(insn, address);
        size_t f = address >= KERNEL ? function_of(address) : SIZE_MAX;
        if (f == SIZE_MAX)
            continue;
        if (functions[f].address == address)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_entry, 0, (void *)f);
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_instruction, 0, (void *)f);
        qemu_plugin_register_vcpu_mem_cb(insn, on_memory, 0, READ_WRITE, (void *)f);
    }
}

static void write_out(plugin_id id, void *data)
{
    FILE *file = fopen(out, "w");
    (void)id;
    (void)data;
    for (int m = 1; file && m < ARM; m++) {
        struct totals *t = totals + m;
        if (!t->operations && !t->dropped)
            continue;
        fprintf(file, "operation %d %lu %lu %lu %lu %lu\n", m, t->operations, t->dropped, t->lines, t->written, t->insns);
        for (int g = 0; g < GROUPS; g++)
            fprintf(file, "group %d %d %lu %lu\n", m, g, t->group_lines[g], t->group_written[g]);
        for (size_t f = 0; sums[m] && f < number; f++) {
            struct tally *s = sums[m] + f;
            if (s->insns)
                fprintf(file, "function %d %s %d %lu %lu %lu %lu %lu %lu %lu %lu\n", m, functions[f].name, functions[f].group, s->calls,
                        s->insns, s->lines, s->written, s->first, s->watched[0], s->watched[1], s->watched[2]);
        }
    }
    if (file)
        fclose(file);
}

static void on_reset(plugin_id id)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, after_arming);
    qemu_plugin_register_atexit_cb(id, write_out, 0);
}

static bool read_functions(const char *path)
{
    FILE *file = fopen(path, "r");
    char name[256], role;
    unsigned long address;
    int group;
    size_t room = 0;
    while (file && fscanf(file, "%lx %255s %d %c", &address, name, &group, &role) == 4) {
        if (number == room)
            functions = realloc(functions, (room = room ? 2 * room : 1 << 16) * sizeof *functions);
        functions[number++] = (struct function){address, strdup(name), group, role};
    }
    now = calloc(number, sizeof *now);
    hit = calloc(number, sizeof *hit);
    hit_at = calloc(number, sizeof *hit_at);
    return file && number && !fclose(file);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **given)
{
    const char *path = "";
    (void)info;
    self = id;
    for (int i = 0; i < count; i++) {
        if (!strncmp(given[i], "functions=", 10))
            path = given[i] + 10;
        else if (!strncmp(given[i], "out=", 4))
            out = strdup(given[i] + 4);
        else if (!strncmp(given[i], "marks=", 6))
            marks = strtoull(given[i] + 6, 0, 0);
    }
    if (!read_functions(path)) {
        fprintf(stderr, "no functions in %s\n", path);
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, before_arming);
    return 0;
}
