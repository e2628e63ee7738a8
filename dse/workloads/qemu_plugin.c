/*
 * TCG plugin for qemu-user: the page runs and the mapping calls of one guest process, written to a pipe.
 *
 * Output: 64-bit words. Bits 60..63 are the kind: 0 an access (page << 1 | write), 15 a further argument of the
 * operation before it, else an operation (enum kind) with its first argument in bits 0..59. Writes are at most
 * PIPE_BUF bytes long, so they are atomic. A forked child is silent but for one GONE when it execs or exits.
 *
 * The declarations below are the few that are needed of QEMU's plugin interface (its documentation: "TCG plugins");
 * distributions do not package the header.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef uint64_t plugin_id;
typedef uint32_t mem_info;
struct tb;
struct insn;
enum { NO_REGS = 0 };
enum { MEM_R = 1, MEM_W = 2, MEM_RW = 3 };
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*cb)(plugin_id, struct tb *));
extern size_t qemu_plugin_tb_n_insns(const struct tb *tb);
extern struct insn *qemu_plugin_tb_get_insn(const struct tb *tb, size_t index);
extern void qemu_plugin_register_vcpu_mem_cb(struct insn *insn, void (*cb)(unsigned, mem_info, uint64_t, void *),
                                             int flags, int rw, void *data);
extern bool qemu_plugin_mem_is_store(mem_info info);
extern unsigned qemu_plugin_mem_size_shift(mem_info info);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id id, void (*cb)(plugin_id, unsigned, int64_t, uint64_t,
                                                 uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
extern void qemu_plugin_register_vcpu_syscall_ret_cb(plugin_id id, void (*cb)(plugin_id, unsigned, int64_t, int64_t));
extern void qemu_plugin_register_atexit_cb(plugin_id id, void (*cb)(plugin_id, void *), void *data);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = PLUGIN_VERSION;

enum kind { MAP = 1, SHARED, UNMAP, DROP, BRK, MOVE, FORK, GONE, MORE = 15 };
enum { PAGE_SHIFT = 12, WORDS = 512, VCPUS = 1024, NO_WORD_LEFT = 8 };
enum { SYS_MMAP = 9, SYS_MUNMAP = 11, SYS_BRK = 12, SYS_MREMAP = 25, SYS_MADVISE = 28, SYS_CLONE = 56, SYS_FORK = 57,
       SYS_EXECVE = 59, SYS_EXIT = 60, SYS_WAIT4 = 61, SYS_EXIT_GROUP = 231, SYS_EXECVEAT = 322 };
enum { CLONE_VM_FLAG = 0x100 };

static struct vcpu {
    uint64_t words[WORDS];
    unsigned used;
    uint64_t last; /* open run + 1 */
    uint64_t arg[5];
} vcpus[VCPUS];
static int out = -1;
static bool child;

static void write_all(const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes && out >= 0) {
        ssize_t done = write(out, at, bytes);
        if (done <= 0) {
            out = -1;
            return;
        }
        at += done;
        bytes -= (size_t)done;
    }
}

static struct vcpu *get(unsigned index)
{
    if (index >= VCPUS) {
        _exit(125);
    }
    return &vcpus[index];
}

static void close_run(struct vcpu *v)
{
    if (v->last) {
        v->words[v->used++] = v->last - 1;
        v->last = 0;
    }
}

static void flush(struct vcpu *v)
{
    if (!child) {
        write_all(v->words, v->used * sizeof v->words[0]);
    }
    v->used = 0;
}

static void access_page(struct vcpu *v, uint64_t page, bool write)
{
    uint64_t open = v->last - 1;
    if (v->last && open >> 1 == page) {
        v->last = (open | write) + 1;
        return;
    }
    close_run(v);
    v->last = (page << 1 | write) + 1;
    if (v->used + NO_WORD_LEFT > WORDS) {
        flush(v);
    }
}

