"""Functions of a kernel by the symbols that it lists, with their groups and roles: what the plugin counts."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dse.errors import BadInput

GROUPS = ("other", "swap", "zswap", "zsmalloc", "xarray", "memcg", "lru", "data", "core")
"""Groups by number, as guest/plugin.c has them; core is the union of all but other and data."""
PATTERNS = Path(__file__).with_name("groups.toml")
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


@functools.cache
def _patterns() -> dict[int, re.Pattern[str]]:
    """Pattern of each group by its number, in the order in which they are tried."""
    listed = tomllib.loads(PATTERNS.read_text(encoding="utf-8"))
    return {GROUPS.index(group): re.compile("|".join(f"(?:{name})" for name in names)) for group, names in listed.items()}


def group_of(name: str) -> int:
    """Number of the group of a function; parts that the compiler split off (.cold, .part, .isra) go with it.

    Examples
    --------
    >>> [GROUPS[group_of(name)] for name in ("do_swap_page", "zs_malloc.cold", "xa_load", "do_madvise")]
    ['swap', 'zsmalloc', 'xarray', 'other']
    """
    base = name.partition(".")[0]
    return next((group for group, pattern in _patterns().items() if pattern.fullmatch(base)), 0)


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
