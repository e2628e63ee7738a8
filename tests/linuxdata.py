"""Reports of a guest and of the plugin, and a file that looks like a kernel image."""

from __future__ import annotations

from pathlib import Path


def bzimage(path: Path, release: str = "6.12.1-test") -> Path:
    """File with the header of a bzImage."""
    head = bytearray(4096)
    head[0x202:0x206] = b"HdrS"
    head[0x20E:0x210] = (0x400).to_bytes(2, "little")
    text = f"{release} (me) #1".encode()
    head[0x600 : 0x600 + len(text)] = text
    path.write_bytes(head)
    return path


SLAB = "{name:<20} {active} {active} 584 14 2 : tunables 0 0 0 : slabdata {slabs} {slabs} 0"
SYMBOLS = ["symbol ffffffff81000000 T _text", "symbol ffffffff81000010 t __pfx_do_swap_page", "symbol ffffffff81000020 T do_swap_page",
           "symbol ffffffff81000100 T _raw_spin_lock", "symbol ffffffff81000200 t xa_load\t[x]"]  # fmt: skip
COUNTS = [
    "operation 1 10 2 500 200 9000", "group 1 1 300 90", "group 1 4 50 10", "group 1 8 340 95", "group 1 0 200 100", "group 1 7 20 20",
    "function 1 do_swap_page 1 10 3000 250 80 240 20 10 0", "function 1 xa_load 4 30 900 50 10 30 0 0 0",
    "function 1 rare 0 1 5 1 0 1 0 0 0",
    "operation 15 9 0 1 1 1",
    "operation 229 8 0 80 16 800", "group 229 8 40 8", "function 229 zap_pte_range 0 8 400 60 10 60 8 0 0",
    "operation 230 8 0 680 80 8000", "group 230 8 340 80", "function 230 swap_put 1 8 4000 340 80 340 128 0 0",
    "function 230 xas_load 4 8 39 1 0 0 0 0 0", "function 230 zap_pte_range 0 8 3000 60 10 60 8 0 0",
    "function 230 xas_lock 4 3 3 1 0 0 3 0 0",
    "operation 150 1 0 900 90 70000", "group 150 8 400 80", "function 150 zswap_writeback_entry 2 100 60000 400 80 400 300 0 0",
]  # fmt: skip
TRACED = [
    "release 6.12.1-test", "version #1", "step trace-{lists}-zero-zipf-64",
    "turn 1", "trace before pgmajfault 5", "trace before pswpin 1", "trace before workingset_refault_anon 2",
    "trace after pgmajfault 25", "trace after pswpin 4", "trace after swpin_zero 17", "trace after zswpout 40", "trace after pswpout 9",
    "trace after zswpwb 6", "trace after workingset_refault_anon 12", "trace level zswap 4096", "trace level zswapped 8192",
    "turn 2", "trace before pgmajfault 25", "trace after pgmajfault 47", "trace after swpin_zero 22", "trace level oom 1",
    "end ok",
]  # fmt: skip
SAID = [
    "release 6.12.1-test", "version #1", "wrote 150 100", "step folio-zero-176", "folio before 2 anon_fault_alloc 4",
    "folio before 2 swpout 3", "folio after 2 anon_fault_alloc 8", "folio after 2 swpout 6", "end ok",
]  # fmt: skip


def slabs(stage: str, **active: int) -> list[str]:
    return [
        f"snapshot {stage} /proc/slabinfo {SLAB.format(name=name, active=count, slabs=-(-count // 14))}" for name, count in active.items()
    ]


def histograms_of(stage: str, count: int) -> list[str]:
    """Histograms of a kernel that allocated `count` nodes and as many tables of 8 KiB."""
    lines = {
        "kmem_cache_alloc": [f"{{ call_site: [ffffffff81] xas_alloc+0x1/0x2   }} hitcount:    {count}  bytes_alloc:   {count * 576}"],
        "mm_page_alloc": [
            "# trigger info: hist:keys=common_stacktrace,order",
            "{ common_stacktrace:", "       alloc_pages_noprof+0x1/0x2", "      swap_table_alloc+0x8/0x9", "      folio_alloc_swap+0x8/0x9",
            f", order:          1}} hitcount:         {count}",
            "{ common_stacktrace:", "       allocate_slab+0x1/0x2", "       xas_alloc+0x8/0x9",
            f", order:          0}} hitcount:         {count}",
        ],
    }  # fmt: skip
    return [f"snapshot {stage} /sys/kernel/tracing/events/kmem/{event}/hist {line}" for event, of in lines.items() for line in of]


def report() -> list[str]:
    """Report of a guest that filled swap once."""
    lines = ["release 6.12.1-test", "version #1", "lru_gen 0x0007", "step symbols", *SYMBOLS, "step fill-zswap"]
    for stage, nodes, pool in (("before", 10, 0), ("empty", 10, 0), ("touched", 12, 0), ("out", 26, 4096), ("unmapped", 12, 0)):
        lines += slabs(stage, radix_tree_node=nodes, dentry=1000 + nodes)
        lines.append(f"snapshot {stage} /sys/kernel/debug/zswap/pool_total_size {pool}")
        lines += histograms_of(stage, nodes)
    return [*lines, "end ok"]


def swapons(stage: str, count: int) -> list[str]:
    """Histograms of a kernel whose swapon asked `count` times for arrays of 257 clusters and of a bit a slot, and for a vmalloc area."""

    def array(number: int, *frames: str, asked: int, got: int) -> list[str]:
        calls = [f"         {frame}+0x1/0x2" for frame in (*frames, "__do_sys_swapon", "do_syscall_64")]
        end = f", bytes_req:       {asked}, ptr:  1844661268{number}}} hitcount:          {count}  bytes_alloc:      {got * count}"
        return ["{ common_stacktrace:", *calls, end]

    lines = [
        "# trigger info: hist:keys=call_site.sym:vals=hitcount,bytes_alloc:sort=hitcount:size=4096 [active]",
        f"{{ call_site: [ffffffff81] add_swap_extent          }} hitcount:          {count}  bytes_alloc:         {64 * count}",
        "# trigger info: hist:keys=common_stacktrace,bytes_req,ptr:vals=hitcount,bytes_alloc:sort=hitcount:size=512 if bytes_req >= 4096",
        *array(0, "__kvmalloc_node_noprof", asked=6168, got=8192),
        *array(1, "__kmalloc_node_noprof", "__kvmalloc_node_noprof", asked=16392, got=32768),
        *array(1, "__kvmalloc_node_noprof", asked=16392, got=32768),  # said twice: by kmalloc of whole pages and by its caller
        *array(2, "__vmalloc_area_node", "vzalloc_noprof", asked=8192, got=8192),
        "{ common_stacktrace:", "         seq_read_iter+0x1/0x2", f", bytes_req: 8192, ptr: 77}} hitcount: {count} bytes_alloc: 8192",
    ]  # fmt: skip
    return [f"snapshot {stage} /sys/kernel/tracing/events/kmem/kmalloc/hist {line}" for line in lines]
