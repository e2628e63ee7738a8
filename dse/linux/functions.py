"""Functions of a kernel by the symbols that it lists, with their groups and roles: what the plugin counts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from dse.errors import BadInput

GROUPS = ("other", "swap", "zswap", "zsmalloc", "xarray", "memcg", "lru", "data", "core")
"""Groups by number, as guest/plugin.c has them; core is the union of all but other and data."""
PATTERNS = {
    "data": r"(lzo.*|LZ4.*|lz4.*|deflate.*|zstd.*|ZSTD.*|crypto_.*|scomp_.*|acomp_.*|__?memcpy.*|memcpy.*|__?memset.*|memset.*|memmove.*"
    r"|__?memmove.*|rep_(movs|stos)_alternative|clear_page.*|copy_page.*|copy_mc.*|scatterwalk.*|memcpy_(from|to)_.*|kernel_fpu.*)",
    "zsmalloc": r"(_?_?zs_.*|zpool_.*|obj_(malloc|free).*|fix_fullness_group|insert_zspage|remove_zspage|__free_zspage|free_zspage"
    r"|async_free_zspage|find_get_zspage|get_next_zpdesc|.*zspage.*)",
    "zswap": r"_?_?zswap_.*",
    "xarray": r"(_?_?xas?_.*|radix_tree_node_.*)",
    "memcg": r"(_?_?mem_cgroup_.*|memcg_.*|_?_?(un)?charge_.*|try_charge_.*|page_counter_.*|swap_cgroup_.*"
    r"|_?_?lookup_swap_cgroup.*|obj_cgroup_.*"
    r"|_?_?count_memcg.*|_?_?mod_(memcg|lruvec|node|objcg|zone).*|_?_?count_obj.*|get_mem_cgroup.*|consume_.*stock.*|refill_.*stock.*"
    r"|_?_?lruvec_stat_.*|uncharge_.*|_?_?get_obj_cgroup.*|_?_?cgroup_rstat.*|_?_?css_rstat.*|do_memsw_account)",
    "lru": r"(workingset_.*|_?_?folio_(add_lru.*|batch_.*|mark_accessed|rotate.*|isolate_lru|putback_lru)|lru_.*|_?_?list_lru_.*|folio_lru.*)",
    "swap": r"(do_swap_page|_?_?(un)?swap.*|folio_alloc_swap|add_to_swap.*|_?_?delete_from_swap.*|cluster_.*|alloc_swap_.*|get_swap_.*"
    r"|folio_free_swap|put_swap_.*|_?_?read_swap_cache.*|isolate_lock_cluster|_swap_info_get|free_swap_.*|folio_end_writeback|__folio_end_writeback|try_to_free_swap|free_swap_slot"
    r"|move_cluster|relocate_cluster|_?_?lock_cluster.*|_?_?unlock_cluster.*|put_swap_folio|filemap_get_entry|folio_dup_swap|folio_put_swap"
    r"|should_try_to_free_swap|swapin_.*|si_swapinfo|__try_to_reclaim_swap|_?_?reclaim_swap.*|swp_.*|zeromap.*|_?_?count_swpout.*"
    r"|clear_shadow_from_swap_cache|_?_?end_swap_bio.*|scan_swap_map.*|pte_move_swp_offset|pte_to_swp_entry|__remove_mapping|inc_cluster_.*|dec_cluster_.*|add_swap_.*|get_next_cluster.*|vswap_.*)",
}
LOCK = re.compile(r"_?_?_raw_(spin|read|write)_(lock|trylock)(_irq|_bh|_irqsave|_nested|_irqsave_nested|_nest_lock)*$")
ALLOCATE = re.compile(
    r"(kmem_cache_alloc.*|__kmalloc.*|_?_?pcpu_alloc.*|__alloc_(pages|frozen_pages)(_noprof)?|__vmalloc_node.*|kvmalloc_node.*)"
)
FREE = re.compile(
    r"(kmem_cache_free.*|kfree|kvfree|kfree_rcu.*|kvfree_call_rcu|free_percpu|free_unref_(page|folios|page_commit)|free_frozen_pages)"
)
INTERRUPT = re.compile(r"(asm_sysvec_.*|asm_common_interrupt|asm_exc_nmi)")
ANCHORS = {"handle_mm_fault": "s", "__x64_sys_madvise": "s", "__common_interrupt": "t"}
NAMES = re.compile(r"symbol ([0-9a-f]+) [tTwW] (\S+)")
SKIPPED = ("__pfx_", "__cfi_", "_stext", "_text", "_etext", "_sinittext", "_einittext", "$", ".L")


class Function(NamedTuple):
    """A function: address, name, number of its group, and role (see guest/plugin.c)."""

    address: int
    name: str
    group: int
    role: str


_COMPILED = {GROUPS.index(group): re.compile(pattern) for group, pattern in PATTERNS.items()}


def group_of(name: str) -> int:
    """Number of the group of a function; parts that the compiler split off (.cold, .part, .isra) go with it.

    Examples
    --------
    >>> [GROUPS[group_of(name)] for name in ("do_swap_page", "zs_malloc.cold", "xa_load", "do_madvise")]
    ['swap', 'zsmalloc', 'xarray', 'other']
    """
    base = name.partition(".")[0]
    return next((group for group, pattern in _COMPILED.items() if pattern.fullmatch(base)), 0)


def role_of(name: str) -> str:
    """Role of a function in the plugin: l, a, f, i, s, t or -."""
    base = name.partition(".")[0]
    if name in ANCHORS:
        return ANCHORS[name]
    if base != name:
        return "-"
    for role, pattern in (("l", LOCK), ("a", ALLOCATE), ("f", FREE), ("i", INTERRUPT)):
        if pattern.fullmatch(base):
            return role
    return "-"


def read(lines: Iterable[str]) -> list[Function]:
    """Functions of the guest's report, sorted by address, one for each.

    Raises
    ------
    BadInput
        The report lists no function to swap in, or hides addresses.
    """
    found: dict[int, str] = {}
    for line in lines:
        match = NAMES.match(line)
        if match and not match[2].startswith(SKIPPED):
            found.setdefault(int(match[1], 16), match[2])
    if set(found) <= {0} or "do_swap_page" not in found.values():
        raise BadInput(
            "this kernel lists no do_swap_page in /proc/kallsyms (CONFIG_KALLSYMS_ALL, CONFIG_SWAP): operation cannot be recorded"
        )
    return [Function(address, name, group_of(name), role_of(name)) for address, name in sorted(found.items())]


def table(functions: Iterable[Function]) -> str:
    """Text that the plugin reads."""
    return "".join(f"{f.address:x} {f.name} {f.group} {f.role}\n" for f in functions)