static void on_memory(unsigned index, mem_info info, uint64_t address, void *data)
{
    struct vcpu *v = get(index);
    bool write = qemu_plugin_mem_is_store(info);
    uint64_t first = address >> PAGE_SHIFT;
    uint64_t last = (address + (1u << qemu_plugin_mem_size_shift(info)) - 1) >> PAGE_SHIFT;
    (void)data;
    access_page(v, first, write);
    if (last != first) {
        access_page(v, last, write);
    }
}

static void on_translate(plugin_id id, struct tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    (void)id;
    for (size_t i = 0; i < n; i++) {
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), on_memory, NO_REGS, MEM_RW, NULL);
    }
}

static void operation(struct vcpu *v, enum kind kind, const uint64_t *args, unsigned n)
{
    close_run(v);
    for (unsigned i = 0; i < n; i++) {
        v->words[v->used++] = (uint64_t)(i ? MORE : kind) << 60 | args[i];
    }
    flush(v);
}

static void range(struct vcpu *v, enum kind kind, uint64_t address, uint64_t bytes)
{
    uint64_t first = address >> PAGE_SHIFT;
    uint64_t args[2] = { first, ((address + bytes + (1u << PAGE_SHIFT) - 1) >> PAGE_SHIFT) - first };
    operation(v, kind, args, 2);
}

static void on_call(plugin_id id, unsigned index, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                    uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    struct vcpu *v = get(index);
    (void)id, (void)a6, (void)a7, (void)a8;
    v->arg[0] = a1, v->arg[1] = a2, v->arg[2] = a3, v->arg[3] = a4, v->arg[4] = a5;
    if (child) {
        if (number == SYS_EXECVE || number == SYS_EXECVEAT || number == SYS_EXIT_GROUP) {
            uint64_t word = (uint64_t)GONE << 60 | (uint64_t)getpid();
            write_all(&word, sizeof word);
        }
    } else if (number == SYS_CLONE || number == SYS_FORK || number == SYS_EXIT || number == SYS_EXIT_GROUP) {
        close_run(v);
        flush(v);
    }
}

static void on_return(plugin_id id, unsigned index, int64_t number, int64_t result)
{
    struct vcpu *v = get(index);
    uint64_t *a = v->arg, got = (uint64_t)result, move[4];
    (void)id;
    if (child || (result < 0 && result > -4096)) {
        return;
    }
    switch (number) {
    case SYS_MMAP:
        range(v, (a[3] & 1) && (a[3] & 3) != 2 && (a[2] & 2) ? SHARED : MAP, got, a[1]);
        break;
    case SYS_MUNMAP:
        range(v, UNMAP, a[0], a[1]);
        break;
    case SYS_BRK:
        got = (got + (1u << PAGE_SHIFT) - 1) >> PAGE_SHIFT;
        operation(v, BRK, &got, 1);
        break;
    case SYS_MREMAP:
        move[0] = a[0] >> PAGE_SHIFT, move[1] = (a[1] + 4095) >> PAGE_SHIFT;
        move[2] = got >> PAGE_SHIFT, move[3] = (a[2] + 4095) >> PAGE_SHIFT;
        operation(v, MOVE, move, 4);
        break;
    case SYS_MADVISE:
        if (a[2] == 4 || a[2] == 9 || a[2] == 24) {
            range(v, DROP, a[0], a[1]);
        }
        break;
    case SYS_CLONE:
    case SYS_FORK:
        if (got && (number == SYS_FORK || !(a[0] & CLONE_VM_FLAG))) {
            operation(v, FORK, &got, 1);
        }
        break;
    case SYS_WAIT4:
        if (got) {
            operation(v, GONE, &got, 1);
        }
        break;
    }
}

static void in_child(void)
{
    child = true;
}

static void at_exit(plugin_id id, void *data)
{
    (void)id, (void)data;
    for (unsigned i = 0; i < VCPUS; i++) {
        close_run(&vcpus[i]);
        flush(&vcpus[i]);
    }
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "fd=", 3)) {
            out = atoi(argv[i] + 3);
        }
    }
    if (out < 0 || fcntl(out, F_SETFD, FD_CLOEXEC) || pthread_atfork(NULL, NULL, in_child)) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_vcpu_syscall_cb(id, on_call);
    qemu_plugin_register_vcpu_syscall_ret_cb(id, on_return);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
